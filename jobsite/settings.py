"""Every setting of the site, each from the environment, each parsed or refused.

A value that does not parse stops the start with one line that names the variable and what would be
right. The names are those of the README's table.
"""

import os
import secrets
import sys
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jobs.core import private
from jobs.wire import redis_url
from jobsite.environment import (
    between,
    boolean,
    database,
    env,
    folder,
    mail_server,
    one_of,
    senders,
    url_with_scheme,
)

BASE_DIR = Path(__file__).resolve().parent.parent


def kept_in_var(name: str, make: Callable[[], str]) -> str:
    """A value made once and kept in VAR_DIR, readable by its owner alone."""
    path = VAR_DIR / name
    try:
        # O_EXCL: of two processes that start together one makes the value and the other reads it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if kept := path.read_text().strip():
            return kept
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC, 0o600)
    value = make()
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
    except OSError as error:
        sys.exit(f"{path} cannot be written: {error.strerror}")
    return value


# --- where things are -------------------------------------------------------------------------------

# What any process of the site makes, SQLite's and Redis' files among it, is for the user alone who runs it.
os.umask(private.OTHERS)
VAR_DIR: Path = env("VAR_DIR", BASE_DIR / "var", lambda raw: Path(raw).resolve(), "a folder's path")
try:
    private.make_folder(VAR_DIR)
    private.make_folder(VAR_DIR / "tmp")
    if not os.access(VAR_DIR, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError("this process may not write in it")
except OSError as error:
    sys.exit(f"VAR_DIR={str(VAR_DIR)!r} cannot be used: expected a folder that can be written ({error})")

PORT: int = env("PORT", 8000, between(1, 65535), "a port from 1 to 65535")
HOST: str = env("HOST", "127.0.0.1", str, "an address to listen on")
BASE_URL: str = env(
    "BASE_URL", f"http://{'127.0.0.1' if HOST in ('0.0.0.0', '::') else HOST}:{PORT}",  # noqa: S104
    lambda raw: url_with_scheme("http", "https")(raw).rstrip("/"), "an http(s) URL",
)  # fmt: skip

# --- Django -----------------------------------------------------------------------------------------

DEBUG: bool = env("DEBUG", False, boolean, "true or false")
SECRET_KEY: str = env("SECRET_KEY", None, str, "a long random string") or kept_in_var(
    "secret_key", lambda: secrets.token_urlsafe(50)
)
ALLOWED_HOSTS: list[str] = env(
    "ALLOWED_HOSTS",
    sorted({"127.0.0.1", "localhost", "[::1]", urlsplit(BASE_URL).hostname or "localhost"}),
    lambda raw: [host.strip() for host in raw.split(",") if host.strip()],
    "host names, with commas between",
)
CSRF_TRUSTED_ORIGINS = [BASE_URL] if BASE_URL.startswith("https://") else []

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_celery_results",
    "jobs",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "jobs.web.security.ContentSecurityPolicy",
    "jobs.web.security.NoNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "jobs.web.login.doors.SlowDown",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "jobs.web.outages.Outages",
]
ROOT_URLCONF = "jobsite.urls"
WSGI_APPLICATION = "jobsite.wsgi.application"
ASGI_APPLICATION = "jobsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
# The first lets nobody in: it slows down whoever guesses passwords, before the second looks at one.
AUTHENTICATION_BACKENDS = ["jobs.web.login.doors.SlowedDown", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
# Accounts of this site are made for its users; all that comes with it is theirs to use.
JOBSITE_ADMITS = "everybody"
JOBSITE_KINDS = "all"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en-us"
TIME_ZONE: str = env("TIME_ZONE", "UTC", lambda raw: ZoneInfo(raw).key, "a time zone such as Europe/Berlin")
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
#: Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
TRUSTED_PROXIES: list[str] = env(
    "TRUSTED_PROXIES",
    [],
    lambda raw: [str(ip_network(part.strip())) for part in raw.split(",") if part.strip()],
    "addresses or networks such as 10.0.0.0/8, with commas between",
)

HTTPS = BASE_URL.startswith("https://")
SECURE_SSL_REDIRECT = False  # the proxy in front ends TLS and redirects; loopback probes stay plain
# Judged, not overlooked: whether all subdomains are HTTPS the site cannot know (W005, W021); the redirect is the
# proxy's (W008); the preview of a result is a frame of this site, so SAMEORIGIN and not DENY (W019).
# jobs.W003: `manage.py web` collects the static files before it serves them.
SILENCED_SYSTEM_CHECKS = ["jobs.W003", "security.W005", "security.W008", "security.W019", "security.W021"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "SAMEORIGIN"
# Django's own defence is off by size; the kind's form states the limit beside the field (see core/fields.py).
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 500
# A form carries a field for each file that is stored already, 10,000 for a zip, and 50 steps of a workflow at 30 each.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "tmp"
# Django sets the modes of stored files itself, whatever the umask.
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = private.FILE, private.FOLDER

# --- SQL --------------------------------------------------------------------------------------------


DATABASES: dict[str, dict[str, Any]] = {
    "default": env(
        "DATABASE_URL",
        {"ENGINE": "django.db.backends.sqlite3", "NAME": str(VAR_DIR / "jobsite.sqlite3"), "CONN_MAX_AGE": 600},
        database,
        "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME",
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # LINE 17: web, beat and keeper all write, so a writer takes its lock at BEGIN and waits for it,
    # instead of failing half-way when a read turns into a write. Each connection keeps SQLite's own 2 MB of pages: the
    # web has up to 28 of them, and with 32 MB each, lists of a million jobs are no faster and writes neither.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; "
        "PRAGMA mmap_size=268435456; PRAGMA journal_size_limit=67108864;",
    }

# --- Redis ------------------------------------------------------------------------------------------


def embedded_redis_url() -> str:
    """The URL that `manage.py up` left in VAR_DIR; port 1 answers nobody, so its absence is told at once."""
    path = VAR_DIR / "redis.url"
    return path.read_text().strip() if path.exists() else "redis://127.0.0.1:1/0"


REDIS_URL_GIVEN: str | None = env(
    "REDIS_URL", None, redis_url.for_redis_py, "redis://:PASSWORD@HOST:PORT/DB, rediss:// or unix:///PATH"
)
REDIS_URL: str = REDIS_URL_GIVEN or embedded_redis_url()

#: A prefork child is replaced after so many jobs, or once it holds so much memory [MB].
CPU_MAX_TASKS: int = env("CPU_MAX_TASKS", 1000, between(1, 10_000_000), "a whole number from 1")
CPU_MAX_MEMORY: int = env("CPU_MAX_MEMORY", 1024, between(50, 1_000_000), "megabytes from 50")

# --- Celery -----------------------------------------------------------------------------------------

JOBSITE_CELERY_APP = "jobsite"  # what `manage.py worker` gives to `celery -A`
CELERY_BROKER_URL = redis_url.for_broker(REDIS_URL)
CELERY_RESULT_BACKEND = f"jobs.worker.backend:Backend+{redis_url.for_results(REDIS_URL)}"
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 86_400  # [s] in Redis; the SQL history keeps RETENTION_DAYS
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = TIME_ZONE
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_TASK_DEFAULT_PRIORITY = 6
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # LINE 2: a held claim would refuse the redelivery for ever
CELERY_TASK_TRACK_STARTED = False  # the claim is the STARTED report
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = CPU_MAX_TASKS
CELERY_WORKER_MAX_MEMORY_PER_CHILD = CPU_MAX_MEMORY * 1024
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 1.0
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,  # [s] renewed by jobs.worker.visibility
    "priority_steps": [0, 3, 6, 9],
    "queue_order_strategy": "priority",
    "socket_connect_timeout": 1.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_REDIS_MAX_CONNECTIONS = 1_000  # green threads share a results backend, and may end a chord all at once
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 1.0
CELERY_REDIS_SOCKET_TIMEOUT = 10.0
CELERY_BEAT_SCHEDULER = "jobs.schedules.scheduler:JobScheduler"
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- e-mail -----------------------------------------------------------------------------------------


def embedded_mail_url() -> str:
    path = VAR_DIR / "smtp.url"
    return path.read_text().strip() if path.exists() else "smtp://127.0.0.1:1"


EMAIL_URL_GIVEN: str | None = env(
    "EMAIL_URL",
    None,
    lambda raw: mail_server(raw) and raw,
    "smtp://USER:PASSWORD@HOST:PORT, with ?tls=true for STARTTLS, or smtps://…",
)
#: Set when mail stays on this machine, in the mailbox that the console shows.
EMAIL_IS_CAUGHT = EMAIL_URL_GIVEN is None
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_TIMEOUT = 20
globals().update(mail_server(EMAIL_URL_GIVEN or embedded_mail_url()))
DEFAULT_FROM_EMAIL: str = env("DEFAULT_FROM_EMAIL", "Jobsite <jobsite@localhost>", str, "an address")
#: Senders that a mail may name beside that one: addresses, or @DOMAIN for all of a domain.
ALLOWED_SENDERS: list[str] = env("ALLOWED_SENDERS", [], senders, "addresses or @DOMAINs with commas between")

# --- files ------------------------------------------------------------------------------------------


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "jobs.web.storage.StaticFiles"}
    if not DEBUG
    else {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "jobs": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": env("STORAGE_URL", str(VAR_DIR / "files"), folder, "file:///FOLDER"), "base_url": None},
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# --- Jobsite ----------------------------------------------------------------------------------------

#: Connections that one address may hold in each web process; a trusted proxy's may be as many as there is room for.
CONNECTIONS_PER_ADDRESS: int = env("CONNECTIONS_PER_ADDRESS", 1000, between(8, 1_000_000), "a whole number from 8")
WEB_PROCESSES: int = env("WEB_PROCESSES", min(2, os.cpu_count() or 1), between(1, 64), "a whole number from 1 to 64")
IO_POOL: str = env("IO_POOL", "eventlet", one_of("eventlet", "gevent", "threads"), "eventlet, gevent or threads")
IO_CONCURRENCY: int = env("IO_CONCURRENCY", 200, between(1, 10_000), "a whole number from 1 to 10000")
IO_PROCESSES: int = env("IO_PROCESSES", 1, between(1, 256), "a whole number from 1 to 256")
CPU_CONCURRENCY: int = env("CPU_CONCURRENCY", os.cpu_count() or 1, between(1, 1024), "a whole number from 1 to 1024")
#: [ms] that one task may hold the event loop of an io worker before it is noted.
LOOP_BLOCK_THRESHOLD: int = env("LOOP_BLOCK_THRESHOLD", 250, between(50, 60_000), "milliseconds from 50 to 60000")
#: Incidents within 24 hours after which a kind's jobs go to the cpu pool; 0: never.
LOOP_BLOCK_MOVES: int = env("LOOP_BLOCK_MOVES", 0, between(0, 1000), "a whole number, 0 for never")
#: Whether jobs may fetch from private networks and this machine; a user could reach what is not meant for users.
ALLOW_PRIVATE_URLS: bool = env("ALLOW_PRIVATE_URLS", False, boolean, "true or false")
RETENTION_DAYS: int = env("RETENTION_DAYS", 30, between(1, 36_500), "a number of days")
#: Jobs that one owner may have unfinished at a time; the API answers 429 beyond it.
QUOTA_UNFINISHED = 100_000
#: Files that one owner may have sent which no job has, and their bytes; what stays without a job goes after a day.
QUOTA_UPLOADS, QUOTA_UPLOAD_BYTES = 10_000, 10 * 1024**3

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{", "datefmt": "%H:%M:%S"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "uvicorn.access": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
