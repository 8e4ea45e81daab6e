"""Signed identities: JWTs in which a web app vouches for a caller's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import InvalidSubjectError
from jwt.types import Options

from controller.core.errors import Unauthorized

LONGEST_SECONDS: Final = 3600
"""How long an identity may be valid: this limits what one found in a log or a history is good for."""

_LEEWAY_SECONDS: Final = 30
_MOST_FILE_BYTES: Final = 64 * 1024
_MOST_KEYS: Final = 20
_MOST_TOKEN_CHARACTERS: Final = 8192
_LEAST_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""As RFC 7518 requires: as long as the hash."""

_LEAST_RSA_BITS: Final = 2048

_ALGORITHMS: Final = {
    ("oct", None): ("HS256", "HS384", "HS512"),
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What each kind of key may verify, so that a public key is never taken for an HMAC's secret."""

# PyJWT compares times with the system's clock; here they are compared with the one that is passed in.
_YEAR_10000: Final = 253_402_300_800
"""In seconds since 1970. A later or infinite number is not a time."""

_OPTIONS: Final[Options] = {
    "require": ["sub", "exp", "iat", "iss", "aud"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class InvalidIdentityKeysError(ValueError):
    """The file of identity keys can't be used; the sentence says why."""


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityKey:
    """One key of the ring.

    Attributes:
        kid: its name in tokens; None if it has none.
        algorithms: those that it may verify.
        material: the key in PyJWT's form.
    """

    kid: str | None
    algorithms: tuple[str, ...]
    material: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIdentities:
    """Implements `Identities` with a ring of keys, any of which verifies."""

    keys: Sequence[IdentityKey]
    issuer: str
    audience: str

    def subject(self, token: str, now: float) -> str:
        claims = self._claims(token)
        _check_times(claims, now)
        subject: str = claims["sub"]
        return subject

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _MOST_TOKEN_CHARACTERS:
            raise _invalid("it is too long")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _invalid("it is not a JWT") from None
        if "crit" in header or "b64" in header:
            raise _invalid("its header asks for an extension")
        why: Exception | None = None
        for key in self._candidates(header):
            try:
                return jwt.decode(
                    token,
                    key.material,
                    algorithms=list(key.algorithms),
                    issuer=self.issuer,
                    audience=self.audience,
                    options=_OPTIONS,
                )
            except (jwt.PyJWTError, ValueError, RecursionError) as error:
                # The right key's complaint about the token counts, not that other keys did not sign it.
                if why is None or not isinstance(error, jwt.InvalidSignatureError):
                    why = error
        raise _invalid(_CAUSES.get(type(why), "no key in PODLINE_IDENTITY_KEYS_FILE signed it"))

    def _candidates(self, header: dict[str, Any]) -> list[IdentityKey]:
        kid, algorithm = header.get("kid"), header.get("alg")
        named = [key for key in self.keys if kid is not None and key.kid == kid]
        unnamed = [key for key in self.keys if kid is None or key.kid is None]
        return [key for key in named or unnamed if algorithm in key.algorithms]


_CAUSES: Final[dict[type[object], str]] = {
    jwt.InvalidIssuerError: "its issuer is not PODLINE_IDENTITY_ISSUER",
    jwt.InvalidAudienceError: "its audience is not PODLINE_IDENTITY_AUDIENCE",
    jwt.MissingRequiredClaimError: "it lacks one of sub, exp, iat, iss, aud",
    InvalidSubjectError: "its sub is not a string",
}


def read_identity_keys(path: Path) -> tuple[IdentityKey, ...]:
    """Read a JWK Set.

    Raises:
        OSError: it cannot be read.
        InvalidIdentityKeysError: it is not a JWK Set, or one of its keys can't be used.
    """
    with path.open("rb") as file:
        content = file.read(_MOST_FILE_BYTES + 1)
    if len(content) > _MOST_FILE_BYTES:
        raise InvalidIdentityKeysError(f"it is larger than {_MOST_FILE_BYTES // 1024} KB")
    try:
        entries = msgspec.json.decode(content, type=_KeySet).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidIdentityKeysError('it is not a JWK Set, which is like {"keys": [...]}') from None
    if not 0 < len(entries) <= _MOST_KEYS:
        raise InvalidIdentityKeysError(f"it must have between 1 and {_MOST_KEYS} keys")
    return tuple(_read_key(entry, f"keys[{position}]") for position, entry in enumerate(entries))


def _read_key(entry: dict[str, Any], position: str) -> IdentityKey:
    kind, curve, kid = entry.get("kty"), entry.get("crv"), entry.get("kid")
    allowed = _ALGORITHMS.get((str(kind), str(curve) if kind in ("EC", "OKP") else None), ())
    wanted = entry.get("alg", allowed[0] if allowed else None)
    if wanted not in allowed:
        raise InvalidIdentityKeysError(
            f"{position}: this kty, crv and alg are not supported. Use oct, RSA, EC (P-256, P-384, "
            "P-521) or OKP (Ed25519), with an algorithm for that type"
        )
    if "d" in entry:
        raise InvalidIdentityKeysError(f"{position}: it is a private key. Put its public key here")
    if entry.get("use", "sig") != "sig" or not isinstance(kid, str | None):
        raise InvalidIdentityKeysError(f"{position}: use must be sig or left out, and kid a string")
    try:
        material = jwt.PyJWK(entry, algorithm=wanted).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise InvalidIdentityKeysError(f"{position}: the key can't be read") from None
    algorithms: tuple[str, ...] = (wanted,) if "alg" in entry else allowed
    if isinstance(material, bytes):
        algorithms = tuple(each for each in algorithms if len(material) >= _LEAST_SECRET_BYTES[each])
        if not algorithms:
            least = _LEAST_SECRET_BYTES[wanted]
            raise InvalidIdentityKeysError(f"{position}: {wanted} needs a secret of at least {least} bytes")
    if isinstance(material, RSAPublicKey) and material.key_size < _LEAST_RSA_BITS:
        raise InvalidIdentityKeysError(f"{position}: an RSA key of at least {_LEAST_RSA_BITS} bits is needed")
    return IdentityKey(kid=kid, algorithms=algorithms, material=material)


def _check_times(claims: dict[str, Any], now: float) -> None:
    """Raise Unauthorized if the token is not valid now, or is valid for too long."""
    issued, expires, since = claims["iat"], claims["exp"], claims.get("nbf", claims["iat"])
    if not all(_is_moment(each) for each in (issued, expires, since)):
        raise _invalid("one of exp, iat and nbf is not a time")
    if expires + _LEEWAY_SECONDS <= now:
        raise _invalid("it has expired")
    if max(issued, since) - _LEEWAY_SECONDS > now:
        raise _invalid("it is not valid yet")
    if expires - issued > LONGEST_SECONDS:
        raise _invalid(f"it is valid for longer than {LONGEST_SECONDS} seconds")


def _is_moment(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _YEAR_10000


def _invalid(why: str) -> Unauthorized:
    return Unauthorized(f"The signed identity is refused: {why}. Have the web app issue another one.")
