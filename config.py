"""Settings from the environment, and the faults that keep a production site from starting."""

import os
import re
import secrets
import zoneinfo
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from babel.numbers import get_currency_precision, list_currencies

ROOT = Path(__file__).resolve().parent
MINIMUM_SECRET_LENGTH = 32
MINIMUM_SECRET_ALPHABET = 10
# The SMS gateways that are known here, by the schemes of their addresses at apprise (see gateways.py).
SMS_SCHEMES = ("msg91", "twilio", "vonage", "d7sms", "plivo")
# An address of pictures, whose host can stand in a Content-Security-Policy as it is.
_TILES = re.compile(r"https?://[a-z0-9.-]+(:[1-9][0-9]{0,4})?/[^\s\"'<>]*")
GATEWAY_KEYS = (
    ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
    ("RAZORPAY_KEY_ID", "RAZORPAY_KEY_SECRET", "RAZORPAY_WEBHOOK_SECRET"),
)
# Others are for trying it out.
GATEWAY_APIS = {"STRIPE_API": "https://api.stripe.com", "RAZORPAY_API": "https://api.razorpay.com"}
# What readers can feel about a guide; the first three are always there.
GUIDE_REACTIONS = ("happy", "surprised", "confused", "grateful", "amused", "worried", "relieved", "sad", "angry")
FEWEST_REACTIONS, USUAL_REACTIONS = 3, 6
# Where the numbers of the site are read from unless it is said otherwise: this machine.
LOOPBACK = "127.0.0.0/8 ::1"
# Whom UPI pays: a name at a bank.
UPI_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,63}@[A-Za-z][A-Za-z0-9]{1,31}")
_HOST = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)+(:[1-9][0-9]{0,4})?")


class BadSetting(ValueError):
    """A setting has a value that cannot be used; the message names it."""


@dataclass(frozen=True)
class BookingPolicy:
    """The numbers of the marketplace's rules; minutes, hours and days as named."""

    lead_minutes: int = 60
    horizon_days: int = 30
    max_unanswered: int = 5
    answer_minutes_same_day: int = 120
    answer_minutes: int = 24 * 60
    expire_before_start_minutes: int = 60
    free_cancel_hours: int = 3
    cancel_grace_minutes: int = 5
    depart_before_hours: int = 3
    start_before_minutes: int = 30
    code_tries: int = 5
    auto_close_hours: int = 24
    review_edit_hours: int = 48
    review_window_days: int = 30
    buffer_minutes: int = 15
    slot_step_minutes: int = 30
    offers: int = 5
    agreed_moves: int = 2
    proposal_hours: int = 12
    knock_before_minutes: int = 15
    knock_pause_minutes: int = 5
    no_show_minutes: int = 30
    dispute_days: int = 7
    answer_dispute_hours: int = 48
    resolve_dispute_days: int = 7
    hold_minutes: int = 15
    chat_days: int = 7
    series_days: int = 180
    prior_weight: int = 5
    scorecard_days: int = 30
    scorecard_sample: int = 5
    least_acceptance: int = 50
    least_punctuality: int = 70
    least_completion: int = 80
    least_rating: float = 3.0
    punctual_minutes: int = 15
    warning_days: int = 7


@dataclass(frozen=True)
class Settings:
    """Everything an operator can set. Amounts are integers in the currency's minor unit."""

    env: str
    debug: bool
    port: int
    instance: Path
    database_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    secret_from_environment: bool
    site_url: str
    site_name: str
    timezone: str
    currency: str
    country: str
    default_locale: str
    ratelimit_enabled: bool
    redis_url: str = field(repr=False)
    upload_dir: Path
    export_dir: Path
    platform_fee: int
    tax_name: str
    tax_basis_points: int
    tax_mode: str
    tax_number: str
    business_address: str
    financial_year_start: int
    extra_limit: int
    late_fee: int
    commission_basis_points: int
    cash: bool
    upi: bool
    upi_id: str
    stripe_secret_key: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)
    stripe_api: str
    razorpay_key_id: str
    razorpay_key_secret: str = field(repr=False)
    razorpay_webhook_secret: str = field(repr=False)
    razorpay_api: str
    min_payout: int
    confirm_email: bool
    admin_two_factor: bool
    mail_server: str
    mail_port: int
    mail_use_tls: bool
    mail_use_ssl: bool
    mail_username: str
    mail_password: str = field(repr=False)
    mail_sender: str
    outbox_days: int
    sms_url: str = field(repr=False)
    sms_schemes: tuple[str, ...]
    chat_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    scheduler: str
    live_streams: int
    map_tiles_url: str
    map_attribution: str
    mask_contacts: bool
    guide_comments: str
    guide_reactions: tuple[str, ...]
    contact_email: str
    contact_phone: str
    llm_url: str
    llm_key: str = field(repr=False)
    llm_model: str
    reminder_hour: int
    trusted_proxies: int
    metrics_allow: tuple[IPv4Network | IPv6Network, ...]
    policy: BookingPolicy = field(default_factory=BookingPolicy)

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def map_tiles_origin(self) -> str:
        """The host that pages with a map may ask for pictures; empty without one."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.map_tiles_url)) if self.map_tiles_url else ""

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateways that take money for this site."""
        keys = {"stripe": self.stripe_secret_key, "razorpay": self.razorpay_key_id}
        return tuple(name for name, key in keys.items() if key)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)

    @property
    def minor_units(self) -> int:
        """How many minor units make one unit of the currency: 100 for INR, 1 for JPY."""
        return 10 ** get_currency_precision(self.currency)


