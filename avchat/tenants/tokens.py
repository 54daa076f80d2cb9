"""Members' tokens: who a page's visitor is, vouched for by the site's own server.

A token is a JWT (HS256) signed with one of the site's secrets. Guests get theirs from the service, signed with
a key that only the installation can derive. Promises that nothing but a token whose every claim is within the
contract's bounds becomes `Claims`; what is wrong with any other is said in words a site's developer can act on.
"""

import re
import secrets
import time
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import jwt
import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from avchat.tenants import crypto, directory
from avchat.tenants.directory import SiteInfo

GUEST_PREFIX = "guest:"
GUEST_KID = "guest"
GUEST_SECONDS = 30 * 24 * 3600
MAX_TOKEN_BYTES = 8192
MAX_SECONDS = 24 * 3600
LEEWAY_SECONDS = 60
ADDRESS_FORM = re.compile(r"(?:https?://[^\s\\/]|/(?![/\\]))[^\s\\\x00-\x1f\x7f]*", re.IGNORECASE)
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
HINTS = {
    "aud": "It has to be the site key, as a string.",
    "sub": "It has to be the member's id on your site, as a string of 1 to 128 characters.",
    "name": "It has to be the member's name, a string of 1 to 80 characters.",
    "exp": "It has to be a time in seconds since 1970, at most 24 hours ahead.",
    "avatar": "It has to be an address of at most 500 characters.",
    "url": "It has to be an address of at most 500 characters.",
    "role": "It is member or moderator.",
    "email": "It is the member's e-mail address, of at most 254 characters, or left out.",
    "groups": "It is a list of at most 50 strings of at most 64 characters.",
}


class TokenError(Exception):
    """A token that lets nobody in; the message says why and may be shown to the site's developer."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """Who a good token speaks of."""

    sub: str
    name: str
    avatar: str
    url: str
    role: Literal["member", "moderator", "guest"]
    groups: tuple[str, ...]
    # For mails to the member; never shown to others. Empty where the site tells none.
    email: str = ""
    # The origin of the page that brought the token, for the link in those mails.
    origin: str = ""
    guest: bool
    # The secret that signed it; empty for a guest's.
    kid: str


Address = Annotated[str, msgspec.Meta(max_length=500)]


class _Payload(msgspec.Struct):
    aud: str
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    exp: float
    nbf: float | None = None
    avatar: Address | None = None
    url: Address | None = None
    email: Annotated[str, msgspec.Meta(max_length=254)] | None = None
    role: Literal["member", "moderator"] | None = None
    groups: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=50)] | None = None


_jws = jwt.PyJWS(algorithms=["HS256"])
_decoder = msgspec.json.Decoder(_Payload)


def mint(
    site: SiteInfo,
    sub: str,
    name: str,
    *,
    avatar: str | None = None,
    url: str | None = None,
    role: Literal["member", "moderator"] = "member",
    groups: Iterable[str] = (),
    email: str | None = None,
    ttl: float = 3600,
) -> str:
    """A member's token, good for `ttl` seconds (at most 24 hours), signed with the site's newest secret.

    `TokenError` where the site has no secret, or where the token would not be accepted.
    """
    if not site.secrets:
        raise TokenError("The site has no secret to sign with.")
    kid, secret = list(site.secrets.items())[-1]
    claims: dict[str, Any] = {"aud": site.key, "sub": sub, "name": name, "exp": int(time.time() + ttl), "role": role}
    claims |= {
        key: value
        for key, value in (("avatar", avatar), ("url", url), ("email", email), ("groups", [*groups]))
        if value
    }
    _check(site, claims)
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})


def mint_guest(site: SiteInfo, name: str) -> tuple[str, Claims]:
    """A token for a new guest with this name (1 to 80 characters), good for 30 days, and its claims.

    `TokenError` where the site lets no guests in or the name will not do.
    """
    if not site.guests:
        raise TokenError("This site does not let guests in.")
    _check_name(name)
    sub = GUEST_PREFIX + secrets.token_urlsafe(12)
    payload = {"aud": site.key, "sub": sub, "name": name, "exp": int(time.time() + GUEST_SECONDS)}
    token = jwt.encode(payload, _guest_keys(site)[0], algorithm="HS256", headers={"kid": GUEST_KID})
    return token, _guest(sub, name)


def verify(site_key: str, token: str) -> Claims:
    """The claims of a token for this site. `TokenError` says why it lets nobody in.

    A suspended site's tokens are still told apart: whether it may be used is the caller's to ask.
    """
    site = directory.site(site_key)
    if site is None:
        raise TokenError("There is no site with this key.")
    if len(token.encode(errors="replace")) > MAX_TOKEN_BYTES:
        raise TokenError(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
    kid = _kid(token)
    if kid == GUEST_KID:
        return _verify_guest(site, token)
    if kid is not None and kid not in site.secrets:
        raise TokenError("The token's kid names a secret that this site does not have (any more).")
    keys = site.secrets if kid is None else {kid: site.secrets[kid]}
    for kid, secret in keys.items():
        payload = _signed(token, secret)
        if payload is not None:
            return _member(site, kid, _decode(payload))
    raise TokenError("The token's signature does not fit any of the site's secrets.")


def _kid(token: str) -> str | None:
    """The header's kid, after the header was checked for all else."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenError("This is not a JSON Web Token.") from error
    if header.get("alg") != "HS256":
        raise TokenError("The token has to be signed with HS256.")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TokenError("The token's kid has to be a string.")
    return kid


