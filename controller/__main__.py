"""`podline`: reads the settings, chooses where bots run and callers meet, and serves; or makes a room."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
from dotenv import dotenv_values
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from controller.cli import parse_arguments
from controller.core.clock import Clock, system_clock
from controller.core.credentials import Credentials, Issuer
from controller.core.rooms import Rooms
from controller.core.runtime import Runtime
from controller.core.tokens import Signer
from controller.core.tracing import Tracing, Untraced
from controller.credentials.gemini import GOOGLE_URL, GeminiTokens
from controller.observe.labels import Declared
from controller.observe.logs import configure_logging
from controller.observe.metrics import Metrics
from controller.observe.prices import InvalidPricesError, PriceList, read_prices
from controller.rooms.daily.api import DAILY_API_URL, DailyApi, DailyError
from controller.rooms.daily.command import make_meeting
from controller.rooms.names import RoomNames
from controller.rooms.webrtc import WebRtcRooms
from controller.runtimes.local.hiding import hide_this_process
from controller.runtimes.local.memory import own_memory_events
from controller.runtimes.local.runtime import LocalRuntime, bot_variables
from controller.settings import Settings
from controller.settings.settings import complaint_about
from controller.settings.unknown import unknown_variables
from controller.web.app import create_app
from controller.web.auth import Identities, Key, read_keys
from controller.web.http.listeners import bind, with_bots_port
from controller.web.http.server import Server
from podline.contract import environment

log = logging.getLogger("podline.main")

EXIT_CONFIG_INVALID = 64
"""EX_USAGE of sysexits.h; what a bot exits with in the same case."""

EXIT_NO_ROOM = 1
EXIT_INTERRUPTED = 130
"""What a shell gives a program that Ctrl-C has ended."""

_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000
"""Python's own number is 700."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
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
    """Make a Daily room; variables go to the standard output, and words to the standard error."""
    try:
        meeting = asyncio.run(make_meeting(key, variables, time.time()))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except DailyError as error:
        _complain(str(error))
        sys.exit(EXIT_NO_ROOM)
    sys.stderr.write(meeting.comment)
    sys.stdout.write(meeting.variables)


def read_settings_and_serve(of_file: Mapping[str, str | None], variables: Mapping[str, str]) -> None:
    # Uvicorn repeats the signal that ended it; this way either signal ends `main` the same way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = Settings.read(of_file, os.environ)
        prices = read_prices(settings.metrics.prices_file) if settings.metrics.prices_file else None
        keys = read_keys(settings.access.keys_file) if settings.access.keys_file else None
        identities = choose_identities(settings)
    except ValidationError as error:
        sys.exit(_complain(complaint_about(error)))
    except InvalidPricesError as error:
        sys.exit(_complain(f"PODLINE_PRICES_FILE: {error}"))
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(_complain(f"PODLINE_KEYS_FILE: {error}."))
    with (
        tempfile.TemporaryDirectory(prefix="podline-", ignore_cleanup_errors=True) as directory,
        suppress(KeyboardInterrupt),
    ):
        serve(settings, keys, prices, variables, Path(directory), identities)


def serve(
    settings: Settings,
    keys: Sequence[Key] | None,
    prices: PriceList | None,
    variables: Mapping[str, str],
    directory: Path,
    identities: Identities | None = None,
) -> None:
    """Serve until a signal comes. `directory` is where bots work; nothing in it is needed afterwards."""
    clock = system_clock()
    secret = settings.access.secret.get_secret_value() if settings.access.secret else secrets.token_hex(32)
    previous = (each.get_secret_value().encode() for each in settings.access.previous_secrets)
    signer = Signer(secret.encode(), *previous)
    declared = Declared(tools=settings.metrics.tools, models=settings.metrics.models)
    metrics = Metrics(CollectorRegistry(), prices, declared)
    tracing = choose_tracing(variables)
    runtime = choose_runtime(settings, variables, directory, clock, metrics.registry, tracing)
    rooms = choose_rooms(settings, signer)
    try:
        sockets = bind(settings)
    except OSError as error:
        sys.exit(f"podline: {error.strerror}. Free that port, or choose another.")
    settings = with_bots_port(settings, sockets)
    app = create_app(
        settings,
        runtime,
        rooms,
        signer,
        keys,
        clock,
        metrics,
        tracing=tracing,
        identities=identities,
        credentials=choose_credentials(settings, variables, clock),
    )
    spare_garbage_collection()
    server = Server(app, sockets)
    try:
        run(server)
    finally:
        tracing.close()