def load(environ=None) -> Settings:
    """Read the settings. Raises BadSetting naming the first variable that cannot be used."""
    env = dict(os.environ if environ is None else environ)
    instance = Path(env.get("INSTANCE_DIR") or ROOT / "instance").absolute()
    currency = _one_of(env, "CURRENCY", "INR", list_currencies())
    units = 10 ** get_currency_precision(currency)
    port = _integer(env, "PORT", 5000, 1, 65535)
    secret = env.get("SECRET_KEY", "")
    app_env = _one_of(env, "APP_ENV", "development", ("development", "testing", "production"))
    return Settings(
        env=app_env,
        debug=_flag(env, "FLASK_DEBUG", False),
        port=port,
        instance=instance,
        database_url=_database_url(env.get("DATABASE_URL") or f"sqlite:///{instance / 'doorstep.db'}"),
        secret_key=secret or ("" if app_env == "production" else _local_secret(instance)),
        secret_from_environment=bool(secret),
        site_url=(env.get("SITE_URL") or f"http://127.0.0.1:{port}").rstrip("/"),
        site_name=env.get("SITE_NAME") or "Doorstep",
        timezone=_one_of(env, "TIMEZONE", "Asia/Kolkata", zoneinfo.available_timezones()),
        currency=currency,
        country=env.get("COUNTRY") or "IN",
        default_locale=_one_of(env, "DEFAULT_LOCALE", "en", ("en", "hi")),
        ratelimit_enabled=_flag(env, "RATELIMIT_ENABLED", True),
        redis_url=env.get("REDIS_URL", ""),
        upload_dir=Path(env.get("UPLOAD_DIR") or instance / "uploads").absolute(),
        export_dir=Path(env.get("EXPORT_DIR") or instance / "exports").absolute(),
        platform_fee=_amount(env, "PLATFORM_FEE", "15.00", units),
        tax_name=env.get("TAX_NAME") or "GST",
        tax_basis_points=_amount(env, "TAX_PERCENT", "18", 100),
        tax_mode=_one_of(env, "TAX_MODE", "added", ("added", "inclusive")),
        tax_number=env.get("TAX_NUMBER", ""),
        business_address=env.get("BUSINESS_ADDRESS", ""),
        financial_year_start=_integer(env, "FINANCIAL_YEAR_START", 4, 1, 12),
        extra_limit=_amount(env, "EXTRA_LIMIT", "20000.00", units),
        late_fee=_amount(env, "LATE_FEE", "100.00", units),
        commission_basis_points=_amount(env, "COMMISSION_PERCENT", "0", 100),
        cash=_flag(env, "CASH", True),
        # UPI knows rupees only.
        upi=_flag(env, "UPI", currency == "INR") and currency == "INR",
        upi_id=_upi_id(env),
        **_gateways(env),
        min_payout=_amount(env, "MIN_PAYOUT", "100.00", units),
        confirm_email=_flag(env, "CONFIRM_EMAIL", False),
        admin_two_factor=_flag(env, "ADMIN_TWO_FACTOR", False),
        mail_server=env.get("MAIL_SERVER", ""),
        mail_port=_integer(env, "MAIL_PORT", 587, 1, 65535),
        mail_use_tls=_flag(env, "MAIL_USE_TLS", True),
        mail_use_ssl=_flag(env, "MAIL_USE_SSL", False),
        mail_username=env.get("MAIL_USERNAME", ""),
        mail_password=env.get("MAIL_PASSWORD", ""),
        mail_sender=env.get("MAIL_SENDER") or "Doorstep <no-reply@localhost>",
        outbox_days=_integer(env, "OUTBOX_DAYS", 30, 1, 3650),
        sms_url=_sms_url(env),
        sms_schemes=_several_of(env, "SMS_SCHEMES", SMS_SCHEMES),
        chat_hosts=_hosts(env, "CHAT_HOSTS", "chat.googleapis.com"),
        cors_origins=_origins(env),
        scheduler=_one_of(env, "SCHEDULER", "web", ("web", "off")),
        live_streams=_integer(env, "LIVE_STREAMS", 1000, 0, 20_000),
        map_tiles_url=_tiles_url(env),
        map_attribution=_attribution(env),
        mask_contacts=_flag(env, "MASK_CONTACTS", False),
        guide_comments=_one_of(env, "GUIDE_COMMENTS", "moderated", ("open", "moderated", "off")),
        guide_reactions=_reactions(env),
        contact_email=env.get("CONTACT_EMAIL", "").strip(),
        contact_phone=env.get("CONTACT_PHONE", "").strip(),
        **_llm(env),
        reminder_hour=_integer(env, "REMINDER_HOUR", 18, 0, 23),
        trusted_proxies=_integer(env, "TRUSTED_PROXIES", 0, 0, 5),
        metrics_allow=_networks(env, "METRICS_ALLOW", LOOPBACK),
    )


