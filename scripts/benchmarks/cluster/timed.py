"""A controller that notes what each 429 took it: `podline serve` with a clock around the application.

`python -m scripts.benchmarks.cluster.timed FILE` writes the seconds of each into the file when it ends.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller import __main__ as podline
from controller.web.http.listeners import Sockets
from controller.web.http.server import Server


class Timed:
    """From the moment the server hands a request over until the application has handed its answer back.

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

    def timed(app: FastAPI, sockets: Sockets) -> Server:
        server = Server(app, sockets)
        server.config.app = Timed(app, refusals)
        return server

    setattr(podline, "Server", timed)  # noqa: B010 - a name it has for itself
    try:
        podline.main(["serve"])
    finally:
        file.write_bytes(msgspec.json.encode(refusals))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
