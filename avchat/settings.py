"""Settings of the whole installation. Each that an operator may want to change is read from the environment.

The embedded default needs nothing but Python: SQLite, one process, caches in memory. The same code runs on
other services by setting their addresses here.
"""

from pathlib import Path
from typing import Any

from avchat.env import BASE, VAR, env, secret_key
from avchat.memcached import shared_cache

SECRET_KEY = secret_key()
# Keys that were the installation's before: what they encrypted or signed stays good.
SECRET_KEY_FALLBACKS = env.list("AVCHAT_SECRET_KEY_FALLBACKS", default=[])
DEBUG = env.bool("AVCHAT_DEBUG", default=False)
ALLOWED_HOSTS = env.list("AVCHAT_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
# The service's own origin where it is not the one that a request names (behind a proxy that ends TLS).
PUBLIC_URL = env.str("AVCHAT_PUBLIC_URL", default="")
CSRF_TRUSTED_ORIGINS = env.list("AVCHAT_TRUSTED_ORIGINS", default=[PUBLIC_URL] if PUBLIC_URL else [])

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "avchat.tenants",
    "im",
    "presence",
    "avchat.work",
    "avchat.assets",
    "avchat.dashboard",
    "avchat.demo",
    "avchat.ops",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "avchat.urls"
ASGI_APPLICATION = "avchat.asgi.application"
AUTH_USER_MODEL = "tenants.Account"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": env.db_url("AVCHAT_DATABASE_URL", default=f"sqlite:///{VAR / 'db.sqlite3'}")}
# A copy of the database that follows it, from which history may be read.
if REPLICA_URL := env.str("AVCHAT_REPLICA_URL", default=""):
    DATABASES["replica"] = env.db_url_config(REPLICA_URL) | {"TEST": {"MIRROR": "default"}}
    DATABASE_ROUTERS = ["im.replica.Router"]
# How long an answer of the database may take, in seconds. Migrations of big tables take longer: 0 waits for ever.
DATABASE_SECONDS = env.int("AVCHAT_DATABASE_SECONDS", default=30)
for _database in DATABASES.values():
    # The messenger's threads keep their connections (`im/database.py`); a page's ends with it (`avchat/pages.py`).
    _database |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    if _database["ENGINE"] == "django.db.backends.sqlite3":
        _database["OPTIONS"] = {
            # A write transaction takes its lock at once instead of failing half-way; a commit is on the disk before
            # it returns.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
            "timeout": 20,
        }
    else:
        _database["OPTIONS"] = {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            # A client that stands still in a transaction loses it, and others its locks; nobody waits longer for a lock
            # than the journal tries.
            "init_command": "SET sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
            " idle_transaction_timeout=2, innodb_lock_wait_timeout=5",
            "connect_timeout": 5,
            "read_timeout": DATABASE_SECONDS,
            "write_timeout": DATABASE_SECONDS,
            **_database.get("OPTIONS", {}),
        }

# What nodes share: the bus, the directory, the presence board, rates. A site lives on one of the servers; every node
# has the same list in the same order. Without any there is one node.
REDIS_URLS = [url.strip() for url in env.list("AVCHAT_REDIS_URL", default=[]) if url.strip()]
NODE_NAME = env.str("AVCHAT_NODE", default="node")
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}
if REDIS_URLS:
    CHANNEL_LAYERS = {
        "default" if number == 0 else f"redis{number}": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                # The client's own time-out is the layer's blocking pop's, and ends idle ones: it is longer here.
                "hosts": [{"address": url, "max_connections": 50, "socket_timeout": 15, "socket_connect_timeout": 5}],
                "prefix": "avchat:bus:",
                "capacity": 10_000,
                "expiry": 60,
            },
        }
        for number, url in enumerate(REDIS_URLS)
    }
# What has to be true for as long as it is kept (how often somebody tried to log in) stays in the process's own
# memory: memcached may forget anything at any time.
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if MEMCACHED := [server.strip() for server in env.list("AVCHAT_MEMCACHED", default=[]) if server.strip()]:
    CACHES["shared"] = shared_cache(MEMCACHED, SECRET_KEY)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
LOGIN_URL = "dashboard:log-in"
LOGIN_REDIRECT_URL = "dashboard:sites"
LOGOUT_REDIRECT_URL = "dashboard:log-in"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
EMAIL_CONFIG = env.email_url("AVCHAT_EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("AVCHAT_MAIL_FROM", default="AVChat IM <noreply@localhost>")
# How long the link to a new password is good, in seconds; pages and mails say "an hour".
PASSWORD_RESET_TIMEOUT = 3600

# How long the parts of the messenger wait, in seconds.
HELLO_SECONDS = env.float("AVCHAT_HELLO_SECONDS", default=10)
SESSION_SECONDS = env.float("AVCHAT_SESSION_SECONDS", default=30)
AWAY_SECONDS = env.float("AVCHAT_AWAY_SECONDS", default=300)
XA_SECONDS = env.float("AVCHAT_XA_SECONDS", default=1800)

# The work that nobody waits for: a broker of its own for Celery, or none, and then the serving process does it.
CELERY_BROKER_URL = env.str("AVCHAT_BROKER_URL", default="") or None
# What a killed worker had begun comes again once it was invisible for that long, or when the schedule finds it due.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 3, "socket_timeout": 30}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A view only nudges; where the broker is away, the schedule finds what is due.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 240, 300
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR / "celerybeat-schedule")
# Each entry looks for what is due, so that several beats, or one that was away, do no harm. In seconds.
CELERY_BEAT_SCHEDULE = {
    name: {"task": f"avchat.work.tasks.{name}", "schedule": seconds, "options": {"expires": seconds}}
    for name, seconds in {
        "mail_digests": 30.0,
        "write_exports": 30.0,
        "trim_history": 600.0,
        "count_days": 300.0,
    }.items()
}
# Exports are written here: one folder for all nodes and workers.
EXPORTS = Path(env.str("AVCHAT_EXPORTS", default=str(VAR / "exports")))

# Proxies whose X-Forwarded-For is believed; from any other peer the address is the peer's own.
TRUSTED_PROXIES = env.list("AVCHAT_TRUSTED_PROXIES", default=[])
# Whether the demo community is the front page, and its members are at home: online, and answering. Of several nodes
# only one is their home, so that nobody answers twice.
DEMO = env.bool("AVCHAT_DEMO", default=False)
DEMO_BOTS = env.bool("AVCHAT_DEMO_BOTS", default=DEMO)
STATIC_DIST = BASE / "static" / "dist"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("AVCHAT_LOG_LEVEL", default="WARNING")},
}
