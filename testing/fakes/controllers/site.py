"""The application over a fake runtime and fake rooms, reached over ASGI."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from controller.composition import compose
from controller.core.agents import Agents, Preflight, no_preflight
from controller.core.credentials import Credentials
from controller.core.primitives.clock import Clock
from controller.core.rooms import Rooms
from controller.core.secret_sets import SecretSets
from controller.core.tokens import Signer, with_token
from controller.core.tracing import Tracing
from controller.core.warm import GivenTo, given_nothing
from controller.observe.metrics import Metrics
from controller.observe.prices import PriceList
from controller.web.auth import Identities, Key
from testing.fakes.controllers.metered import some_metrics
from testing.fakes.controllers.parts import SIGNER, fake_parts
from testing.fakes.controllers.runtimes_and_rooms import FakeRooms, FakeRuntime, secrets_of
from testing.settings import settings_of


@dataclass
class Site:
    """A serving controller, and the fakes behind it; `rooms` are unused if it was given others."""

    client: httpx.AsyncClient
    runtime: FakeRuntime
    rooms: FakeRooms
    metrics: Metrics
    app: FastAPI

    async def start(self, user_id: str = "ana", **fields: Any) -> dict[str, Any]:
        answer = await self.client.post("/v1/sessions", json={"user_id": user_id, **fields})
        assert answer.status_code in (200, 201), answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def read(self, session_id: str) -> dict[str, Any]:
        session: dict[str, Any] = (await self.client.get(f"/v1/sessions/{session_id}")).json()
        return session

    def offers_of(self, session_id: str) -> str:
        """Return the path for offers to this session."""
        session = self.runtime.launch_of(session_id).session
        token = SIGNER.session_token(session.id, session.launch_id)
        return f"/sessions/{with_token(session.id, token)}/api/offer"

    async def as_bot(self, session_id: str, method: str, path: str, **request: Any) -> httpx.Response:
        """A request of the session's bot."""
        launch = self.runtime.launch_of(session_id)
        return await self.client.request(
            method,
            f"/internal/launches/{launch.session.launch_id}/{path}",
            headers={"Authorization": f"Bearer {secrets_of(launch)['PODLINE_LAUNCH_TOKEN']}"},
            **request,
        )


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Site]]


@contextlib.asynccontextmanager
async def serve_site(
    keys: tuple[Key, ...] | None = None,
    rooms: Rooms | None = None,
    prices: PriceList | None = None,
    tracing: Tracing | None = None,
    signer: Signer = SIGNER,
    identities: Identities | None = None,
    address: str = "127.0.0.1",
    *,
    clock: Clock | None = None,
    credentials: Credentials | None = None,
    agents: Agents | None = None,
    secret_sets: SecretSets | None = None,
    preflight: Preflight = no_preflight,
    given_to: GivenTo = given_nothing,
    **settings: Any,
) -> AsyncIterator[Site]:
    runtime, fakes, metrics = FakeRuntime(), FakeRooms(), some_metrics(prices)
    parts = fake_parts(
        agents=agents,
        secret_sets=secret_sets,
        preflight=preflight,
        given_to=given_to,
        runtime=runtime,
        rooms=rooms or fakes,
        signer=signer,
        clock=clock,
        metrics=metrics,
        tracing=tracing,
        credentials=credentials,
        keys=keys,
        identities=identities,
    )
    app = compose(settings_of(**settings), parts)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1234))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as client,
    ):
        yield Site(client, runtime, fakes, metrics, app)
