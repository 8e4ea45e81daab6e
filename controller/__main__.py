"""The program `podline`: serves the API, or creates a room."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dotenv import dotenv_values
from fastapi import FastAPI
from pydantic import ValidationError

from controller.cli import parse_arguments
from controller.composition import compose
from controller.hosting import ConfigurationError
from controller.observe.logs import configure_logging
from controller.parts import Parts, choose_parts
from controller.rooms.daily.api import DailyError
from controller.rooms.daily.command import make_meeting
from controller.settings import Settings
from controller.settings.settings import complaint_about
from controller.settings.unknown import unknown_variables
from controller.web.http.listeners import bind, with_bots_port
from controller.web.http.server import Server
from podline.machine_errors import explain_error, one_sentence

log = logging.getLogger("podline.main")

EXIT_CONFIG_INVALID = 64
"""EX_USAGE of sysexits.h; a bot exits with it in the same case."""

EXIT_NO_ROOM = 1
_PORTS = "with PODLINE_PORT, PODLINE_BOTS_PORT or PODLINE_METRICS_PORT"
EXIT_INTERRUPTED = 130
"""The exit code by which shells report a program that Ctrl-C ended."""

MakeApp = Callable[[Settings, Parts], FastAPI]

_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
"""Python's own number is 700."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    with one_sentence("podline"):
        run_command(options)


def run_command(options: argparse.Namespace) -> None:
    of_file = dotenv_values(".env")
    # The environment overrules .env, as it does for the settings.
    variables = {name: value for name, value in of_file.items() if value is not None} | dict(os.environ)
    if options.command == "room":
        print_room(options.key, variables)
    else:
        configure_logging(sys.stderr, variables)
        warn_of_unknown({**of_file, **os.environ})
        read_settings_and_serve(of_file, variables)


def warn_of_unknown(variables: Mapping[str, str | None]) -> None:
    for problem in unknown_variables(variables):
        log.warning("unknown setting", extra={"problem": problem})


def print_room(key: str | None, variables: Mapping[str, str]) -> None:
    """Create a Daily room; write variables to standard output, and a comment to standard error."""
    try:
        meeting = asyncio.run(make_meeting(key, variables, time.time()))  # noqa: TID251 - Daily expects it
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except DailyError as error:
        _complain(str(error))
        sys.exit(EXIT_NO_ROOM)
    sys.stderr.write(meeting.comment)
    sys.stdout.write(meeting.variables)


def read_settings_and_serve(
    of_file: Mapping[str, str | None], variables: Mapping[str, str], make_app: MakeApp = compose
) -> None:
    """Serve until a signal arrives; `make_app` makes what is served of settings and parts."""
    # Uvicorn repeats the signal that ended it; this way either signal ends `main` the same way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.read(of_file, os.environ)
    except ValidationError as error:
        sys.exit(_complain(complaint_about(error)))
    with (
        tempfile.TemporaryDirectory(prefix="podline-", ignore_cleanup_errors=True) as directory,
        suppress(KeyboardInterrupt),
    ):
        serve(settings, variables, Path(directory), make_app)


def serve(
    settings: Settings, variables: Mapping[str, str], directory: Path, make_app: MakeApp = compose
) -> None:
    """Serve until a signal arrives. `directory` is where bots work; nothing in it is needed afterwards."""
    try:
        parts = choose_parts(settings, variables, directory)
    except ConfigurationError as error:
        sys.exit(_complain(str(error)))
    try:
        sockets = bind(settings)
    except OSError as error:
        sys.exit(f"podline: {explain_error(error, _PORTS) or error}")
    warn_of_agents(parts)
    app = make_app(with_bots_port(settings, sockets), parts)
    spare_garbage_collection()
    try:
        run(Server(app, sockets))
    finally:
        parts.tracing.close()


def warn_of_agents(parts: Parts) -> None:
    """Log which agents can't take calls, and what to do, before the first caller finds out."""
    for status in parts.agents.all():
        problem = parts.preflight(status.version) if status.version is not None else None
        if problem is not None:
            log.warning("agent not configured", extra={"agent": status.name, "problem": problem})


def spare_garbage_collection() -> None:
    """Exclude what has been imported from garbage collection, and collect less often.

    Measured: with ten thousand sessions to adopt, half of a start's own time went into garbage collection,
    to which reference counting leaves next to nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 10, 10)


def run(server: Server) -> None:
    """Serve until a signal arrives. Exit with an error if bots can no longer be tracked from here."""
    server.run()
    if server.has_failed:
        sys.exit(
            "podline: the controller can no longer track bots, for the reason logged above. Start it again."
        )


def _complain(sentence: str) -> int:
    sys.stderr.write(f"podline: {sentence}\n")
    return EXIT_CONFIG_INVALID


if __name__ == "__main__":
    main()