def faults(settings: Settings) -> list[str]:
    """What in the settings is unsafe for production, one plain sentence each."""
    found = []
    if not settings.secret_from_environment:
        found.append("SECRET_KEY is missing: set it to at least 32 random characters.")
    elif _is_weak(settings.secret_key):
        found.append("SECRET_KEY is weak: set it to at least 32 random characters.")
    if settings.debug:
        found.append("FLASK_DEBUG is on: debug pages show the code and the settings to anyone.")
    site = urlsplit(settings.site_url)
    if site.scheme != "https" or not site.hostname:
        found.append("SITE_URL is not https: set it to the public https:// address of the site.")
    if settings.map_tiles_url and not settings.map_tiles_url.startswith("https://"):
        found.append("MAP_TILES_URL is not https: browsers show no such pictures on an https site.")
    for api in (settings.stripe_api, settings.razorpay_api):
        if not api.startswith("https://"):
            found.append(f"{api} is no gateway: leave STRIPE_API and RAZORPAY_API unset.")
    if settings.mail_password and not (settings.mail_use_tls or settings.mail_use_ssl):
        found.append("MAIL_PASSWORD would travel in the clear: set MAIL_USE_TLS or MAIL_USE_SSL.")
    if any(network.prefixlen == 0 for network in settings.metrics_allow):
        found.append("METRICS_ALLOW is everybody: name the addresses that may read the numbers of the site.")
    return found


def _is_weak(secret: str) -> bool:
    return len(secret) < MINIMUM_SECRET_LENGTH or len(set(secret)) < MINIMUM_SECRET_ALPHABET


def _local_secret(instance: Path) -> str:
    """A secret made once and kept beside the data, so that log-ins survive a restart."""
    path = instance / "secret_key"
    instance.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        secret = secrets.token_urlsafe(48)
        file.write(secret)
    return secret


