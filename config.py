"""Settings from the environment, and the faults that keep a production site from starting."""

import dataclasses
import os
import secrets
import zoneinfo
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

from babel.numbers import get_currency_precision, list_currencies

import environment
from policies import BookingPolicy, KeepDays

ROOT = Path(__file__).resolve().parent
MINIMUM_SECRET_LENGTH = 32
MINIMUM_SECRET_ALPHABET = 10
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
    upload_url: str = field(repr=False)
    export_dir: Path
    backup_dir: Path
    backup_url: str = field(repr=False)
    backup_daily: int
    backup_weekly: int
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
    operator: str
    grievance_officer: str
    grievance_contact: str
    texts_version: str
    erase_after_days: int
    session_days: int
    metrics_allow: tuple[IPv4Network | IPv6Network, ...]
    quarantine: bool = False
    keep_days: KeepDays = field(default_factory=KeepDays)
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
    def session_lifetime(self) -> timedelta:
        """How long after it a log-in ends by itself."""
        return timedelta(days=self.session_days)

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
    currency = environment.one_of(env, "CURRENCY", "INR", list_currencies())
    units = 10 ** get_currency_precision(currency)
    port = environment.integer(env, "PORT", 5000, 1, 65535)
    secret = env.get("SECRET_KEY", "")
    app_env = environment.one_of(env, "APP_ENV", "development", ("development", "testing", "production"))
    settings = Settings(
        env=app_env,
        debug=environment.flag(env, "FLASK_DEBUG", False),
        port=port,
        instance=instance,
        database_url=database_url(env.get("DATABASE_URL") or f"sqlite:///{instance / 'doorstep.db'}"),
        secret_key=secret or ("" if app_env == "production" else _local_secret(instance)),
        secret_from_environment=bool(secret),
        site_url=(env.get("SITE_URL") or f"http://127.0.0.1:{port}").rstrip("/"),
        site_name=env.get("SITE_NAME") or "Doorstep",
        timezone=environment.one_of(env, "TIMEZONE", "Asia/Kolkata", zoneinfo.available_timezones()),
        currency=currency,
        country=env.get("COUNTRY") or "IN",
        default_locale=environment.one_of(env, "DEFAULT_LOCALE", "en", ("en", "hi")),
        ratelimit_enabled=environment.flag(env, "RATELIMIT_ENABLED", True),
        redis_url=env.get("REDIS_URL", ""),
        upload_dir=Path(env.get("UPLOAD_DIR") or instance / "uploads").absolute(),
        upload_url=environment.place(env, "UPLOAD_URL"),
        export_dir=Path(env.get("EXPORT_DIR") or instance / "exports").absolute(),
        backup_dir=Path(env.get("BACKUP_DIR") or instance / "backups").absolute(),
        backup_url=environment.place(env, "BACKUP_URL"),
        backup_daily=environment.integer(env, "BACKUP_DAILY", 7, 0, 366),
        backup_weekly=environment.integer(env, "BACKUP_WEEKLY", 4, 0, 520),
        platform_fee=environment.amount(env, "PLATFORM_FEE", "15.00", units),
        tax_name=env.get("TAX_NAME") or "GST",
        tax_basis_points=environment.amount(env, "TAX_PERCENT", "18", 100),
        tax_mode=environment.one_of(env, "TAX_MODE", "added", ("added", "inclusive")),
        tax_number=env.get("TAX_NUMBER", ""),
        business_address=env.get("BUSINESS_ADDRESS", ""),
        financial_year_start=environment.integer(env, "FINANCIAL_YEAR_START", 4, 1, 12),
        extra_limit=environment.amount(env, "EXTRA_LIMIT", "20000.00", units),
        late_fee=environment.amount(env, "LATE_FEE", "100.00", units),
        commission_basis_points=environment.amount(env, "COMMISSION_PERCENT", "0", 100),
        cash=environment.flag(env, "CASH", True),
        # UPI knows rupees only.
        upi=environment.flag(env, "UPI", currency == "INR") and currency == "INR",
        upi_id=environment.upi_id(env),
        **environment.gateways(env),
        min_payout=environment.amount(env, "MIN_PAYOUT", "100.00", units),
        confirm_email=environment.flag(env, "CONFIRM_EMAIL", False),
        admin_two_factor=environment.flag(env, "ADMIN_TWO_FACTOR", False),
        mail_server=env.get("MAIL_SERVER", ""),
        mail_port=environment.integer(env, "MAIL_PORT", 587, 1, 65535),
        mail_use_tls=environment.flag(env, "MAIL_USE_TLS", True),
        mail_use_ssl=environment.flag(env, "MAIL_USE_SSL", False),
        mail_username=env.get("MAIL_USERNAME", ""),
        mail_password=env.get("MAIL_PASSWORD", ""),
        mail_sender=env.get("MAIL_SENDER") or "Doorstep <no-reply@localhost>",
        outbox_days=environment.integer(env, "OUTBOX_DAYS", 30, 1, 3650),
        sms_url=environment.sms_url(env),
        sms_schemes=environment.several_of(env, "SMS_SCHEMES", environment.SMS_SCHEMES),
        chat_hosts=environment.hosts(env, "CHAT_HOSTS", "chat.googleapis.com"),
        cors_origins=environment.origins(env),
        scheduler=environment.one_of(env, "SCHEDULER", "web", ("web", "off")),
        live_streams=environment.integer(env, "LIVE_STREAMS", 1000, 0, 20_000),
        map_tiles_url=environment.tiles_url(env),
        map_attribution=environment.attribution(env),
        mask_contacts=environment.flag(env, "MASK_CONTACTS", False),
        guide_comments=environment.one_of(env, "GUIDE_COMMENTS", "moderated", ("open", "moderated", "off")),
        guide_reactions=environment.reactions(env),
        contact_email=env.get("CONTACT_EMAIL", "").strip(),
        contact_phone=env.get("CONTACT_PHONE", "").strip(),
        **environment.llm(env),
        reminder_hour=environment.integer(env, "REMINDER_HOUR", 18, 0, 23),
        trusted_proxies=environment.integer(env, "TRUSTED_PROXIES", 0, 0, 5),
        operator=env.get("OPERATOR", "").strip() or env.get("SITE_NAME") or "Doorstep",
        grievance_officer=env.get("GRIEVANCE_OFFICER", "").strip(),
        grievance_contact=env.get("GRIEVANCE_CONTACT", "").strip(),
        texts_version=environment.version(env),
        erase_after_days=environment.integer(env, "ERASE_AFTER_DAYS", 7, 0, 30),
        session_days=environment.integer(env, "SESSION_DAYS", 30, 1, 366),
        keep_days=environment.keep_days(env),
        metrics_allow=environment.networks(env, "METRICS_ALLOW", environment.LOOPBACK),
    )
    return quarantined(settings) if environment.flag(env, "QUARANTINE", False) else settings


def quarantined(settings: Settings, **other) -> Settings:
    """The same site as one that reaches nobody: for a copy of a site, which must not speak in its name.

    Its couriers and its timetable stand still as well: mail.py and jobs.py see to that.
    """
    gateway_keys = {name.lower(): "" for names in environment.GATEWAY_KEYS for name in names}
    nowhere = dict.fromkeys(("mail_server", "sms_url", "llm_url", "redis_url", "backup_url"), "")
    silent = {"chat_hosts": (), "scheduler": "off", "quarantine": True}
    return dataclasses.replace(settings, **gateway_keys, **nowhere, **silent, **other)


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


def database_url(url: str) -> str:
    """Name the driver: `postgresql://` and `postgres://` both mean psycopg 3 here."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
