"""Which keys verify identities, and for what."""

import base64
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from controller.core.errors import Unauthorized
from controller.web.identity import InvalidIdentityKeysError, SignedIdentities, read_identity_keys
from testing.callers.keys import AUDIENCE, ISSUER, identity

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256, P384, K1 = (ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP256K1))
ED25519 = ed25519.Ed25519PrivateKey.generate()
SECRET = os.urandom(64)


def jwk(key: Any, **more: object) -> dict[str, Any]:
    """The public half, or a secret."""
    if isinstance(key, bytes):
        entry: Mapping[str, Any] = {
            "kty": "oct",
            "k": base64.urlsafe_b64encode(key).decode().rstrip("="),
        }
    else:
        names = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
        name = next((each for kind, each in names.items() if isinstance(key, kind)), "EdDSA")
        if isinstance(key, ec.EllipticCurvePrivateKey):
            name = {"secp256r1": "ES256", "secp384r1": "ES384", "secp256k1": "ES256K"}[key.curve.name]
        entry = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    return {**entry, **more}


def ring(tmp_path: Path, *entries: dict[str, Any]) -> SignedIdentities:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": entries}))
    return SignedIdentities(keys=read_identity_keys(path), issuer=ISSUER, audience=AUDIENCE)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (SECRET, "HS256"),
        (SECRET, "HS512"),
        (RSA_KEY, "RS256"),
        (RSA_KEY, "PS384"),
        (P256, "ES256"),
        (P384, "ES384"),
        (ED25519, "EdDSA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_of_key_verifies_what_it_signed(tmp_path: Path, key: Any, algorithm: str) -> None:
    now = time.time()
    others = [jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048)), jwk(os.urandom(32))]
    identities = ring(tmp_path, *others, jwk(key))
    token = identity("ana", now, secret=key, algorithm=algorithm)

    assert identities.subject(token, now) == "ana"
    with pytest.raises(Unauthorized):
        identities.subject(token, now + 331)


def test_a_key_is_chosen_by_its_name_and_one_without_a_name_is_tried_for_all(tmp_path: Path) -> None:
    now, former, later = time.time(), os.urandom(32), os.urandom(32)
    named = ring(tmp_path, jwk(former, kid="1"), jwk(later, kid="2"))
    for secret, kid, is_taken in (
        (former, "1", True),
        (later, "2", True),
        (later, None, True),
        (former, "2", False),
        (former, "3", False),
    ):
        token = identity("ana", now, secret=secret, headers={"kid": kid} if kid else None)
        if is_taken:
            assert named.subject(token, now) == "ana"
        else:
            with pytest.raises(Unauthorized, match="no key in PODLINE_IDENTITY_KEYS_FILE"):
                named.subject(token, now)
    token = identity("ana", now, secret=former, headers={"kid": "whatever"})
    assert ring(tmp_path, jwk(former)).subject(token, now) == "ana"


def test_a_key_of_one_algorithm_verifies_no_other(tmp_path: Path) -> None:
    now = time.time()
    identities = ring(tmp_path, jwk(SECRET, alg="HS512"))
    assert identities.subject(identity("ana", now, secret=SECRET, algorithm="HS512"), now) == "ana"
    with pytest.raises(Unauthorized):
        identities.subject(identity("ana", now, secret=SECRET, algorithm="HS256"), now)


def test_what_is_wrong_with_an_identity_is_said(tmp_path: Path) -> None:
    now = time.time()
    identities = ring(tmp_path, jwk(os.urandom(32)), jwk(SECRET))
    for changes, said in (
        ({"iss": "https://evil.example"}, "its issuer is not PODLINE_IDENTITY_ISSUER"),
        ({"aud": "another"}, "its audience is not PODLINE_IDENTITY_AUDIENCE"),
        ({"iat": None}, "it lacks one of sub, exp, iat, iss, aud"),
        ({"exp": now - 60}, "it has expired"),
        ({"iat": now + 60}, "it is not valid yet"),
        ({"exp": now + 3700}, "it is valid for longer than 3600 seconds"),
        ({"exp": 10**400}, "one of exp, iat and nbf is not a time"),
        ({"iat": -(10**400)}, "one of exp, iat and nbf is not a time"),
        ({"exp": float("inf")}, "one of exp, iat and nbf is not a time"),
        ({"nbf": float("nan")}, "one of exp, iat and nbf is not a time"),
    ):
        with pytest.raises(Unauthorized, match=said):
            identities.subject(identity("ana", now, secret=SECRET, **changes), now)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a JWK Set"),
        (b"[]", "not a JWK Set"),
        (b'{"keys": {}}', "not a JWK Set"),
        (b"\xff", "not a JWK Set"),
        (b'{"keys": []}', "between 1 and 20"),
        (json.dumps({"keys": [jwk(SECRET)] * 21}).encode(), "between 1 and 20"),
        (b" " * 70_000, "larger than 64 KB"),
        (json.dumps({"keys": [jwk(b"short")]}).encode(), "HS256 needs a secret of at least 32 bytes"),
        (
            json.dumps({"keys": [jwk(SECRET[:63], alg="HS512")]}).encode(),
            "HS512 needs a secret of at least 64",
        ),
        (json.dumps({"keys": [jwk(K1)]}).encode(), "this kty, crv and alg are not supported"),
        (json.dumps({"keys": [jwk(SECRET, alg="none")]}).encode(), "this kty, crv and alg are not supported"),
        (json.dumps({"keys": [jwk(P256, alg="HS256")]}).encode(), "this kty, crv and alg are not supported"),
        (json.dumps({"keys": [jwk(P256, use="enc")]}).encode(), "use must be sig"),
        (json.dumps({"keys": [jwk(P256, kid=7)]}).encode(), "kid a string"),
        (json.dumps({"keys": [jwk(P256, d="AAAA")]}).encode(), "private key"),
        (json.dumps({"keys": [jwk(P256, x="AAAA")]}).encode(), "can't be read"),
        (b'{"keys": [{"kty": "oct"}]}', "can't be read"),
        (b'{"keys": [{}]}', "this kty, crv and alg are not supported"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    with pytest.raises(InvalidIdentityKeysError, match=said):
        read_identity_keys(path)


def test_a_small_rsa_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidIdentityKeysError, match="2048 bits"):
        ring(tmp_path, jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024)))  # noqa: S505 - that is the point
