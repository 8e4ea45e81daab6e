"""The parts that settings choose: runtime, rooms, keys, credentials, metrics and traces."""

from __future__ import annotations

import os
import secrets
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from prometheus_client import CollectorRegistry

from controller.core.agents import AgentEditor, Agents, Preflight
from controller.core.credentials import Credentials, Issuer
from controller.core.leadership import Leadership
from controller.core.primitives.clock import Clock, system_clock
from controller.core.rooms import Rooms
from controller.core.runtime import Runtime
from controller.core.secret_sets import SecretSets
from controller.core.tokens import Signer
from controller.core.tracing import Tracing, Untraced
from controller.core.warm import GivenTo
from controller.credentials.gemini import GOOGLE_URL, GeminiTokens
from controller.hosting import ConfigurationError, choose_hosting
from controller.observe.labels import Declared
from controller.observe.metrics import Metrics
from controller.observe.prices import InvalidPricesError, PriceList, read_prices
from controller.rooms.daily.api import DAILY_API_URL, DailyApi, DailyError
from controller.rooms.names import RoomNames
from controller.rooms.webrtc import WebRtcRooms
from controller.settings import Settings
from controller.web.auth import Identities, Key, read_keys
from podline.contract import environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that a controller is composed of.

    Attributes:
        keys: callers' keys; None if anybody on this machine may call.
        identities: verifies the identities that vouch for callers' names; None if there are none.
        agent_editor: changes agents that are deployed through the API.
        secret_sets: that agents name.
        preflight: what the bots of an agent lack.
        given_to: what stands for all that they are given besides its definition.
        leadership: decides which controller of several leads.
        why_unfit: returns why this one could not take over right now; None if it could.
        credentials: what each bot is issued for its own call.
    """

    agents: Agents
    agent_editor: AgentEditor
    secret_sets: SecretSets
    preflight: Preflight
    given_to: GivenTo
    leadership: Leadership
    why_unfit: Callable[[], str | None]
    runtime: Runtime
    rooms: Rooms
    signer: Signer
    clock: Clock
    metrics: Metrics
    tracing: Tracing
    credentials: Credentials
    keys: Sequence[Key] | None
    identities: Identities | None


def choose_parts(settings: Settings, variables: Mapping[str, str], directory: Path) -> Parts:
    """Make the parts that the settings name.

    Args:
        settings: of the controller.
        variables: all environment variables; local bots and the senders of traces read their own.
        directory: where local bots work; nothing in it is needed afterwards.

    Raises:
        ConfigurationError: a part can't be made as the settings describe it.
    """
    prices, keys, identities = _read_prices(settings), _read_keys(settings), choose_identities(settings)
    clock = system_clock()
    signer = choose_signer(settings)
    names = settings.metrics
    declared = Declared(tools=names.tools, models=names.models, services=names.services)
    metrics = Metrics(CollectorRegistry(), prices, declared)
    tracing = choose_tracing(variables)
    hosting = choose_hosting(settings, variables, directory, clock, metrics.registry, tracing)
    return Parts(
        agents=hosting.agents,
        agent_editor=hosting.editor,
        secret_sets=hosting.secret_sets,
        preflight=hosting.preflight,
        given_to=hosting.given_to,
        leadership=hosting.leadership,
        why_unfit=hosting.why_unfit,
        runtime=hosting.runtime,
        rooms=choose_rooms(settings, signer, hosting.runtime.installation_id),
        signer=signer,
        clock=clock,
        metrics=metrics,
        tracing=tracing,
        credentials=choose_credentials(settings, variables, clock),
        keys=keys,
        identities=identities,
    )


def choose_signer(settings: Settings) -> Signer:
    """Sign with the operator's secret, or with a random one that ends with this process."""
    access = settings.access
    secret = access.secret.get_secret_value() if access.secret else secrets.token_hex(32)
    return Signer(secret.encode(), *(each.get_secret_value().encode() for each in access.previous_secrets))


