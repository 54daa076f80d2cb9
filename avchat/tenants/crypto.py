"""What keeps a leaked database from handing out the sites' secrets.

Secrets lie in the database only as ciphertext. The key is derived from the installation's key, which is kept
outside the database. Promises that after a change of the installation's key whatever was encrypted or signed
before is still good, as long as the old key stands in `AVCHAT_SECRET_KEY_FALLBACKS`.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class KeyLost(Exception):
    """The ciphertext was made under an installation's key that is no longer known."""


def derive(purpose: str) -> tuple[bytes, ...]:
    """32-byte keys for one purpose, the current installation's key's first. Different purposes share nothing."""
    return tuple(_derive(key, purpose) for key in _installation_keys())


def encrypt(text: str) -> bytes:
    """The text as ciphertext for the database, under the current key."""
    return _fernet(_installation_keys()).encrypt(text.encode())


def decrypt(ciphertext: bytes) -> str:
    """The text again. `KeyLost` where none of the installation's keys fits."""
    try:
        return _fernet(_installation_keys()).decrypt(ciphertext).decode()
    except InvalidToken as error:
        raise KeyLost("The installation's key that encrypted this is not known any more.") from error


def _installation_keys() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=1024)
def _derive(key: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"avchat " + purpose.encode()).derive(key.encode())


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, "secrets"))) for key in keys])