def _signed(token: str, key: str | bytes) -> bytes | None:
    """The payload, if it was signed with this key."""
    try:
        payload: bytes = _jws.decode(token, key, algorithms=["HS256"])
    except jwt.InvalidSignatureError:
        return None
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenError("This is not a JSON Web Token.") from error
    return payload


def _decode(payload: bytes) -> _Payload:
    try:
        return _decoder.decode(payload)
    except msgspec.ValidationError as error:
        claim = re.search(r"`\$\.(\w+)|field `(\w+)`", str(error))
        hint = HINTS.get((claim[1] or claim[2]) if claim else "", "")
        raise TokenError(f"The token's claims are not right: {error}. {hint}".rstrip()) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TokenError("The token's payload is not JSON.") from error


def _member(site: SiteInfo, kid: str, payload: _Payload) -> Claims:
    _check_times(site, payload, MAX_SECONDS)
    if payload.sub.startswith(GUEST_PREFIX):
        raise TokenError(f"The token's sub begins with {GUEST_PREFIX}, which is kept for guests.")
    if "\0" in payload.sub:
        raise TokenError("The token's sub has a NUL in it.")
    _check_name(payload.name)
    for claim in ("avatar", "url"):
        address = getattr(payload, claim)
        if address and not ADDRESS_FORM.fullmatch(address):
            raise TokenError(f"The token's {claim} is neither an http(s) address nor a path that begins with one /.")
    if payload.email:
        try:
            validate_email(payload.email)
        except ValidationError as error:
            raise TokenError("The token's email is not an e-mail address.") from error
    groups = tuple(payload.groups or ())
    if any(CONTROL_CHARACTERS.search(group) for group in groups):
        raise TokenError("The token's groups have control characters in them.")
    return Claims(
        sub=payload.sub,
        name=payload.name,
        avatar=payload.avatar or "",
        url=payload.url or "",
        role=payload.role or "member",
        groups=groups,
        email=payload.email or "",
        guest=False,
        kid=kid,
    )


def _verify_guest(site: SiteInfo, token: str) -> Claims:
    if not site.guests:
        raise TokenError("This site does not let guests in.")
    for key in _guest_keys(site):
        signed = _signed(token, key)
        if signed is not None:
            payload = _decode(signed)
            _check_times(site, payload, GUEST_SECONDS)
            return _guest(payload.sub, payload.name)
    raise TokenError("The guest's token was not made by this service.")


def _guest(sub: str, name: str) -> Claims:
    return Claims(sub=sub, name=name, avatar="", url="", role="guest", groups=(), guest=True, kid="")


def _guest_keys(site: SiteInfo) -> tuple[bytes, ...]:
    return crypto.derive(f"guests of {site.key}")


def _check(site: SiteInfo, claims: dict[str, Any]) -> None:
    """Refuse to mint what `verify` would refuse."""
    try:
        payload = msgspec.json.encode(claims)
    except UnicodeEncodeError as error:
        raise TokenError("Lone surrogates are not characters.") from error
    _member(site, "", _decode(payload))


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 80 or not name.strip():
        raise TokenError("A name has 1 to 80 characters, and not only spaces.")
    if CONTROL_CHARACTERS.search(name):
        raise TokenError("A name has no control characters in it.")
    if not _is_text(name):
        raise TokenError("A name has no lone surrogates in it.")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_times(site: SiteInfo, payload: _Payload, longest: float) -> None:
    if payload.aud != site.key:
        raise TokenError("The token was made for another site: its aud is not this site's key.")
    now = time.time()
    if payload.exp <= now - LEEWAY_SECONDS:
        raise TokenError("The token has expired.")
    if payload.exp > now + longest + LEEWAY_SECONDS:
        raise TokenError(f"The token's exp is more than {longest // 3600} hours ahead.")
    if payload.nbf is not None and payload.nbf > now + LEEWAY_SECONDS:
        raise TokenError("The token is not good yet: its nbf is in the future.")
