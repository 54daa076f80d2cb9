"""Settings of the whole installation. Each that an operator may want to change is read from the environment.

The embedded default needs nothing but Python: SQLite, one process, caches in memory. The same code runs on
other services by setting their addresses here.
"""

from avchat.env import BASE, VAR, env, secret_key

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
    "avchat.assets",
    "avchat.dashboard",
    "avchat.demo",
    "avchat.ops",
]

MIDDLEWARE = [
    "avchat.ops.middleware.Operations",
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
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Each thread keeps its connection: opening one costs more than a group commit's worth of statements.
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["OPTIONS"] = {
        # A write transaction takes its lock at once instead of failing half-way; a commit is on the disk before it
        # returns.
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
        "timeout": 20,
    }

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

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
