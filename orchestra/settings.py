"""Django's settings: everything comes from the environment, and the defaults are the embedded installation."""

from __future__ import annotations

import sys
from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from orchestra import env
from orchestra.branding import UNFOLD as UNFOLD

VERSION = "0.1.0"

BASE_DIR = env.ROOT
VAR_DIR = env.var_folder()

DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret("SECRET_KEY", VAR_DIR)
FIELD_KEYS = [key for key in env.secret("FIELD_KEYS", VAR_DIR).split(",") if key]
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
IS_SECURE = env.flag("ORCHESTRA_HTTPS")
ADMIN_URL = env.text("ADMIN_URL", "admin/")

# Drivers: none of the three needs to be set. ---------------------------------------------------
EMBEDDED_SOCKET = env.embedded_socket(VAR_DIR)
DATABASES = {"default": env.database(env.text("DATABASE_URL"), VAR_DIR / "orchestra.sqlite3")}
BROKER_URL = env.url("BROKER_URL", ("redis", "rediss", "amqp", "amqps", "memory"))
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))
IS_EMBEDDED = not BROKER_URL
if IS_EMBEDDED:
    BROKER_URL = f"redis+socket://{EMBEDDED_SOCKET}"
    REDIS_URL = REDIS_URL or f"unix://{EMBEDDED_SOCKET}"
elif not REDIS_URL and BROKER_URL.startswith("redis"):
    REDIS_URL = BROKER_URL

INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv else []),  # Twisted costs every other process 13 MB
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_structlog",
    "django_prometheus",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "apps.accounts",
    "apps.agents",
    "apps.tools",
    "apps.workflows",
    "apps.usage",
    "apps.runs",
    "apps.triggers",
    "apps.chat",
    "apps.portal",
    "workers",
]
ROLE = env.text("ORCHESTRA_ROLE", "all")
if ROLE == "worker":
    # A worker serves no pages: a fifth of its memory is theirs.
    _WORKER_APPS = ("django.contrib.auth", "django.contrib.contenttypes", "allauth", "apps.", "workers")
    INSTALLED_APPS = [
        name for name in INSTALLED_APPS if name.startswith(_WORKER_APPS) and name != "apps.portal"
    ]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "orchestra.api_limits.request_headers",
    *(["orchestra.tracing.requests.request_spans"] if env.text("OTEL_EXPORTER_OTLP_ENDPOINT") else []),
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "orchestra.policy.admin_policy",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.portal.middleware.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "orchestra.urls"
ASGI_APPLICATION = "orchestra.asgi.application"
WSGI_APPLICATION = None

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
                "apps.portal.context.frame",
            ],
        },
    },
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People and passwords. --------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_ADAPTER = "apps.accounts.adapter.AccountAdapter"
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip", "login_failed": "10/15m/key,100/15m/ip"}
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Orchestra] "
MFA_ADAPTER = "apps.portal.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Orchestra"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # invited people never confirm theirs
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not IS_SECURE
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if env.flag("ORCHESTRA_BEHIND_PROXY") else 0
USERSESSIONS_TRACK_ACTIVITY = False
ORCHESTRA_OPEN_SIGNUP = env.flag("ORCHESTRA_OPEN_SIGNUP")
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if ORCHESTRA_OPEN_SIGNUP else "none"
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "orchestra@localhost")
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.number("EMAIL_PORT", 25, least=1)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = 10

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_SECURE
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_NAME, THEME_COOKIE_NAME = "language", "theme"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
if IS_SECURE:
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    LANGUAGE_COOKIE_NAME, THEME_COOKIE_NAME = "__Host-language", "__Host-theme"
SECURE_SSL_REDIRECT = IS_SECURE
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_SECURE
if env.flag("ORCHESTRA_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

# Language and time. -----------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "orchestra.formats"
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.text("STATIC_ROOT") or BASE_DIR / "staticfiles")
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = VAR_DIR / "media"

# Cache and channel layer: redis-py's own defaults (5 s socket time-out, 100 connections) break blocking readers. ---
REDIS_OPTIONS = {"socket_timeout": 30, "socket_connect_timeout": 5, "max_connections": 1000}
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "orchestra",
            "OPTIONS": REDIS_OPTIONS,
        }
    }
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": REDIS_URL, **REDIS_OPTIONS}], "prefix": "orchestra.layer"},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Celery. Messages are hints with ids only; the database is the truth, so nothing is kept in results. ---
CELERY_BROKER_URL = BROKER_URL
CELERY_RESULT_BACKEND = "workers.backend.CanvasBackend"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_POOL_LIMIT = 10
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "priority_steps": [0, 3, 6, 9],
        "queue_order_strategy": "priority",
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
    }
    if BROKER_URL.startswith("redis")
    else {}
)
CELERY_TASK_DEFAULT_PRIORITY = 6 if BROKER_URL.startswith("redis") else 1

