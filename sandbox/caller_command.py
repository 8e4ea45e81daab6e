"""The command `python -m sandbox.caller`: one scripted call, and an account of how it went."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn, TextIO

import aiohttp

from sandbox.caller import Caller, joined
from sandbox.caller_signalling import CallFailedError, RoomAddress, start_session
from sandbox.voice import Voice

KEY_VARIABLE: Final = "PODLINE_KEY"
_RECORD_TRIES: Final = 5
_RECORD_PAUSE: Final = 0.5
"""A bot leaves a moment before its end is on record."""
_ANSWER: Final = aiohttp.ClientTimeout(total=5)
_GONE: Final = "The controller no longer answers."


@dataclass(frozen=True)
class Script:
    """What to do in a call, and with whom.

    Attributes:
        session: the id and room of a session that was started elsewhere; None to start one.
        needs_record: True if the record of a call that went well is wanted, too; it comes a moment later.
    """

    base_url: str
    sentences: Sequence[str] = ()
    agent: str | None = None
    livekit_url: str | None = None
    key: str | None = field(default=None, repr=False)
    session: tuple[str, RoomAddress] | None = None
    needs_record: bool = False


@dataclass
class CallReport:
    """How a call went.

    Attributes:
        session_id: None if no session was started.
        caller: None if no call was made.
        failure: what went wrong, as a sentence; None if nothing.
        record: the session as the controller has it at the end; None if it can't be read.
        remark: how the session ended by its record, or where to look.
    """

    session_id: str | None = None
    caller: Caller | None = None
    failure: CallFailedError | None = None
    record: dict[str, Any] | None = None
    remark: str = ""

    def as_text(self) -> str:
        """Return the account of a call that did not fail."""
        account = [] if self.caller is None else self.caller.account()
        return "\n".join([f"session {self.session_id}", *account])

    def as_json(self) -> str:
        entries = [] if self.caller is None else self.caller.entries()
        shown = {
            "session_id": self.session_id,
            "account": [{"at": round(at, 2), "line": line} for at, line in entries],
            "failure": None if self.failure is None else self.failure.sentence,
            "remark": self.remark,
            "session": self.record,
        }
        return json.dumps(shown, ensure_ascii=False, indent=2)


@dataclass
class _Records:
    """Reads the record of one session."""

    http: aiohttp.ClientSession
    url: str
    key: str | None = field(repr=False)

    async def read(self) -> dict[str, Any]:
        """Return the record; empty if it can't be read with our key.

        Raises:
            aiohttp.ClientConnectionError: The controller does not answer.
            TimeoutError: Likewise.
        """
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        async with self.http.get(self.url, headers=headers, timeout=_ANSWER) as response:
            if not response.ok:
                return {}
            try:
                record = await response.json(content_type=None)
            except ValueError:
                # A proxy's page, for example.
                return {}
            return record if isinstance(record, dict) else {}

    async def is_over(self) -> bool:
        """Return whether the session has ended, or its controller is gone."""
        try:
            return (await self.read()).get("reason") is not None
        except (aiohttp.ClientConnectionError, TimeoutError):
            return True

    async def conclude(self, report: CallReport) -> None:
        """Add to the report how the session ended, or where to look."""
        for _ in range(_RECORD_TRIES):
            try:
                record = await self.read()
            except (aiohttp.ClientConnectionError, TimeoutError):
                report.remark = _GONE
                return
            if record.get("reason") is not None:
                report.record = record
                report.remark = f"On the session's record: {record['reason']}. {record['message']}"
                return
            await asyncio.sleep(_RECORD_PAUSE)
        report.remark = f"The session's record may say why: {self.url}"


async def converse(script: Script) -> CallReport:
    """Make the call, and return how it went.

    Raises:
        CallFailedError: No session was started.
        aiohttp.ClientError: Likewise.
    """
    report = CallReport()
    async with aiohttp.ClientSession() as http:
        if script.session is None:
            _say_step(f"Starting a session at {script.base_url} ...")
            report.session_id, room = await start_session(
                http, script.base_url, key=script.key, agent=script.agent
            )
        else:
            report.session_id, room = script.session
        _say_step(f"Session {report.session_id}: waiting for the bot ...")
        records = _Records(http, f"{script.base_url}/v1/sessions/{report.session_id}", script.key)
        try:
            if room.provider == "livekit" and script.livekit_url is not None:
                room = replace(room, url=script.livekit_url)
            async with joined(http, room, Voice(), records.is_over) as caller:
                report.caller = caller
                await _follow(script, caller)
        except CallFailedError as error:
            report.failure = error
        if report.failure is not None or script.needs_record:
            await records.conclude(report)
    return report


async def _follow(script: Script, caller: Caller) -> None:
    await caller.hears_bot()
    _say_step("The bot speaks ...")
    await caller.bot_quiet()
    for sentence in script.sentences:
        if caller.bot_left:
            raise CallFailedError(f'the bot left before the caller said "{sentence}"', caller.account())
        _say_step(f"Saying: {sentence} ...")
        await caller.say(sentence)
        await caller.hears_bot()
        _say_step("The bot answers ...")
        await _hear_out(caller, may_leave=sentence is script.sentences[-1])


async def _hear_out(caller: Caller, *, may_leave: bool) -> None:
    """Wait until the bot is silent. It may leave meanwhile, as after a goodbye."""
    try:
        await caller.bot_quiet()
    except CallFailedError:
        if not (may_leave and caller.bot_left):
            raise


def _say_step(step: str) -> None:
    sys.stderr.write(f"{step}\n")
    sys.stderr.flush()


def main() -> None:
    options = _parser().parse_args()
    script = Script(
        base_url=options.url.rstrip("/"),
        sentences=options.say,
        agent=options.agent,
        livekit_url=options.livekit,
        key=os.environ.get(KEY_VARIABLE) or None,
        session=_read_session(sys.stdin) if options.session else None,
        needs_record=options.json,
    )
    try:
        report = asyncio.run(converse(script))
    except KeyboardInterrupt:
        if not options.session:
            _say_step("\rInterrupted.")
        sys.exit(130)
    except aiohttp.ClientConnectorError:
        sys.exit(f"Nothing answers at {options.url}: start scripts/demo, or correct the address.")
    except (CallFailedError, aiohttp.ClientError) as error:
        sys.exit(f"The call failed: {error}")
    _print_and_exit(report, as_json=options.json)


def _read_session(source: TextIO) -> tuple[str, RoomAddress]:
    session = json.load(source)
    room = session["room"]
    return session["id"], RoomAddress(room["url"], room["token"], room["provider"])


def _print_and_exit(report: CallReport, *, as_json: bool) -> NoReturn:
    if as_json:
        sys.stdout.write(f"{report.as_json()}\n")
    elif report.failure is None:
        sys.stdout.write(f"{report.as_text()}\n")
    if report.failure is not None and not as_json:
        _say_step(f"The call failed: {report.failure}\n{report.remark}")
    sys.stdout.flush()
    # Threads of aiortc and LiveKit's client that outlast the call hold up or abort a process on its way out.
    os._exit(0 if report.failure is None else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.caller",
        description="Call a bot and print how the call went.",
        epilog=f"If {KEY_VARIABLE} is set, requests carry this key of the controller's.",
    )
    parser.add_argument("url", help="the controller's URL, such as http://127.0.0.1:7860")
    parser.add_argument(
        "--say",
        action="append",
        default=[],
        metavar="SENTENCE",
        help="a sentence to say; repeat the option for more sentences",
    )
    parser.add_argument(
        "--agent", metavar="NAME", help="the agent to call (default: the controller's default agent)"
    )
    parser.add_argument(
        "--livekit",
        metavar="URL",
        help="LiveKit's URL as seen from this machine, if it differs from the one that callers get",
    )
    parser.add_argument(
        "--session",
        action="store_true",
        help="call in a session that was started elsewhere, read from standard input as the API returned it",
    )
    parser.add_argument("--json", action="store_true", help="print the account and the session as JSON")
    return parser