def choose_identities(settings: Settings) -> Identities | None:
    """Read the keys that verify signed identities."""
    access = settings.access
    if access.identity_keys_file is None:
        return None
    # Imports PyJWT and cryptography, so only if they are needed.
    from controller.web.identity import InvalidIdentityKeysError, SignedIdentities, read_identity_keys  # noqa: PLC0415

    try:
        keys = read_identity_keys(access.identity_keys_file)
    except (OSError, InvalidIdentityKeysError) as error:
        raise ConfigurationError(f"PODLINE_IDENTITY_KEYS_FILE: {error}.") from error
    return SignedIdentities(
        keys=keys, issuer=access.identity_issuer or "", audience=access.identity_audience or ""
    )


def choose_tracing(variables: Mapping[str, str]) -> Tracing:
    """Choose where spans go."""
    if not environment.traces_are_wanted(variables):
        return Untraced()
    if (problem := environment.why_no_traces(variables)) is not None:
        raise ConfigurationError(problem)
    # Imports OpenTelemetry's SDK and protobuf, so only if traces are wanted.
    from controller.observe.traces import traced  # noqa: PLC0415

    # The SDK reads only the environment.
    for name, value in variables.items():
        if name.startswith(environment.OTEL):
            os.environ.setdefault(name, value)
    try:
        return traced()
    except ValueError as error:
        raise ConfigurationError(f"{error}.") from error


def choose_credentials(settings: Settings, variables: Mapping[str, str], clock: Clock) -> Credentials:
    """Choose what each bot is issued for its own call, instead of secrets that all bots share."""
    bots = settings.bots
    issuers: list[Issuer] = []
    if bots.store_secret is not None:
        # PyJWT takes a tenth of a second to import, so it is imported only if needed.
        from controller.credentials.store import StoreTokens  # noqa: PLC0415

        issuers.append(StoreTokens(bots.store_secret.get_secret_value(), clock.now))
    if bots.gemini_ephemeral_tokens and bots.google_api_key is not None:
        trust = ssl.create_default_context(cafile=variables.get(environment.SSL_CERT_FILE) or None)
        issuers.append(
            GeminiTokens(
                httpx.AsyncClient(verify=trust),
                bots.google_api_key.get_secret_value(),
                bots.google_gemini_base_url or GOOGLE_URL,
                clock.now,
            )
        )
    return Credentials(issuers)


def choose_rooms(settings: Settings, signer: Signer, installation_id: Callable[[], str]) -> Rooms:
    """Choose where callers and bots meet. `installation_id` is known before the first room is created."""
    names = RoomNames(installation_id)
    if settings.rooms.kind == "livekit":
        # Its package costs a twentieth of a second and 15 MB, so it is imported only if needed.
        from controller.rooms.livekit import LiveKitAccount, LiveKitRooms  # noqa: PLC0415

        livekit = settings.livekit
        account = LiveKitAccount(
            url=livekit.url or "",
            public_url=livekit.public_url or livekit.url or "",
            key=livekit.api_key or "",
            secret=livekit.api_secret.get_secret_value() if livekit.api_secret else "",
        )
        return LiveKitRooms(account, names, time.time, settings.rooms.hosts)  # noqa: TID251 - LiveKit dates its rooms
    if settings.rooms.kind == "daily":
        from controller.rooms.daily.rooms import DailyRooms  # noqa: PLC0415

        key = settings.daily.api_key.get_secret_value() if settings.daily.api_key else ""
        try:
            api = DailyApi(httpx.AsyncClient(), key, settings.daily.api_url or DAILY_API_URL)
        except DailyError as error:
            raise ConfigurationError(str(error)) from error
        return DailyRooms(api, names, time.time, settings.rooms.hosts)  # noqa: TID251 - likewise Daily
    return WebRtcRooms(settings.listeners.url_for_callers, signer)


def _read_prices(settings: Settings) -> PriceList | None:
    path = settings.metrics.prices_file
    if path is None:
        return None
    try:
        return read_prices(path)
    except InvalidPricesError as error:
        raise ConfigurationError(f"PODLINE_PRICES_FILE: {error}") from error


def _read_keys(settings: Settings) -> Sequence[Key] | None:
    path = settings.access.keys_file
    if path is None:
        return None
    try:
        return read_keys(path)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"PODLINE_KEYS_FILE: {error}.") from error
