"""A stranger tries to start calls under another person's name, or more calls than one may have."""

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from controller.core.runtime import Observation
from controller.web.identity import IdentityKey, SignedIdentities
from testing.callers.keys import AUDIENCE, IDENTITIES, ISSUER, KEYS, bearer, identity
from testing.fakes.controllers.site import Site, serve_site

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def start(site: Site, user_id: str | None = None, token: str | None = None) -> httpx.Response:
    body = {"body": {} if user_id is None else {"user_id": user_id}}
    return await site.client.post("/start", json=body, headers=bearer(token) if token else {})


def user(site: Site) -> str:
    """Of the last call that was launched."""
    return site.runtime.launches[-1].session.user_id


@pytest.mark.parametrize("key", [None, "browser"])
async def test_a_name_needs_more_than_a_public_start(key: str | None) -> None:
    async with serve_site(keys=KEYS, public_start=True) as site:
        for name in ("ana", "anonymous-0123456789abcdef", "ANONYMOUS", "anonymous\u200c"):
            answer = await start(site, name, key)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert "scope 'start'" in answer.json()["detail"]
        assert site.runtime.launches == []
        for nobody in (None, "anonymous"):
            assert (await start(site, nobody, key)).status_code == 200
        users = {launch.session.user_id for launch in site.runtime.launches}
        assert len(users) == 2
        assert all(each.startswith("anonymous-") and len(each) >= 18 for each in users)


async def test_a_name_is_taken_with_a_key_that_may_start_and_with_no_other() -> None:
    async with serve_site(keys=KEYS, public_start=True) as site:
        for key in ("starter", "boss"):
            assert (await start(site, "ana", key)).status_code == 200
            assert user(site) == "ana"
        for key, status in (("reader", 403), ("stopper", 403), ("nobody's", 401)):
            assert (await start(site, "ana", key)).status_code == status
            assert (await start(site, None, key)).status_code == status
        assert len(site.runtime.launches) == 2


async def test_a_key_in_a_browser_opens_start_and_nothing_else() -> None:
    async with serve_site(keys=KEYS, public_start=False) as site:
        assert (await start(site)).status_code == 401
        started = (await start(site, None, "browser")).json()["sessionId"]
        bare = started.partition("~")[0]
        for session_id in (started, bare):
            for method, path in (
                ("GET", f"/v1/sessions/{session_id}"),
                ("GET", f"/v1/sessions/{session_id}/logs"),
                ("GET", f"/v1/sessions/{session_id}/events"),
                ("DELETE", f"/v1/sessions/{session_id}"),
                ("POST", f"/stop-agent/{session_id}"),
            ):
                answer = await site.client.request(method, path, headers=bearer("browser"))
                assert answer.status_code == 403
        for method, path in (
            ("GET", "/v1/sessions"),
            ("GET", "/v1/events"),
            ("GET", "/agents"),
            ("GET", "/health"),
            ("POST", "/v1/sessions"),
            ("POST", "/start-agent"),
        ):
            answer = await site.client.request(method, path, json={}, headers=bearer("browser"))
            assert answer.status_code == 403


