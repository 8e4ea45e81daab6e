"""Checks of this machine: what a bot here needs, and what `podline dev` needs."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from podline.contract import environment
from podline_cli.local.bots import LocalBot, python_of
from podline_cli.local.findings import Finding, failed, ok, skipped, warning
from podline_cli.local.ports import is_free
from podline_cli.urls import is_loopback

_GOOGLE: Final = "https://generativelanguage.googleapis.com"
_SECONDS: Final = 10.0
_PYTHON: Final = (3, 11)
_PIPECAT: Final = (1, 10)
_NEEDED_GB: Final = 0.2
_WANTED_GB: Final = 2.0
_VERSIONS: Final = (
    "import json, sys\n"
    "from importlib.metadata import PackageNotFoundError, version\n"
    "try:\n    pipecat = version('pipecat-ai')\n"
    "except PackageNotFoundError:\n    pipecat = None\n"
    "print(json.dumps({'python': list(sys.version_info[:3]), 'pipecat': pipecat}))\n"
)


def check_model(settings: Mapping[str, str]) -> Finding:
    """Ask for one model with the key, which costs nothing; the key itself is never shown."""
    key = settings.get(environment.GOOGLE_API_KEY, "").strip()
    if not key:
        return skipped("model", "GOOGLE_API_KEY is set neither in .env nor in the environment.")
    base = settings.get(environment.GOOGLE_GEMINI_BASE_URL, "").strip().rstrip("/") or _GOOGLE
    certificate = settings.get(environment.SSL_CERT_FILE, "").strip()
    try:
        context = ssl.create_default_context(cafile=certificate or None)
        with httpx.Client(timeout=_SECONDS, verify=context, trust_env=not is_loopback(base)) as http:
            response = http.get(
                f"{base}/v1beta/models", params={"pageSize": 1}, headers={"x-goog-api-key": key}
            )
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        return failed(
            "model",
            f"The model's server {base} can't be reached ({type(error).__name__}).",
            "Check the network, HTTPS_PROXY, and GOOGLE_GEMINI_BASE_URL if it is set.",
        )
    if response.status_code == HTTPStatus.OK:
        return ok("model", f"{base} accepts GOOGLE_API_KEY.")
    if response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return failed(
            "model",
            f"{base} refuses GOOGLE_API_KEY ({response.status_code}).",
            "Make another key at https://aistudio.google.com/apikey, and put it into .env.",
        )
    return warning(
        "model",
        f"{base} answers {response.status_code}, which says nothing about GOOGLE_API_KEY.",
        "Run this again in a minute; if it stays so, check GOOGLE_GEMINI_BASE_URL.",
    )


def check_rooms(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Check the room provider of a controller that starts here, and TURN if it has callers from elsewhere."""
    match settings.get("PODLINE_ROOMS", "").strip() or "webrtc":
        case "livekit":
            yield _livekit(settings)
        case "daily":
            yield _daily(settings)
        case "webrtc":
            yield ok("rooms", "Callers and bots meet directly (webrtc), without a provider.")
            yield _turn(settings)
        case _:
            yield failed(
                "rooms", "PODLINE_ROOMS is not a kind of rooms.", "Set it to webrtc, livekit or daily."
            )


def check_bot(bot: LocalBot | None) -> Finding:
    """Check the versions of the interpreter that would run the bot here."""
    python = sys.executable if bot is None else python_of(bot)
    whose = "this command's Python" if bot is None else f"the Python of {bot.file.name}"
    versions = _versions(python)
    if versions is None:
        return failed("bot", f"{python} can't be run.", "Install it, or correct `python` in podline.toml.")
    found, pipecat = tuple(versions["python"]), versions["pipecat"]
    shown = ".".join(map(str, found))
    if found[:2] < _PYTHON:
        return failed("bot", f"{whose} is {shown}.", "Use Python 3.11 or later.")
    if pipecat is None:
        words = f"Pipecat is not installed for {whose} ({shown})."
        if bot is None:
            return skipped("bot", words)
        return failed("bot", words, "Install it there: `pip install 'pipecat-ai[google,webrtc]'`.")
    if _numbers(pipecat) < _PIPECAT:
        return failed("bot", f"{whose} ({shown}) has Pipecat {pipecat}.", "Install Pipecat 1.10 or later.")
    return ok("bot", f"{whose} is {shown}, with Pipecat {pipecat}.")


def check_dev(port: str | None) -> Iterator[Finding]:
    """Check what `podline dev` needs of the machine; without a port, a controller runs there already."""
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    words = f"{free:.1f} GB are free in {tempfile.gettempdir()}."
    remedy = "Free some space, or set TMPDIR to another disk."
    if free < _NEEDED_GB:
        yield failed("disk", words, remedy)
    else:
        yield warning("disk", words, remedy) if free < _WANTED_GB else ok("disk", words)
    if port is None:
        return
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        yield failed("port", "PODLINE_PORT is not a port number.", "Set it to a number from 1 to 65535.")
    elif is_free(port):
        yield ok("port", f"Port {port} is free for `podline dev`.")
    else:
        yield warning("port", f"Port {port} is in use.", "Use `podline dev --port 7861`.")


def _livekit(settings: Mapping[str, str]) -> Finding:
    needed = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    if missing := [name for name in needed if not settings.get(name)]:
        return failed("rooms", f"LiveKit needs {' and '.join(missing)}.", "Set what is missing in .env.")
    url = settings["LIVEKIT_URL"].replace("ws", "http", 1)
    return _server("rooms", "LiveKit", url, {})


def _daily(settings: Mapping[str, str]) -> Finding:
    key = settings.get("DAILY_API_KEY", "").strip()
    if not key:
        return failed("rooms", "Daily needs DAILY_API_KEY.", "Set it in .env: dashboard.daily.co/developers.")
    base = settings.get("DAILY_API_URL", "").strip().rstrip("/") or "https://api.daily.co/v1"
    return _server("rooms", "Daily", f"{base}/rooms?limit=1", {"Authorization": f"Bearer {key}"})


def _server(check: str, name: str, url: str, headers: Mapping[str, str]) -> Finding:
    try:
        with httpx.Client(timeout=_SECONDS, trust_env=not is_loopback(url)) as http:
            response = http.get(url, headers=dict(headers))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return failed(
            check, f"{name}'s server can't be reached ({type(error).__name__}).", "Check its address in .env."
        )
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return failed(check, f"{name} refuses the key ({response.status_code}).", "Correct the key in .env.")
    return ok(check, f"{name}'s server answers.")


def _turn(settings: Mapping[str, str]) -> Finding:
    servers = settings.get("PODLINE_ICE_SERVERS", "")
    listens = settings.get("PODLINE_HOST", "").strip() or "127.0.0.1"
    if "turn" in servers:
        if "turn:" in servers and not settings.get("PODLINE_TURN_SECRET"):
            return warning(
                "turn",
                "There is a TURN server, but no PODLINE_TURN_SECRET.",
                "Set it to the server's static-auth-secret, or callers get no passwords for it.",
            )
        return ok("turn", "A TURN server is set.")
    if is_loopback(f"http://{listens}"):
        return skipped("turn", "Callers on this machine need no TURN server.")
    return warning(
        "turn",
        "No TURN server is set, so callers behind strict firewalls hear nothing.",
        "Set PODLINE_ICE_SERVERS and PODLINE_TURN_SECRET, or use rooms of LiveKit or Daily.",
    )


def _versions(python: str) -> dict[str, Any] | None:
    try:
        done = subprocess.run(  # noqa: S603 - the bot's own interpreter
            [python, "-c", _VERSIONS], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        versions: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return versions


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
