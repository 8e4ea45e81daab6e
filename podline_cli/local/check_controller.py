"""Checks of a controller by its API: reachable, ready, its clock, the key, the agents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx
from pydantic import BaseModel, ValidationError

from podline_cli.answers import AgentListAnswer, DrainAnswer, SessionAnswer
from podline_cli.client import Client
from podline_cli.connection import SessionPageAnswer, session_path
from podline_cli.errors import CommandError
from podline_cli.local.findings import Finding, failed, ok, skipped, warning
from podline_cli.problems import RefusedError, unreachable
from podline_cli.target import ChosenController
from podline_cli.text import SafeText
from podline_cli.urls import is_loopback

_SECONDS: Final = 5.0
_CLOCK_WARNS: Final = 5
_CLOCK_FAILS: Final = 60
"""Seconds by which the clocks differ."""

_NO_SESSION: Final = "podline-doctor"
_PROBES: Final = {
    "start": ("POST", "/v1/sessions"),
    "read": ("GET", "/v1/agents"),
    "stop": ("DELETE", session_path(_NO_SESSION)),
    "admin": ("PUT", "/v1/agents/podline-doctor"),
}
"""A request for each scope that changes nothing: a session needs a user, an agent needs files, and no session
has this id."""


class Probe(BaseModel):
    """What a controller's probe answers."""

    detail: SafeText = ""


_DRAINING: Final = warning(
    "ready",
    "The controller is ready, and starts no sessions because it is draining.",
    "Run `podline drain --off` once that is over.",
)


def check_controller(client: Client) -> Iterator[Finding]:
    """Yield what is found of the controller; without an answer nothing else is checked."""
    try:
        response = _get(client.target, "/livez")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield _unreachable(client.target, error)
        return
    yield ok("controller", f"{client.target.url} ({client.target.source}) answers.")
    yield _clock(response)
    yield _readiness(client)
    yield from _key_and_agents(client)


def _get(target: ChosenController, path: str) -> httpx.Response:
    with httpx.Client(
        base_url=target.url, timeout=_SECONDS, follow_redirects=False, trust_env=not is_loopback(target.url)
    ) as http:
        return http.get(path)


def _unreachable(target: ChosenController, error: Exception) -> Finding:
    what, remedy = _parts(unreachable(error, target))
    if target.context is None and is_loopback(target.url):
        return warning(
            "controller",
            what,
            "Start one on this machine with `podline dev`, or name yours with "
            "`podline context set NAME --url URL`.",
        )
    return failed("controller", what, remedy)


def _parts(error: CommandError) -> tuple[str, str]:
    """Return what happened and what to do, each as a sentence of its own."""
    what, _, remedy = str(error).rpartition(": ")
    return f"{what}.", f"{remedy[:1].upper()}{remedy[1:]}"


def _clock(response: httpx.Response) -> Finding:
    try:
        # A date in GMT has no zone of its own in some of the forms that HTTP allows.
        theirs = parsedate_to_datetime(response.headers.get_list("date")[-1]).replace(tzinfo=UTC)
    except (IndexError, ValueError):
        return skipped("clock", "The answer has no date.")
    seconds = abs((datetime.now(UTC) - theirs).total_seconds())
    words = f"This machine's clock and the controller's differ by {seconds:.0f} s."
    remedy = "Set both by NTP: with a wrong clock, signed identities and TURN passwords are refused."
    if seconds > _CLOCK_FAILS:
        return failed("clock", words, remedy)
    return warning("clock", words, remedy) if seconds > _CLOCK_WARNS else ok("clock", words)


def _is_draining(client: Client) -> bool:
    """Return whether an operator has the controller start no sessions, as far as the key may read that."""
    try:
        return client.parse(DrainAnswer, client.get("/v1/drain")).draining
    except CommandError:
        return False


def _readiness(client: Client) -> Finding:
    try:
        response = _get(client.target, "/readyz")
        detail = Probe.model_validate_json(response.content).detail
    except (httpx.HTTPError, ValidationError):
        return failed(
            "ready", "/readyz doesn't answer as a controller's does.", "Check the controller's URL."
        )
    if response.status_code == HTTPStatus.OK:
        return ok("ready", "Sessions can be started.") if not _is_draining(client) else _DRAINING
    return failed("ready", detail or "No session can be started.", "Read the controller's log for the cause.")


def _key_and_agents(client: Client) -> Iterator[Finding]:
    allowed: list[str] = []
    refused: list[str] = []
    for scope in _PROBES:
        try:
            (allowed if _may(client, scope) else refused).append(scope)
        except CommandError as error:
            yield failed("key", *_parts(error))
            return
    whose = "The key" if client.target.key is not None else "A request without a key"
    if refused:
        yield warning(
            "key",
            f"{whose} may {_listed(allowed)}, and not {_listed(refused)}.",
            "Commands that need more name the scope; docs/keys.md says how to add one.",
        )
    else:
        yield ok("key", f"{whose} may {_listed(allowed)}.")
    if "read" in allowed:
        yield from _agents(client)


def _may(client: Client, scope: str) -> bool:
    """Return whether a scope is allowed.

    Raises:
        CommandError: The key is not accepted at all, or the controller can't say.
    """
    method, path = _PROBES[scope]
    try:
        match method:
            case "GET":
                client.get(path)
            case "POST":
                client.post(path, {})
            case "PUT":
                client.put(path, {})
            case _:
                client.delete(path)
    except RefusedError as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise
        return error.status != HTTPStatus.FORBIDDEN
    return True


def _agents(client: Client) -> Iterator[Finding]:
    try:
        agents = client.parse(AgentListAnswer, client.get("/v1/agents")).agents
    except CommandError as error:
        yield failed("agents", str(error), "Install the release of podline that the controller runs.")
        return
    broken = [each for each in agents if each.problem is not None]
    for each in broken:
        say = failed if each.version is None else warning
        serves = "It takes no calls." if each.version is None else "An earlier version serves."
        yield say("agents", f"{each.name}: {serves}", each.problem or "")
    if not agents:
        yield warning("agents", "There are no agents.", "Deploy one with `podline deploy DIR`.")
    elif not broken:
        yield ok("agents", f"No agent has a problem: {', '.join(each.name for each in agents)}.")


def check_remote_rooms(client: Client) -> Finding:
    """Name the room provider of a controller elsewhere, whose settings only its calls show."""
    try:
        page = client.parse(SessionPageAnswer, client.get("/v1/sessions", {"limit": 1}))
        provider = client.parse(SessionAnswer, page.sessions[0]).room.provider
    except (CommandError, IndexError):
        return skipped("rooms", "Only a call shows how this controller's callers and bots meet.")
    if provider != "webrtc" or is_loopback(client.target.url):
        return ok("rooms", f"The latest call used {provider}.")
    return warning(
        "turn",
        "Callers and bots meet directly (webrtc), for which many networks need a TURN server.",
        "Make sure that the controller has PODLINE_ICE_SERVERS with one: docs/network.md.",
    )


def _listed(words: list[str]) -> str:
    return ", ".join(words) if words else "nothing"