# The engine. ------------------------------------------------------------------------------------
ORCHESTRA_UNIT_SIZE = env.number("ORCHESTRA_UNIT_SIZE", 32, least=1)
ORCHESTRA_LLM_SLOTS = env.number("ORCHESTRA_LLM_SLOTS", 1000, least=1)
ORCHESTRA_LEASE_SECONDS = env.number("ORCHESTRA_LEASE_SECONDS", 20, least=3)
ORCHESTRA_AGENT_LEASE_SECONDS = env.number("ORCHESTRA_AGENT_LEASE_SECONDS", 20, least=2)
ORCHESTRA_GRPC_PORT = env.number("ORCHESTRA_GRPC_PORT", 0)
ORCHESTRA_GRPC_CERTIFICATE = env.text("ORCHESTRA_GRPC_CERTIFICATE")
ORCHESTRA_GRPC_KEY = env.text("ORCHESTRA_GRPC_KEY")
ORCHESTRA_AGING_SECONDS = env.number("ORCHESTRA_AGING_SECONDS", 60, least=1)
ORCHESTRA_RESCUE_SECONDS = env.number("ORCHESTRA_RESCUE_SECONDS", 15, least=1)
ORCHESTRA_KEEP_RUNS_DAYS = env.number("ORCHESTRA_KEEP_RUNS_DAYS", 0)
ORCHESTRA_KEEP_CALLS_DAYS = env.number("ORCHESTRA_KEEP_CALLS_DAYS", 400)
ORCHESTRA_CHAT_TOKENS = env.number("ORCHESTRA_CHAT_TOKENS", 8000)
ORCHESTRA_FUNCTIONS = env.words("ORCHESTRA_FUNCTIONS")
ORCHESTRA_MCP_PROGRAMS = {
    entry.partition("=")[0].strip(): entry.partition("=")[2].strip()
    for entry in env.words("ORCHESTRA_MCP_PROGRAMS")
}
ORCHESTRA_ALLOWED_HOSTS_OUT = frozenset(env.words("ORCHESTRA_ALLOWED_HOSTS_OUT"))
ORCHESTRA_SIMULATED = env.text("ORCHESTRA_SIMULATED")
ORCHESTRA_CURRENCY = env.text("ORCHESTRA_CURRENCY", "USD")
ORCHESTRA_STREAMS = env.number("ORCHESTRA_STREAMS", 10_000, least=1)
ORCHESTRA_STREAMS_PER_USER = env.number("ORCHESTRA_STREAMS_PER_USER", 20, least=1)
ORCHESTRA_STREAM_BEAT_SECONDS = env.number("ORCHESTRA_STREAM_BEAT_SECONDS", 15, least=1)
ORCHESTRA_STREAM_THREADS = env.number("ORCHESTRA_STREAM_THREADS", 2, least=1)
ORCHESTRA_FLOWER_URL = env.text("ORCHESTRA_FLOWER_URL")
ORCHESTRA_METRICS_TOKEN = env.text("ORCHESTRA_METRICS_TOKEN")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "apps.accounts.scopes.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["orchestra.api_parsing.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "orchestra.api_pages.CursorPages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["orchestra.api_limits.RateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": env.text("ORCHESTRA_API_RATE", "6000/min"), "anon": "600/min"},
    "NUM_PROXIES": 1 if env.flag("ORCHESTRA_BEHIND_PROXY") else 0,
    "EXCEPTION_HANDLER": "orchestra.api_problems.problem_json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Orchestra",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "orchestra.api_views.complete_document",
    ],
    "ENUM_NAME_OVERRIDES": {
        "RunStatus": "apps.runs.models.RUN_STATUS_CHOICES",
        "NodeStatus": "apps.runs.models.NODE_STATUS_CHOICES",
        "ApprovalStatus": "apps.runs.models.ApprovalStatus",
        "AgentState": "apps.agents.standing.AgentState",
        "Decision": "apps.runs.models.DECISION_CHOICES",
        "EffectDecision": "apps.runs.ledger.Decision",
        "BreakerState": "apps.agents.models.BreakerState",
        "BudgetScope": "apps.usage.models.Scope",
        "BudgetUnit": "apps.usage.models.Unit",
        "BudgetSpan": "apps.usage.models.Span",
    },
}

from orchestra.logs import LOGGING as LOGGING  # noqa: E402  (its reader has checked the environment)
