"""Start stand-ins for Gemini, OpenAI, the store and Daily; write `sandbox.env` with what to reach them by."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final

import numpy as np
from aiohttp import web

from podline.contract import environment
from podline.machine_errors import one_sentence
from sandbox.certificate import load_certificate, make_certificate
from sandbox.control import ENVIRONMENT_FILE
from sandbox.daily.rooms import DOMAIN
from sandbox.daily.server import PREFIX as DAILY_PREFIX
from sandbox.daily.server import DailyServer, create_daily_app
from sandbox.ears import Ears, known_words
from sandbox.gemini.door import Door
from sandbox.gemini.model import Gemini
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.server import create_gemini_app
from sandbox.gemini.tokens import EphemeralTokens
from sandbox.grammar import request_grammar
from sandbox.misbehaviour import Orders
from sandbox.openai.server import PREFIX as OPENAI_PREFIX
from sandbox.openai.server import create_openai_app
from sandbox.openai.service import OpenAI
from sandbox.store.access import StoreAccess
from sandbox.store.catalogue import Catalogue, load_catalogue
from sandbox.store.database import Database
from sandbox.store.server import create_store_app
from sandbox.store.state import SandboxStore
from sandbox.voice import Voice

_LOOPBACK: Final = "127.0.0.1"
_EVERYWHERE: Final = "0.0.0.0"
_STORE_SECRETS: Final = "SANDBOX_STORE_SECRETS"
_KEY: Final = "SANDBOX_KEY"
"""Not GOOGLE_API_KEY: a real one in somebody's shell must not end up in `sandbox.env`."""
_PORTS: Final = "with --model-port, --openai-port or --store-port"
_CLOSING_SECONDS: Final = 1.0


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=__doc__,
        epilog=f"{_KEY} sets the key that Gemini and OpenAI accept, {_STORE_SECRETS} the comma-separated "
        "secrets whose signatures the store accepts. By default, each run makes its own. "
        "`python -m sandbox.control` orders a running sandbox to misbehave.",
    )
    parser.add_argument("--directory", type=Path, required=True, help="the directory to write files to")
    parser.add_argument(
        "--host", default=_LOOPBACK, help="the IPv4 address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="DIR",
        help="the directory with the model's tls.crt and tls.key (default: a certificate made for loopback)",
    )
    parser.add_argument("--model-port", type=int, default=0, help="the model's port (default: any free one)")
    parser.add_argument("--openai-port", type=int, default=0, help="OpenAI's port (default: any free one)")
    parser.add_argument("--store-port", type=int, default=0, help="the store's port (default: any free one)")
    options = parser.parse_args()
    directory = options.directory.resolve()
    try:
        with one_sentence("sandbox", _PORTS):
            directory.mkdir(parents=True, exist_ok=True)
            # A program that waits for this file must not find an earlier run's.
            (directory / ENVIRONMENT_FILE).unlink(missing_ok=True)
            asyncio.run(_run(directory, options, os.environ.get(_KEY) or _new_key()))
    except OSError as error:
        sys.exit(f"sandbox: {error}")


