"""The product's settings in an environment made for tests: a folder of its own, no service, cheap passwords.

`DATABASE_URL`, `BROKER_URL` and `REDIS_URL` given from outside win: that is how the suite runs on other drivers.
"""

import atexit
import os
import shutil
import tempfile

if "ORCHESTRA_TEST_VAR" not in os.environ:
    os.environ["ORCHESTRA_TEST_VAR"] = tempfile.mkdtemp(prefix="orchestra-test-")
    atexit.register(shutil.rmtree, os.environ["ORCHESTRA_TEST_VAR"], ignore_errors=True)
os.environ["ORCHESTRA_VAR"] = os.environ["ORCHESTRA_TEST_VAR"]
os.environ.setdefault("BROKER_URL", "memory://")
os.environ.setdefault("ORCHESTRA_DB_POOL", "20")

from orchestra.settings import *

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: threads of a worker share it as processes do.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}
else:
    DATABASES["default"]["TEST"] = {"NAME": "test_orchestra_" + BROKER_URL.partition(":")[0]}
if BROKER_URL.startswith("memory"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.01}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
