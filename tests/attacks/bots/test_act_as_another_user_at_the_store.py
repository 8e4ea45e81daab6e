"""A bot that was taken over, or a thief of its token, wants to act for somebody else at the store."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import jwt
import pytest
from aiohttp.test_utils import TestServer

from bot.store import Store as BotsStore
from bot.store import StoreError, Turn
from controller.core.credentials import Credentials
from controller.credentials.store import StoreTokens, key_id
from sandbox.gemini.record import ModelRecord
from sandbox.store.access import StoreAccess
from sandbox.store.catalogue import load_catalogue
from sandbox.store.database import Database
from sandbox.store.server import create_store_app
from sandbox.store.state import SandboxStore
from testing.fakes.controllers.site import serve_site

SECRET: Final = "the store's secret of thirty-two bytes"
FORMER: Final = "the secret that was in use before this"
OTHER: Final = "a secret that the store has never seen"
TURN: Final = {"index": 0, "role": "user", "text": "Hi", "at": "2026-01-02T03:04:05Z"}

Claims = dict[str, Any]


class Shop:
    """The store over HTTP, its clock, and what is in it."""

    def __init__(self, url: str, http: aiohttp.ClientSession, database: Database) -> None:
        self.url = url
        self.http = http
        self.database = database

    async def ask(self, path: str, body: Any, authorization: str | None) -> int:
        headers = {} if authorization is None else {"Authorization": authorization}
        async with self.http.post(f"{self.url}/{path}", json=body, headers=headers) as answer:
            return answer.status

    @property
    def is_untouched(self) -> bool:
        users = ("ana", "bo", "ana\0", "ANA", " ana")
        return not any(self.database.saved(user) for user in users) and not any(
            self.database.turns(session) for session in ("call-1", "call-2")
        )


@pytest.fixture
def secrets() -> list[str]:
    """What the store accepts; a test may change it."""
    return [SECRET, FORMER]


@pytest.fixture
async def shop(tmp_path: Path, secrets: list[str]) -> AsyncIterator[Shop]:
    database = Database(tmp_path)
    store = SandboxStore(
        load_catalogue(), database, lambda: datetime.now(UTC), ModelRecord(), access=StoreAccess(secrets)
    )
    async with TestServer(create_store_app(store)) as server, aiohttp.ClientSession() as http:
        yield Shop(str(server.make_url("")).rstrip("/"), http, database)
    database.close()


@asynccontextmanager
async def bot_of(user_id: str, session_id: str, secret: str = SECRET) -> AsyncIterator[str]:
    """What the controller gives the bot of a session to show at the store."""
    tokens = StoreTokens(secret, lambda: datetime.now(UTC))
    async with serve_site(credentials=Credentials([tokens])) as site:
        await site.start(user_id, session_id=session_id)
        secrets = site.runtime.launch_of(session_id).secrets
        assert secrets is not None
        yield secrets["CONVEX_TOKEN"]


def claims(**changed: Any) -> Claims:
    now = datetime.now(UTC)
    return {
        "iss": "podline",
        "aud": "podline-store",
        "sub": "ana",
        "sid": "call-1",
        "jti": "launch-1",
        "iat": now,
        "exp": now + timedelta(minutes=10),
        **changed,
    }


def without(name: str) -> Claims:
    return {key: value for key, value in claims().items() if key != name}


def signed(body: Claims, secret: str = SECRET, **header: Any) -> str:
    return jwt.encode(body, secret, "HS256", {"kid": key_id(secret), **header})


def by_hand(header: Any, body: Claims, secret: str | None = None, digest: str = "sha256") -> str:
    """What no library signs; without a secret nobody does."""
    timed = {key: value.timestamp() if isinstance(value, datetime) else value for key, value in body.items()}
    said = ".".join(encoded(json.dumps(part).encode()) for part in (header, timed))
    signature = b"" if secret is None else hmac.digest(secret.encode(), said.encode(), digest)
    return f"{said}.{encoded(signature)}"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


async def test_a_bot_saves_searches_and_keeps_what_was_said_for_its_own_caller(shop: Shop) -> None:
    async with bot_of("ana", "call-1") as token:
        store = BotsStore(shop.http, shop.url, token)
        assert (await store.search("shoes", None, None)).products
        await store.save("ana", 2)
        await store.save_transcript("call-1", "ana", [Turn(0, "user", "Hi", "2026-01-02T03:04:05Z")])
    assert shop.database.saved("ana") == [2]
    assert [turn.user_id for turn in shop.database.turns("call-1")] == ["ana"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("saveProductByNumber", {"userId": "bo", "productNumber": 2}),
        ("saveProductByNumber", {"userId": "ANA", "productNumber": 2}),
        ("saveProductByNumber", {"userId": " ana", "productNumber": 2}),
        ("saveProductByNumber", {"userId": "ana\0", "productNumber": 2}),
        ("removeProductByNumber", {"userId": "bo", "productNumber": 2}),
        ("saveTranscript", {"sessionId": "call-1", "userId": "bo", "turns": [TURN]}),
        ("saveTranscript", {"sessionId": "call-2", "userId": "ana", "turns": [TURN]}),
        ("saveTranscript", {"sessionId": "call-2", "userId": "bo", "turns": []}),
    ],
)
async def test_a_bot_does_nothing_for_another_user_or_session_whatever_its_request_claims(
    shop: Shop, path: str, body: Claims
) -> None:
    async with bot_of("ana", "call-1") as token:
        assert await shop.ask(path, body, f"Bearer {token}") == 403
    assert shop.is_untouched


async def test_a_bot_is_told_so_and_its_log_says_what_is_not_taken(shop: Shop) -> None:
    async with bot_of("ana", "call-1") as token:
        with pytest.raises(StoreError, match=r"status 403, .*CONVEX_TOKEN"):
            await BotsStore(shop.http, shop.url, token).save("bo", 2)
    with pytest.raises(StoreError, match=r"status 401, .*CONVEX_TOKEN"):
        await BotsStore(shop.http, shop.url, "another").save("ana", 2)


@pytest.mark.parametrize(
    "forge",
    [
        lambda: signed(claims(exp=datetime.now(UTC) - timedelta(minutes=5))),
        lambda: signed(without("exp")),
        lambda: signed(claims(exp="never")),
        lambda: by_hand({"alg": "HS256", "kid": key_id(SECRET)}, claims(exp=float("inf")), SECRET),
        lambda: signed(claims(iat=datetime.now(UTC) + timedelta(hours=1))),
        lambda: signed(claims(aud="podline")),
        lambda: signed(without("aud")),
        lambda: signed(claims(iss="somebody")),
        lambda: signed(without("sub")),
        lambda: signed(without("sid")),
        lambda: signed(claims(sid=["call-1", "call-2"])),
        lambda: signed(claims(), OTHER),
        lambda: signed(claims(), OTHER, kid=key_id(SECRET)),
        lambda: signed(claims(), SECRET, kid=key_id(FORMER)),
        lambda: by_hand({"alg": "HS256"}, claims(), SECRET),
        lambda: by_hand({"alg": "HS256", "kid": None}, claims(), SECRET),
        lambda: signed(claims(), SECRET, kid="../../dev/null"),
        lambda: by_hand({"alg": "HS256", "kid": key_id("")}, claims(), ""),
        lambda: by_hand({"alg": "HS512", "kid": key_id(SECRET)}, claims(), SECRET, "sha512"),
        lambda: by_hand({"alg": "none", "kid": key_id(SECRET)}, claims()),
        lambda: by_hand({"alg": "None", "kid": key_id(SECRET)}, claims()),
        lambda: by_hand({"alg": "", "kid": key_id(SECRET)}, claims()),
        lambda: by_hand({"alg": ["HS256"], "kid": key_id(SECRET)}, claims()),
        lambda: by_hand([], claims()),
        lambda: signed(claims()).rpartition(".")[0] + ".",
        lambda: signed(claims()) + "A",
        lambda: signed(claims()) + ".",
        lambda: "é" * 100,
        lambda: "a" * 100_000,
        lambda: encoded(b'{"alg": "HS256", "kid": "a", "more": ' + b"[" * 2900) + ".e30.aa",
        lambda: "..",
        lambda: SECRET,
        lambda: key_id(SECRET),
    ],
)
async def test_no_forged_or_expired_token_opens_anything(shop: Shop, forge: Callable[[], str]) -> None:
    body = {"userId": "ana", "productNumber": 2}
    assert await shop.ask("saveProductByNumber", body, f"Bearer {forge()[:8000]}") == 401
    assert await shop.ask("searchProductsByVoice", {"query": "shoes"}, f"Bearer {forge()[:8000]}") == 401
    assert shop.is_untouched


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YW5hOg==", "Token x"])
async def test_nothing_is_open_to_those_without_a_token(shop: Shop, authorization: str | None) -> None:
    assert await shop.ask("saveProductByNumber", {"userId": "ana", "productNumber": 2}, authorization) == 401
    assert shop.is_untouched


async def test_one_bots_claims_do_not_go_with_anothers_signature(shop: Shop) -> None:
    async with bot_of("ana", "call-1") as anas, bot_of("bo", "call-2") as bos:
        head, _, signature = anas.split(".")
        mixed = f"{head}.{bos.split('.')[1]}.{signature}"
    assert (
        await shop.ask("saveProductByNumber", {"userId": "bo", "productNumber": 2}, f"Bearer {mixed}") == 401
    )
    assert shop.is_untouched


async def test_a_change_of_the_secret_ends_no_call_and_then_the_former_one_opens_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    async with bot_of("ana", "call-1", FORMER) as token:
        body = {"userId": "ana", "productNumber": 2}
        assert await shop.ask("saveProductByNumber", body, f"Bearer {token}") == 200
        # The store is started again without the former secret.
        (tmp_path / "again").mkdir()
        database = Database(tmp_path / "again")
        store = SandboxStore(
            load_catalogue(), database, lambda: datetime.now(UTC), ModelRecord(), access=StoreAccess([SECRET])
        )
        async with TestServer(create_store_app(store)) as server:
            again = Shop(str(server.make_url("")).rstrip("/"), shop.http, database)
            assert await again.ask("saveProductByNumber", body, f"Bearer {token}") == 401
        database.close()


async def test_a_token_lasts_no_longer_than_its_call_may() -> None:
    async with bot_of("ana", "call-1") as token:
        claims = jwt.decode(token, options={"verify_signature": False})
    # Start timeout, the longest session, grace: the settings' defaults.
    assert claims["exp"] - claims["iat"] == 120 + 1800 + 30
    assert claims.keys() == {"iss", "aud", "sub", "sid", "jti", "iat", "exp"}
