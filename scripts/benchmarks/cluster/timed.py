"""A controller that notes what each 429 took it: `podline serve` with a clock around the application.

`python -m scripts.benchmarks.cluster.timed FILE` writes the seconds of each into the file when it ends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.__main__ import read_settings_and_serve
from controller.composition import compose
from controller.observe.logs import configure_logging
from controller.parts import Parts
from controller.settings import Settings


class Timed:
    """From the moment a request reaches the application until the application has handed its answer back.

    Refusals wait for nothing, so this is what the handler takes itself, whatever stands in line before it.
    """

    def __init__(self, app: ASGIApp, refusals: list[float]) -> None:
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        began = time.perf_counter()
        await self._app(scope, receive, noting)
        if status == 429:
            self._refusals.append(time.perf_counter() - began)


def main(file: Path) -> None:
    refusals: list[float] = []

    def composed(settings: Settings, parts: Parts) -> FastAPI:
        app = compose(settings, parts)
        app.add_middleware(Timed, refusals=refusals)
        return app

    configure_logging(sys.stderr, os.environ)
    try:
        read_settings_and_serve({}, os.environ, composed)
    finally:
        file.write_bytes(msgspec.json.encode(refusals))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