async def test_a_key_in_a_browser_has_a_rate_of_its_own() -> None:
    settings: dict[str, Any] = {
        "public_key_starts_per_minute": 2,
        "public_starts_per_minute": 10,
        "anonymous_sessions_per_address": 50,
    }
    async with serve_site(keys=KEYS, public_start=True, **settings) as site:
        answers = [await start(site, None, "browser") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert (await start(site)).status_code == 200


@pytest.mark.parametrize("key", [None, "browser"])
async def test_callers_without_a_name_share_the_limit_of_their_address(key: str | None) -> None:
    async with serve_site(keys=KEYS, public_start=True, anonymous_sessions_per_address=2) as site:
        answers = [await start(site, None, key) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[-1].json()["code"] == "user_limit_reached"
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "from your address" in answers[-1].json()["detail"]
        assert (await start(site, "ana", "starter")).status_code == 200

        await site.runtime.exit(site.runtime.launches[0].session.launch_id)
        assert (await start(site, None, key)).status_code == 200


async def test_no_forwarded_header_and_no_neighbouring_ipv6_address_makes_a_newcomer() -> None:
    async with serve_site(
        keys=KEYS, public_start=True, anonymous_sessions_per_address=1, address="2001:db8::1"
    ) as site:
        assert (await start(site)).status_code == 200
        for header in ("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip"):
            forged = await site.client.post("/start", json={}, headers={header: "for=203.0.113.9"})
            assert forged.status_code == 429
        transport = site.client._transport
        assert isinstance(transport, httpx.ASGITransport)
        transport.client = ("2001:db8::ffff:2", 1)
        assert (await start(site)).status_code == 429
        transport.client = ("2001:db8:0:1::1", 1)
        assert (await start(site)).status_code == 200


async def test_the_limit_of_an_address_outlives_the_controller_and_the_address_is_kept_nowhere() -> None:
    async with serve_site(keys=KEYS, public_start=True, address="203.0.113.9") as site:
        assert (await start(site)).status_code == 200
        session = site.runtime.launches[0].session
        assert "203.0.113.9" not in repr(session)
    async with serve_site(
        keys=KEYS, public_start=True, anonymous_sessions_per_address=1, address="203.0.113.9"
    ) as site:
        await site.runtime.observe(Observation(launch_id=session.launch_id, found=session))
        assert (await start(site)).status_code == 429


async def test_a_signed_identity_starts_for_its_own_user_and_opens_nothing_else() -> None:
    async with serve_site(keys=KEYS, identities=IDENTITIES, sessions_per_user=2) as site:
        token = identity("ana", time.time())
        assert (await start(site, None, token)).status_code == 200
        assert user(site) == "ana"
        assert (await start(site, "bo", token)).status_code == 403
        assert (await start(site, "ana", token)).status_code == 200
        limited = await start(site, None, token)
        assert (limited.status_code, limited.json()["code"]) == (429, "user_limit_reached")
        for method, path in (("GET", "/v1/sessions"), ("POST", "/v1/sessions"), ("POST", "/start-agent")):
            assert (
                await site.client.request(method, path, json={}, headers=bearer(token))
            ).status_code == 401


async def test_an_identity_of_nobody_in_particular_is_under_the_limit_of_its_address() -> None:
    async with serve_site(keys=KEYS, identities=IDENTITIES, anonymous_sessions_per_address=2) as site:
        token = identity("anonymous", time.time())
        answers = [await start(site, None, token) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert user(site).startswith("anonymous-")


async def test_identities_are_under_the_rate_of_their_address() -> None:
    async with serve_site(keys=KEYS, identities=IDENTITIES, public_starts_per_minute=2) as site:
        answers = [await start(site, None, identity(f"user-{number}", time.time())) for number in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    parts = ({"typ": "JWT"} | header, claims)
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts
    )


def forgeries(now: float) -> dict[str, str]:
    good = identity("ana", now)
    head, claims, signature = good.split(".")
    of_bo = identity("bo", now).split(".")[1]
    valid = {"sub": "ana", "iat": now, "exp": now + 300, "iss": ISSUER, "aud": AUDIENCE}
    return {
        "no algorithm": unsigned(valid, alg="none") + ".",
        "no algorithm in capitals": unsigned(valid, alg="NONE") + ".",
        "no algorithm, with a signature": unsigned(valid, alg="none") + f".{signature}",
        "another secret": identity("ana", now, secret=b"another secret that is long enough"),
        "claims exchanged": f"{head}.{of_bo}.{signature}",
        "signature cut": f"{head}.{claims}.{signature[:-2]}",
        "no signature": f"{head}.{claims}.",
        "another issuer": identity("ana", now, iss="https://evil.example"),
        "no issuer": identity("ana", now, iss=None),
        "another audience": identity("ana", now, aud="another service"),
        "no audience": identity("ana", now, aud=None),
        "no user": identity(None, now),
        "an empty user": identity("", now),
        "a user of control characters": identity("a\nb", now),
        "a long user": identity("a" * 129, now),
        "an extension": identity("ana", now, headers={"crit": ["exp"]}),
        "an unknown key": identity("ana", now, secret=b"x" * 32, headers={"kid": "another"}),
        "nonsense": "a.b.c",
        "empty parts": "..",
    }


@pytest.mark.parametrize("kind", sorted(forgeries(0)))
@pytest.mark.parametrize("public_start", [True, False])
async def test_a_forged_identity_is_refused_and_never_taken_for_no_identity(
    kind: str, *, public_start: bool
) -> None:
    async with serve_site(keys=KEYS, identities=IDENTITIES, public_start=public_start) as site:
        answer = await start(site, None, forgeries(time.time())[kind])
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert site.runtime.launches == []


async def test_a_public_key_is_not_taken_for_a_secret() -> None:
    public = RSA_KEY.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ring = SignedIdentities(
        keys=[IdentityKey(kid="web", algorithms=("RS256",), material=public)],
        issuer=ISSUER,
        audience=AUDIENCE,
    )
    async with serve_site(keys=KEYS, identities=ring) as site:
        now = time.time()
        assert (
            await start(site, None, identity("ana", now, secret=RSA_KEY, algorithm="RS256"))
        ).status_code == 200
        for confused in (pem, der):
            head = unsigned(
                {"sub": "ana", "iat": now, "exp": now + 300, "iss": ISSUER, "aud": AUDIENCE}, alg="HS256"
            )
            signature = jwt.get_algorithm_by_name("HS256").sign(head.encode(), confused)
            forged = f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
            assert (await start(site, None, forged)).status_code == 401
        assert len(site.runtime.launches) == 1


async def test_at_a_persons_own_machine_a_wrong_identity_is_refused_too() -> None:
    async with serve_site(identities=IDENTITIES) as site:
        assert (await start(site, None, identity("ana", 0))).status_code == 401
        assert (await start(site, "ana")).status_code == 200
        assert user(site) == "ana"