def spare_garbage_collection() -> None:
    """Never walk again through what has been imported, and walk through sessions less often.

    Measured: with ten thousand sessions to find again, half of a start's own time went into looking for
    garbage, of which reference counts leave next to none.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS, 10, 10)


def choose_identities(settings: Settings) -> Identities | None:
    """Who vouches for callers' names. Ends the program where the keys can't be used."""
    if settings.access.identity_keys_file is None:
        return None
    # PyJWT and cryptography, for those alone who need them.
    from controller.web.identity import InvalidIdentityKeysError, SignedIdentities, read_identity_keys  # noqa: PLC0415

    try:
        keys = read_identity_keys(settings.access.identity_keys_file)
    except (OSError, InvalidIdentityKeysError) as error:
        sys.exit(_complain(f"PODLINE_IDENTITY_KEYS_FILE: {error}."))
    return SignedIdentities(
        keys=keys,
        issuer=settings.access.identity_issuer or "",
        audience=settings.access.identity_audience or "",
    )


def choose_tracing(variables: Mapping[str, str]) -> Tracing:
    """Where spans go. Ends the program where they are wanted and can't be sent."""
    if not environment.traces_are_wanted(variables):
        return Untraced()
    if (problem := environment.why_no_traces(variables)) is not None:
        sys.exit(_complain(problem))
    # OpenTelemetry's SDK and protobuf, for those alone who want traces.
    from controller.observe.traces import traced  # noqa: PLC0415

    # The SDK reads the environment alone.
    for name, value in variables.items():
        if name.startswith(environment.OTEL):
            os.environ.setdefault(name, value)
    try:
        return traced()
    except ValueError as error:
        sys.exit(_complain(f"{error}."))


def choose_runtime(
    settings: Settings,
    variables: Mapping[str, str],
    directory: Path,
    clock: Clock,
    registry: CollectorRegistry,
    tracing: Tracing,
) -> Runtime:
    """Where bots run. Ends the program where the cluster or the Job template can't be used."""
    if settings.runtime.kind == "kubernetes":
        # Half as much memory again as all the rest of a controller, for those alone who need it.
        from controller.runtimes.kubernetes.build import build_runtime  # noqa: PLC0415
        from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid  # noqa: PLC0415

        try:
            return build_runtime(settings, clock, registry, tracing)
        except ConfigurationInvalid as error:
            sys.exit(_complain(str(error)))
    # Before the first bot is there.
    hide_this_process()
    return LocalRuntime(
        command=(sys.executable, "-m", "bot"),
        variables=bot_variables(variables),
        directory=directory,
        grace_seconds=settings.limits.grace_seconds,
        keep_ended_seconds=settings.limits.keep_ended_seconds,
        clock=clock,
        memory_megabytes=settings.local.bot_memory_megabytes,
        memory_events=own_memory_events(),
    )


def choose_credentials(settings: Settings, variables: Mapping[str, str], clock: Clock) -> Credentials:
    """What each bot is issued for its own call, in place of secrets that all bots share."""
    issuers: list[Issuer] = []
    if settings.bots.store_secret is not None:
        # PyJWT takes a tenth of a second to import, and only those who need it wait for it.
        from controller.credentials.store import StoreTokens  # noqa: PLC0415

        issuers.append(StoreTokens(settings.bots.store_secret.get_secret_value(), clock.now))
    if settings.bots.gemini_ephemeral_tokens and settings.bots.google_api_key is not None:
        trust = ssl.create_default_context(cafile=variables.get(environment.SSL_CERT_FILE) or None)
        issuers.append(
            GeminiTokens(
                httpx.AsyncClient(verify=trust),
                settings.bots.google_api_key.get_secret_value(),
                settings.bots.google_gemini_base_url or GOOGLE_URL,
                clock.now,
            )
        )
    return Credentials(issuers)


def choose_rooms(settings: Settings, signer: Signer) -> Rooms:
    """Where callers and bots meet. Ends the program where the provider can't be used."""
    # A laptop with a copy of a cluster's secret is another place: it must not sweep up the cluster's rooms.
    place = f"{settings.runtime.kind} {settings.kubernetes.namespace} {settings.listeners.url_for_callers}"
    installation, *former = signer.installations(place)
    names = RoomNames(installation, tuple(former))
    if settings.rooms.kind == "livekit":
        # Its package is of no use to others: a twentieth of a second and 15 MB.
        from controller.rooms.livekit import LiveKitAccount, LiveKitRooms  # noqa: PLC0415

        account = LiveKitAccount(
            url=settings.livekit.url or "",
            public_url=settings.livekit.public_url or settings.livekit.url or "",
            key=settings.livekit.api_key or "",
            secret=settings.livekit.api_secret.get_secret_value() if settings.livekit.api_secret else "",
        )
        return LiveKitRooms(account, names, time.time, settings.rooms.hosts)
    if settings.rooms.kind == "daily":
        from controller.rooms.daily.rooms import DailyRooms  # noqa: PLC0415

        key = settings.daily.api_key.get_secret_value() if settings.daily.api_key else ""
        try:
            api = DailyApi(httpx.AsyncClient(), key, settings.daily.api_url or DAILY_API_URL)
        except DailyError as error:
            sys.exit(_complain(str(error)))
        return DailyRooms(api, names, time.time, settings.rooms.hosts)
    return WebRtcRooms(settings.listeners.url_for_callers, signer)


def run(server: Server) -> None:
    """Serve until a signal comes, or until that is of no use any more: then exit with an error."""
    server.run()
    if server.has_failed:
        sys.exit("podline: bots could not be followed any more, for the reason logged above. Start it again.")


def _complain(what: str) -> int:
    sys.stderr.write(f"podline: {what}\n")
    return EXIT_CONFIG_INVALID


if __name__ == "__main__":
    main()
