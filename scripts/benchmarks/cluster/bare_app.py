"""A program that answers starts with the two writes and nothing else: a bare FastAPI application.

`python -m scripts.benchmarks.cluster.bare_app DOOR PORT` serves POST /v1/sessions.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.raw import ApiAccess, Raw, write_two


class Start(BaseModel):
    user_id: str


class BareSession(BaseModel):
    id: str
    user_id: str


def bare_app(access: ApiAccess) -> FastAPI:
    raw = Raw(access)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with raw:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def readyz() -> None:
        return

    @app.post("/v1/sessions", status_code=201)
    async def start(body: Start) -> BareSession:
        launch = await made.new_launch()
        await write_two(raw, launch, msgspec.json.encode(made.job_of(launch, access.namespace)))
        return BareSession(id=launch.session.id, user_id=body.user_id)

    return app


if __name__ == "__main__":
    where = msgspec.json.decode(sys.argv[1], type=ApiAccess)
    uvicorn.run(bare_app(where), port=int(sys.argv[2]), log_level="warning", access_log=False)
