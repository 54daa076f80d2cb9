"""The product's settings for tests in this process: a var/ directory of their own, and quick password hashes.

`AVCHAT_TEST_DATABASE=mariadb` has all tests, in this process and on servers, run on MariaDB instead of SQLite.
"""

import atexit
import os
import shutil
import tempfile

_VAR = tempfile.mkdtemp(prefix="avchat-tests-")
atexit.register(shutil.rmtree, _VAR, ignore_errors=True)
for _name in [_name for _name in os.environ if _name.startswith("AVCHAT_") and not _name.startswith("AVCHAT_TEST_")]:
    del os.environ[_name]
os.environ["AVCHAT_VAR"] = _VAR
ON_MARIADB = os.environ.get("AVCHAT_TEST_DATABASE") == "mariadb"
if ON_MARIADB:
    from tests.support.mariadb import shared

    os.environ["AVCHAT_DATABASE_URL"] = shared().url("units")
    # A million rows take their time.
    os.environ["AVCHAT_DATABASE_SECONDS"] = "0"

from avchat.settings import *  # noqa: E402, F403
from avchat.settings import DATABASES  # noqa: E402

# A file, not memory: the journal writes from a thread and a connection of its own.
DATABASES["default"]["TEST"] = (
    {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_520_ci"}
    if ON_MARIADB
    else {"NAME": os.path.join(_VAR, "test.sqlite3")}
)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
