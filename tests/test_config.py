"""Settings: what the environment may say, and what keeps a production site from starting."""

import os
import re
import stat

import pytest

import config
from environment import BadSetting

SAFE = {
    "APP_ENV": "production",
    "SECRET_KEY": "Zq8vN3xTr5LkW0pYb7HdM2sJf9GcA4uE",
    "SITE_URL": "https://doorstep.example.com",
    "DATABASE_URL": "sqlite://",
}


@pytest.fixture
def load(tmp_path):
    """Settings of an environment that holds these variables and nothing else."""

    def of(**environ):
        return config.load({"INSTANCE_DIR": str(tmp_path / "instance"), **environ})

    return of


def test_without_any_variable_the_site_runs_here_in_rupees(load, tmp_path):
    settings = load()

    assert settings.port == 5000
    assert settings.site_url == "http://127.0.0.1:5000"
    assert settings.database_url == f"sqlite:///{tmp_path}/instance/doorstep.db"
    assert (settings.currency, settings.timezone) == ("INR", "Asia/Kolkata")
    assert settings.ratelimit_enabled
    assert not settings.production


def test_a_secret_is_made_once_and_kept_to_its_owner(load, tmp_path):
    first = load().secret_key

    assert load().secret_key == first
    assert len(first) >= config.MINIMUM_SECRET_LENGTH
    mode = stat.S_IMODE(os.stat(tmp_path / "instance" / "secret_key").st_mode)
    assert mode == 0o600


def test_production_makes_no_secret_of_its_own(load, tmp_path):
    load(**{**SAFE, "SECRET_KEY": ""})

    assert not (tmp_path / "instance" / "secret_key").exists()


def test_files_are_kept_in_the_instance_unless_the_operator_says_where(load, tmp_path):
    assert (load().upload_dir, load().export_dir) == (tmp_path / "instance/uploads", tmp_path / "instance/exports")
    there = load(UPLOAD_DIR="/srv/uploads", EXPORT_DIR="/srv/exports")
    assert (str(there.upload_dir), str(there.export_dir)) == ("/srv/uploads", "/srv/exports")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_postgresql_url_means_psycopg_3(load, scheme):
    url = load(DATABASE_URL=f"{scheme}://u:p@db/doorstep").database_url

    assert url == "postgresql+psycopg://u:p@db/doorstep"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("APP_ENV", "prod"),
        ("TIMEZONE", "Mars/Olympus"),
        ("TIMEZONE", "../../etc/passwd"),
        ("CURRENCY", "rupees"),
        ("FLASK_DEBUG", "maybe"),
        ("RATELIMIT_ENABLED", "2"),
        ("MASK_CONTACTS", "some"),
        ("PLATFORM_FEE", "ten"),
        ("PLATFORM_FEE", "-1"),
        ("PLATFORM_FEE", "1.005"),
        ("PLATFORM_FEE", "NaN"),
        ("LATE_FEE", "Infinity"),
        ("TAX_PERCENT", "18%"),
        ("TRUSTED_PROXIES", "many"),
        ("SCHEDULER", "cron"),
        ("REMINDER_HOUR", "24"),
        ("REMINDER_HOUR", "6 pm"),
        ("SMS_URL", "+91 98765"),
        ("SMS_URL", "json://example.com/{phone}"),
        ("SMS_URL", "msg91://template@authkey/"),
        ("SMS_URL", "msg91://template@authkey/{phone}/{phone}"),
        ("SMS_SCHEMES", "msg91,json"),
        ("CHAT_HOSTS", "https://chat.googleapis.com"),
        ("CHAT_HOSTS", "*"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/path"),
        ("UPI_ID", "doorstep"),
        ("UPI_ID", "doorstep@"),
        ("UPI_ID", "a b@okbank"),
        ("UPI_ID", "doorstep@okbank&am=1"),
        ("CASH", "gold"),
        ("OUTBOX_DAYS", "0"),
        ("OUTBOX_DAYS", "forever"),
        ("SESSION_DAYS", "0"),
        ("SESSION_DAYS", "367"),
        ("MAIL_PORT", ""),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(load, name, value):
    if not value:
        assert load(**{name: value}).mail_port == 587
        return
    with pytest.raises(BadSetting, match=name):
        load(**{name: value})


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_a_flag_may_be_said_in_several_words(load, word):
    assert load(ADMIN_TWO_FACTOR=word).admin_two_factor


def test_amounts_are_kept_in_the_minor_unit_of_the_currency(load):
    assert load(PLATFORM_FEE="15.50").platform_fee == 1550
    assert load(MIN_PAYOUT="250").min_payout == 25_000
    assert load(PLATFORM_FEE="15", CURRENCY="JPY", LATE_FEE="100").platform_fee == 15
    assert load(TAX_PERCENT="12.5").tax_basis_points == 1250


def test_the_sms_gateway_is_one_of_those_allowed_and_its_secret_is_not_quoted(load):
    url = "twilio://sid:s3cret@+15551230000/{phone}"

    assert load(SMS_URL=url).sms_url == url
    assert load(SMS_SCHEMES="Twilio, plivo").sms_schemes == ("twilio", "plivo")
    with pytest.raises(BadSetting, match="SMS_URL") as fault:
        load(SMS_URL=url, SMS_SCHEMES="msg91")
    assert "s3cret" not in str(fault.value)
    assert "s3cret" not in repr(load(SMS_URL=url))


def test_safe_production_settings_have_no_fault(load):
    assert config.faults(load(**SAFE)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is missing"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is weak"),
        ({"SECRET_KEY": "a" * 64}, "SECRET_KEY is weak"),
        ({"FLASK_DEBUG": "1"}, "FLASK_DEBUG is on"),
        ({"SITE_URL": "http://doorstep.example.com"}, "SITE_URL is not https"),
        ({"SITE_URL": ""}, "SITE_URL is not https"),
        ({"SITE_URL": "https://"}, "SITE_URL is not https"),
        ({"MAIL_PASSWORD": "secret", "MAIL_USE_TLS": "0"}, "MAIL_PASSWORD would travel in the clear"),
    ],
)
def test_each_fault_of_a_production_setting_is_named(load, change, fault):
    found = config.faults(load(**{**SAFE, **change}))

    assert len(found) == 1
    assert found[0].startswith(fault)


