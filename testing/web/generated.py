"""What the example web app has from here: the API's description, the shop's products, and a bot's requests.

Run as `python -m testing.web.generated`, writes the files.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.store import ProductUnknown, StoreError, Turn
from bot.store import Store as Client
from controller.composition import compose
from controller.core.session import Session, Timeline
from controller.credentials.store import StoreTokens
from podline.contract.environment import CONVEX_TOKEN
from sandbox.gemini.record import ModelRecord
from sandbox.store.access import StoreAccess
from sandbox.store.catalogue import as_json, load_catalogue
from sandbox.store.database import Database
from sandbox.store.server import create_store_app
from sandbox.store.state import SandboxStore
from testing.fakes.controllers.parts import fake_parts
from testing.settings import settings_of

EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "nextjs"
TOKEN: Final = "convex-token"
SECRET: Final = "a-secret-for-tests-of-thirty-two-bytes"
UNKNOWN: Final = 999_999
TURNS: Final = (
    Turn(0, "assistant", "Hello! What are you looking for?", "2026-01-02T03:04:05.678Z"),
    Turn(1, "user", "Save product two.", "2026-01-02T03:04:09.001Z"),
)


_SIGNED_AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_CENTURY: Final = timedelta(days=36_525)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Middleware(Protocol):
    def __call__(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]: ...


def generated() -> dict[Path, str]:
    """Each file and what should be in it."""
    return {
        EXAMPLE / "lib" / "api" / "openapi.json": _text(description()),
        EXAMPLE / "convex" / "catalogue.json": _text(products()),
        EXAMPLE / "convex" / "exchanges.json": _text(asyncio.run(exchanges())),
    }


def description() -> dict[str, Any]:
    """The controller's OpenAPI document."""
    return compose(settings_of(), fake_parts()).openapi()


def products() -> list[dict[str, Any]]:
    return [as_json(product) for product in load_catalogue().products.values()]


async def exchanges() -> list[dict[str, Any]]:
    """What the bot's own client and the sandbox's store say to each other, in order."""
    recorded: list[dict[str, Any]] = []

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json()
        response = await handler(request)
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        recorded.append(
            {
                "path": request.path,
                "authorization": request.headers.get("Authorization"),
                "body": body,
                "status": response.status,
                "answer": json.loads(response.body),
            }
        )
        return response

    async with aiohttp.ClientSession() as http:
        async with _store(record, StoreAccess()) as url:
            await _ask_for_everything(Client(http, url, TOKEN))
            await _ask_badly(http, url)
        async with _store(record, StoreAccess(["another secret", SECRET])) as url:
            for user, session, lifetime in (
                ("cy", "session-3", _CENTURY),
                ("cy", "session-3", timedelta(hours=1)),
            ):
                await _ask_for_oneself_and_others(Client(http, url, await _token(user, session, lifetime)))
    return recorded


@asynccontextmanager
async def _store(record: Middleware, access: StoreAccess) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        database = Database(Path(directory))
        store = SandboxStore(load_catalogue(), database, lambda: datetime.now(UTC), ModelRecord(), access)
        app = create_store_app(store)
        app.middlewares.append(record)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")
        database.close()


async def _token(user: str, session: str, lifetime: timedelta) -> str:
    """A bot's, as the controller makes it. Always the same, so that what is recorded is."""
    tokens = StoreTokens(SECRET, lambda: _SIGNED_AT)
    accepted = Session(
        id=session,
        user_id=user,
        launch_id="launch",
        request_hash="",
        room_provider="",
        max_duration_seconds=60,
        timeline=Timeline(accepted=_SIGNED_AT),
    )
    return (await tokens.issue(accepted, lifetime_seconds=lifetime.total_seconds()))[CONVEX_TOKEN]


async def _ask_for_oneself_and_others(client: Client) -> None:
    """What a bot may with its token for cy in session-3, and what it may not."""
    asked: list[Awaitable[object]] = [client.search("running shoes", None, "under $100")]
    asked += [change(user, 2) for user in ("cy", "ana") for change in (client.save, client.remove)]
    asked += [
        client.save_transcript(session, user, TURNS[:1])
        for session, user in (("session-3", "cy"), ("session-3", "ana"), ("session-1", "cy"))
    ]
    for each in asked:
        with suppress(StoreError):
            await each


async def _ask_for_everything(client: Client) -> None:
    await client.search("running shoes", None, "under $100")
    await client.search("wireless headphones", "audio", None)
    await client.search("something cheap", None, "$20-$40")
    await client.search("a zeppelin", None, None)
    for change in (client.save, client.remove):
        await change("ana", 2)
        await change("ana", 2)
        with suppress(ProductUnknown):
            await change("ana", UNKNOWN)
    await client.save("\u0623\u0646\u0627 \U0001f6d2", 3)
    await client.save_transcript("session-1", "ana", TURNS[:1])
    await client.save_transcript("session-1", "ana", TURNS)


async def _ask_badly(http: aiohttp.ClientSession, url: str) -> None:
    """What no bot sends."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    turn = {"index": 0, "role": "user", "text": "Hi", "at": "2026-01-02T03:04:05Z"}
    transcript = {"sessionId": "session-2", "userId": "ana", "turns": [turn]}
    for path, body in (
        ("searchProductsByVoice", {"query": "x" * 501}),
        ("searchProductsByVoice", {"category": "audio"}),
        ("saveProductByNumber", {"userId": "ana", "productNumber": 0}),
        ("saveProductByNumber", {"userId": "", "productNumber": 2}),
        ("removeProductByNumber", {"userId": "ana", "productNumber": "two"}),
        ("saveTranscript", {**transcript, "sessionId": ""}),
        ("saveTranscript", {**transcript, "turns": [{**turn, "role": "system"}]}),
        ("saveTranscript", {**transcript, "turns": [{**turn, "at": "yesterday"}]}),
        ("saveTranscript", {**transcript, "turns": [{**turn, "index": -1}]}),
    ):
        async with http.post(f"{url}/{path}", json=body, headers=headers):
            pass


def _text(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
