"""The installation's environment: where state is kept, and the key that is kept outside the database.

Promises that the key is the same for every process of an installation: it is `AVCHAT_SECRET_KEY`, or else
a file below `var/` that the first process makes and all others read.
"""

import os
import secrets
from pathlib import Path

import environ

BASE = Path(__file__).resolve().parent.parent

env = environ.Env()
if env_file := os.environ.get("AVCHAT_ENV_FILE"):
    env.read_env(env_file)

VAR = Path(env.str("AVCHAT_VAR", default=str(BASE / "var")))
VAR.mkdir(parents=True, exist_ok=True)


def secret_key() -> str:
    """The installation's key: at least 50 random characters, from the environment or from `var/secret_key`."""
    if key := env.str("AVCHAT_SECRET_KEY", default=""):
        return str(key)
    path = VAR / "secret_key"
    if not path.exists():
        # Written aside and linked, so that of two first processes only one wins and none reads half a key.
        draft = VAR / f"secret_key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