def test_all_faults_are_named_at_once(load):
    assert len(config.faults(load(APP_ENV="production", FLASK_DEBUG="1"))) == 3


def test_every_setting_is_in_the_readme():
    code = (config.ROOT / "config.py").read_text()
    readme = (config.ROOT / "README.md").read_text()
    names = set(re.findall(r"env(?:\.get\(|, )\"([A-Z_]+)\"", code))

    assert len(names) > 20
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []


STRIPE = {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
RAZORPAY = {"RAZORPAY_KEY_ID": "rzp_1", "RAZORPAY_KEY_SECRET": "s", "RAZORPAY_WEBHOOK_SECRET": "w"}


def test_cash_and_upi_are_on_and_a_gateway_is_by_its_keys(load):
    assert (load().cash, load().upi, load().gateways) == (True, True, ())
    assert load(**STRIPE, **RAZORPAY).gateways == ("stripe", "razorpay")
    assert (load(CASH="0").cash, load(UPI="0").upi) == (False, False)


def test_upi_knows_rupees_only(load):
    assert not load(CURRENCY="EUR").upi
    assert not load(CURRENCY="EUR", UPI="1").upi


@pytest.mark.parametrize("keys", [STRIPE, RAZORPAY], ids=["stripe", "razorpay"])
def test_a_gateway_needs_all_of_its_keys(load, keys):
    for missing in keys:
        with pytest.raises(BadSetting, match=missing):
            load(**{**keys, missing: ""})


def test_no_secret_of_a_gateway_is_shown(load):
    shown = repr(load(STRIPE_SECRET_KEY="sk_hidden", STRIPE_WEBHOOK_SECRET="wh_hidden"))
    assert "hidden" not in shown


@pytest.mark.parametrize("name", ["STRIPE_API", "RAZORPAY_API"])
def test_production_speaks_to_gateways_over_https(load, name):
    assert config.faults(load(**SAFE)) == []
    (fault,) = config.faults(load(**SAFE, **{name: "http://localhost:8420/"}))
    assert name in fault