def _database_url(url: str) -> str:
    """Name the driver: `postgresql://` and `postgres://` both mean psycopg 3 here."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _flag(env, name, default):
    value = env.get(name, "").strip().lower()
    if not value:
        return default
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    raise BadSetting(f"{name} must be 1 or 0, not {value!r}.")


def _integer(env, name, default, low, high):
    value = env.get(name) or str(default)
    if not value.isdecimal() or not low <= int(value) <= high:
        raise BadSetting(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return int(value)


def _amount(env, name, default, units):
    value = env.get(name) or default
    try:
        amount = Decimal(value) * units
    except InvalidOperation:
        raise BadSetting(f"{name} must be a number such as {default}, not {value!r}.") from None
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value():
        raise BadSetting(f"{name} must be a number such as {default}, not {value!r}.")
    return int(amount)


def _one_of(env, name, default, allowed):
    value = env.get(name) or default
    if value not in allowed:
        raise BadSetting(f"{name} has the unknown value {value!r}.")
    return value


def _several_of(env, name, allowed):
    chosen = tuple(env.get(name, "").replace(",", " ").lower().split()) or allowed
    if set(chosen) - set(allowed):
        raise BadSetting(f"{name} may name only these: {', '.join(allowed)}.")
    return chosen


def _reactions(env):
    """The reactions in the order in which they were named."""
    usual = " ".join(GUIDE_REACTIONS[:USUAL_REACTIONS])
    named = (env.get("GUIDE_REACTIONS") or usual).replace(",", " ").lower().split()
    chosen, always = tuple(dict.fromkeys(named)), GUIDE_REACTIONS[:FEWEST_REACTIONS]
    if set(chosen) - set(GUIDE_REACTIONS):
        raise BadSetting(f"GUIDE_REACTIONS may name only these: {', '.join(GUIDE_REACTIONS)}.")
    if set(always) - set(chosen):
        raise BadSetting(f"GUIDE_REACTIONS must name at least these: {', '.join(always)}.")
    return chosen


def _upi_id(env):
    name = env.get("UPI_ID", "").strip()
    if name and not UPI_ID.fullmatch(name):
        raise BadSetting(f"UPI_ID must be a name at a bank such as doorstep@okbank, not {name!r}.")
    return name


def _gateways(env):
    """The keys of the gateways. One with a part of its keys would take money and never hear of it."""
    found = {}
    for names in GATEWAY_KEYS:
        values = [env.get(name, "").strip() for name in names]
        if any(values) and not all(values):
            raise BadSetting(f"{names[values.index('')]} is missing: {', '.join(names)} go together.")
        found |= {name.lower(): value for name, value in zip(names, values, strict=True)}
    return found | {name.lower(): (env.get(name) or usual).rstrip("/") for name, usual in GATEWAY_APIS.items()}


def _hosts(env, name, default):
    hosts = tuple((env.get(name) or default).replace(",", " ").lower().split())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise BadSetting(f"{name} must be names of hosts such as {default}, not {host!r}.")
    return hosts


def _networks(env, name, default):
    try:
        return tuple(ip_network(one) for one in (env.get(name) or default).replace(",", " ").split())
    except ValueError:
        raise BadSetting(f"{name} must be addresses or networks such as {default}.") from None


def _origins(env):
    """Where pages may stand that call the API from a browser; nowhere unless it is set."""
    origins = tuple(env.get("CORS_ORIGINS", "").replace(",", " ").lower().split())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise BadSetting(f"CORS_ORIGINS must be origins such as https://app.example.com, not {origin!r}.")
    return origins


def _sms_url(env):
    """The address has a password in it, so no message quotes it."""
    url = env.get("SMS_URL", "").strip()
    if not url:
        return ""
    scheme, mark, _rest = url.partition("://")
    allowed = _several_of(env, "SMS_SCHEMES", SMS_SCHEMES)
    if not mark or scheme.lower() not in allowed:
        raise BadSetting(f"SMS_URL must begin with one of these and ://: {', '.join(allowed)}.")
    if url.count("{phone}") != 1:
        raise BadSetting("SMS_URL must have {phone} where the number of the person goes.")
    return scheme.lower() + url[len(scheme) :]


def _llm(env):
    """A language model that words answers; without a name for it there is none to ask."""
    url, model = env.get("LLM_URL", "").strip().rstrip("/"), env.get("LLM_MODEL", "").strip()
    parts = urlsplit(url)
    if url and (parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query):
        raise BadSetting(f"LLM_URL must be like https://llm.example.com/v1, not {url!r}.")
    if url and not model:
        raise BadSetting("LLM_MODEL is missing: LLM_URL needs the name of a model.")
    return {"llm_url": url, "llm_key": env.get("LLM_KEY", "").strip(), "llm_model": model}


def _tiles_url(env):
    url = env.get("MAP_TILES_URL", "").strip()
    if url and not (_TILES.fullmatch(url) and all(url.count(part) == 1 for part in ("{z}", "{x}", "{y}"))):
        raise BadSetting(f"MAP_TILES_URL must be like https://tiles.example.com/{{z}}/{{x}}/{{y}}.png, not {url!r}.")
    return url


def _attribution(env):
    """Whoever draws the map wants to be named beside it."""
    words = env.get("MAP_ATTRIBUTION", "").strip()
    if env.get("MAP_TILES_URL") and not words:
        raise BadSetting("MAP_ATTRIBUTION is missing: name those who made the map, as they wish it.")
    return words
