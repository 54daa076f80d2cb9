"""The product's settings for tests in this process: a var/ directory of their own, and quick password hashes."""

import atexit
import os
import shutil
import tempfile

_VAR = tempfile.mkdtemp(prefix="avchat-tests-")
atexit.register(shutil.rmtree, _VAR, ignore_errors=True)
os.environ["AVCHAT_VAR"] = _VAR
for _name in ("AVCHAT_DATABASE_URL", "AVCHAT_SECRET_KEY", "AVCHAT_ENV_FILE", "AVCHAT_MEMCACHED"):
    os.environ.pop(_name, None)

from avchat.settings import *  # noqa: E402, F403
from avchat.settings import DATABASES  # noqa: E402

# A file, not memory: the journal writes from a thread and a connection of its own.
DATABASES["default"]["TEST"] = {"NAME": os.path.join(_VAR, "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
