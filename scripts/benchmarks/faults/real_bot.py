"""One real bot: a process of the runner, and what its kubelet does to it.

What it used is in its own log; what was acknowledged is in the file of its final report, which it rewrites
after each acknowledgement.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.faults.lines import LineLog, read_lines
from scripts.benchmarks.faults.scripted_bot import Identity
from testing.processes import ROOT

BOT_FILE: Final = Path(__file__).with_name("pipecat_bot.py")
USED_FILE: Final = "FAULTS_USED_FILE"
"""The variable that names the bot's own log."""
LOOK_SECONDS: Final = 0.3
FINAL_REPORT: Final = "final-report.json"
USED: Final = "used.jsonl"
STAND_IN_ROOM: Final = {
    "PODLINE_TRANSPORT": "daily",
    "DAILY_ROOM_URL": "https://faults.test/room",
    "DAILY_TOKEN": "of-nobody",
}
"""For a session that has no room of Daily's."""
_INHERITED: Final = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")


@dataclass
class RealBot:
    """One bot's life. It has the methods of a `ScriptedBot`.

    Attributes:
        environment: its pod's.
        directory: what it writes.
        leave: writes its final report and exit code where its pod's kubelet finds them; returns False if the
            pod is gone.
        is_leaving: its process has ended.
    """

    identity: Identity
    environment: Mapping[str, str]
    directory: Path
    log: LineLog
    leave: Callable[[dict[str, Any] | None, int], Awaitable[bool]]
    life_seconds: float
    grace_seconds: float
    rng: random.Random
    is_leaving: bool = False
    _process: asyncio.subprocess.Process | None = None
    _end: tuple[str, dict[str, Any]] | None = None
    _is_terminated: bool = False
    _acked: int = 0
    _acked_usage: list[int] = field(default_factory=lambda: [0, 0, 0])
    _heard_at: float = field(default_factory=time.monotonic)
    _longest_silence: float = 0.0

    async def run(self) -> None:
        """Run its process until that ends. Cancelled, kill it."""
        self.directory.mkdir(parents=True)
        with (self.directory / "log").open("ab") as output:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "podline.runner"),
                cwd=ROOT, env=self._variables(), stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output,
                preexec_fn=_be_first,
            )  # fmt: skip
        self._note("started", pod=self.identity.pod, node=self.identity.node, real=True, pid=process.pid)
        following = asyncio.create_task(self._follow())
        self.shorten(self.life_seconds)
        if self._is_terminated:
            self._terminate()
        try:
            await process.wait()
            self.is_leaving = True
            self._end = await self._leave(process.returncode or 0)
        finally:
            self._kill()
            await process.wait()
            following.cancel()
            self._look()
            if self._end is not None:
                kind, fields = self._end
                self._note_end(kind, **fields)

    async def _leave(self, code: int) -> tuple[str, dict[str, Any]]:
        """Put the end of its process on its pod. Return the line of its end."""
        report = self.last_report()
        delivered = await self.leave(report, code if code >= 0 else 128 - code)
        if code == -signal.SIGKILL:
            return "grace_over", {}
        reason = f"exit code {code} without a final report"
        if report is not None and report.get("is_final", True):
            reason = report["reason"]
        return "ended", {"reason": reason, "delivered": delivered}

    def ask_to_leave(self, _why: str) -> None:
        """Send it a SIGTERM, and a SIGKILL after the grace period."""
        if not self._is_terminated:
            self._is_terminated = True
            if self._process is not None:
                self._terminate()

    def last_report(self) -> dict[str, Any] | None:
        """Return what the file of its final report contains."""
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.directory / FINAL_REPORT).read_bytes())
            return found
        return None

    def shorten(self, seconds: float) -> None:
        """Let its call end this much later: its caller hangs up, or it ends the call itself."""
        asyncio.get_running_loop().call_later(seconds, self._end_call)

    def note_end(self, kind: str, **fields: Any) -> None:
        """Have the bot write its end in this way, once its process is dead."""
        self._end = kind, fields

    def _terminate(self) -> None:
        self._signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(self.grace_seconds, self._kill)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _end_call(self) -> None:
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.write(self.rng.choice((b"leave\n", b"complete\n")))

    def _variables(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        room = {} if "DAILY_ROOM_URL" in self.environment else STAND_IN_ROOM
        own = {
            "PODLINE_BOT_FILE": str(BOT_FILE),
            "PODLINE_LAST_WORD": str(self.directory / FINAL_REPORT),
            USED_FILE: str(self.directory / USED),
        }
        return inherited | dict(self.environment) | room | own

    async def _follow(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        """Note what has been acknowledged since the last look."""
        report = self.last_report() or {}
        acked = report.get("acked") or 0
        if acked <= self._acked:
            return
        now = time.monotonic()
        self._longest_silence = max(self._longest_silence, now - self._heard_at)
        self._heard_at, self._acked = now, acked
        self._acked_usage = _usage_of(report["acked_totals"])
        self._note("acked", seq=self._acked, usage=self._acked_usage)

    def _note_end(self, kind: str, **fields: Any) -> None:
        silence = max(self._longest_silence, time.monotonic() - self._heard_at)
        self._note(
            kind, usage=self._used(), acked=self._acked_usage, seq=self._acked, silence=round(silence, 1),
            said=(self.last_report() or {}).get("reason", ""), **fields,
        )  # fmt: skip

    def _used(self) -> list[int]:
        used = [0, 0, 0]
        with suppress(FileNotFoundError):
            for line in read_lines(self.directory / USED):
                used = line["usage"]
        return used

    def _note(self, kind: str, **fields: Any) -> None:
        self.log.write(kind, launch=self.identity.launch, session=self.identity.session, **fields)


def _be_first() -> None:
    """Ignore a SIGTERM until there is a handler for it, as the first process of a container does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _usage_of(totals: Mapping[str, Any]) -> list[int]:
    models = totals.get("models", {}).values()
    return [
        totals.get("turns", 0),
        sum(each.get("prompt_tokens", 0) for each in models),
        sum(each.get("completion_tokens", 0) for each in models),
    ]


def real_processes(directory: Path) -> Iterator[str]:
    """Yield the processes of bots whose files are below a directory, and what they have started."""
    mark = f"PODLINE_LAST_WORD={directory}/".encode()
    for each in Path("/proc").glob("[0-9]*"):
        # It may have ended, or be somebody else's.
        with suppress(OSError):
            variables = (each / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(mark) for variable in variables):
                found = dict(variable.decode().partition("=")[::2] for variable in variables)
                yield f"{found.get('SESSION_ID', '')} (process {each.name})"