async def _run(directory: Path, options: argparse.Namespace, key: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    catalogue = load_catalogue()
    if options.certificate is None:
        certificate, tls = make_certificate(directory, _now())
    else:
        certificate, tls = load_certificate(options.certificate.resolve())
    async with AsyncExitStack() as stack:
        gemini = await _make_gemini(catalogue, key, stack)
        openai = OpenAI(
            key=key,
            ears=gemini.ears,
            voice=gemini.voice,
            categories=catalogue.categories,
            sleep=asyncio.sleep,
            now=_now,
        )
        database = Database(directory)
        stack.callback(database.close)
        daily = DailyServer(_new_key(), time.time, time.monotonic)  # noqa: TID251 - tokens expire by it
        orders_elsewhere: dict[str, Orders[Any]] = {
            "model": gemini.orders,
            "openai": openai.orders,
            "daily": daily.orders,
        }
        store_secrets = _store_secrets(os.environ.get(_STORE_SECRETS, ""))
        store = SandboxStore(
            catalogue,
            database,
            _now,
            gemini.record,
            openai=openai.record,
            access=StoreAccess(store_secrets),
            orders_elsewhere=orders_elsewhere,
        )
        store_socket = socket.create_server((options.host, options.store_port))
        store_url = await _serve(create_store_app(store), store_socket, None, stack)
        model_socket = Door(options.host, options.model_port, gemini.turns_away)
        model_url = await _serve(create_gemini_app(gemini), model_socket, tls, stack)
        openai_socket = socket.create_server((options.host, options.openai_port))
        openai_url = await _serve(create_openai_app(openai), openai_socket, None, stack)
        daily_socket = socket.create_server((options.host, 0))
        daily_url = await _serve(create_daily_app(daily), daily_socket, None, stack)
        _write_environment(
            directory / ENVIRONMENT_FILE,
            {
                environment.GOOGLE_API_KEY: gemini.key,
                environment.GOOGLE_GEMINI_BASE_URL: model_url,
                environment.SSL_CERT_FILE: str(certificate),
                "OPENAI_API_KEY": openai.key,
                "OPENAI_BASE_URL": f"{openai_url}{OPENAI_PREFIX}",
                environment.CONVEX_URL: store_url,
                "PODLINE_STORE_SECRET": store_secrets[0],
                "DAILY_API_KEY": daily.key,
                "DAILY_API_URL": f"{daily_url}{DAILY_PREFIX}",
                "PODLINE_ROOM_HOSTS": DOMAIN.removeprefix("https://"),
            },
        )
        sys.stdout.write(f"sandbox ready: model {model_url} store {store_url}\n")
        sys.stdout.flush()
        await stop.wait()


async def _make_gemini(catalogue: Catalogue, key: str, stack: AsyncExitStack) -> Gemini:
    ears = Ears(request_grammar(_speakable(catalogue)), np.random.default_rng())
    stack.callback(ears.close)
    await ears.warm_up()
    return Gemini(
        key=key,
        ears=ears,
        voice=Voice(),
        categories=catalogue.categories,
        pacing=Pacing(),
        clock=time.monotonic,
        sleep=asyncio.sleep,
        now=_now,
        tokens=EphemeralTokens(_now),
    )


def _store_secrets(given: str) -> list[str]:
    """Return the given secrets, newest first, or one made for this run."""
    return [each.strip() for each in given.split(",") if each.strip()] or [secrets.token_hex(32)]


def _speakable(catalogue: Catalogue) -> list[str]:
    """Return the kinds and categories that can be recognized: every word needs a known pronunciation."""
    things = {thing.lower() for thing in (*catalogue.kinds, *catalogue.categories)}
    known = known_words({word for thing in things for word in thing.split()})
    return [thing for thing in things if known.issuperset(thing.split())]


async def _serve(
    app: web.Application, listening: socket.socket, tls: SSLContext | None, stack: AsyncExitStack
) -> str:
    """Serve an app on a socket until the stack closes; return a URL that works on this machine."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSING_SECONDS, handler_cancellation=True)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.SockSite(runner, listening, ssl_context=tls)
    await site.start()
    host, actual_port = runner.addresses[0][:2]
    reachable = _LOOPBACK if host == _EVERYWHERE else host
    return f"{'http' if tls is None else 'https'}://{reachable}:{actual_port}"


def _write_environment(path: Path, variables: dict[str, str]) -> None:
    """Write `NAME=value` lines atomically, readable by the owner only."""
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)  # it may be somebody else's, or a link
    unfinished.touch(mode=0o600, exist_ok=False)
    unfinished.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    unfinished.replace(path)


def _new_key() -> str:
    return f"sandbox-{secrets.token_urlsafe(24)}"


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
