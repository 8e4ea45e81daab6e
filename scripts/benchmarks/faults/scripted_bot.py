"""One scripted bot: it speaks the channel as a bot of ours does, and writes down what it did.

Batches keep their events until they are acknowledged, and are sent again under the same number; totals are
cumulative. Its log is the truth that records are compared with.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from scripts.benchmarks.faults.lines import LineLog

MODEL: Final = "scripted"
REQUEST_SECONDS: Final = 5.0
POLL_SECONDS: Final = 35.0
FLUSH_SECONDS: Final = 2.0
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
"""As in podline.runner.channel.client."""

REFUSED: Final = (401, 409)
OWN_REASONS: Final = {"completed": 0, "caller_left": 0, "idle": 0, "model_lost": 69, "crashed": 1}
"""Reasons that bots have for ending by themselves, and their exit codes."""
_WEIGHTS: Final = (10, 8, 2, 1, 1)


@dataclass(frozen=True)
class Identity:
    """What its pod gives a bot."""

    launch: str
    session: str
    pod: str
    node: str
    url: str
    token: str


@dataclass
class ScriptedUsage:
    """What it has used: turns, and tokens both ways."""

    turns: int = 0
    prompt: int = 0
    completion: int = 0

    def plus(self, events: list[dict[str, Any]]) -> ScriptedUsage:
        tokens = [each["tokens"] for each in events if each["type"] == "tokens"]
        return ScriptedUsage(
            self.turns + sum(each["type"] == "turn" for each in events),
            self.prompt + sum(each["prompt_tokens"] for each in tokens),
            self.completion + sum(each["completion_tokens"] for each in tokens),
        )

    def as_totals(self) -> dict[str, Any]:
        tokens = {"prompt_tokens": self.prompt, "completion_tokens": self.completion}
        return {"turns": self.turns, "models": {MODEL: tokens} if self.prompt else {}}

    def as_list(self) -> list[int]:
        return [self.turns, self.prompt, self.completion]


@dataclass
class ScriptedBot:
    """One bot's life.

    Attributes:
        leave: writes its final report and exit code where its pod's kubelet finds them; returns False if the
            pod is gone.
        is_leaving: it has nothing left to do but that.
    """

    identity: Identity
    http: aiohttp.ClientSession
    log: LineLog
    leave: Callable[[dict[str, Any], int], Awaitable[bool]]
    life_seconds: float
    report_seconds: float
    rng: random.Random
    born: float = field(default_factory=time.monotonic)
    totals: ScriptedUsage = field(default_factory=ScriptedUsage)
    acked_totals: ScriptedUsage = field(default_factory=ScriptedUsage)
    heard_at: float = field(default_factory=time.monotonic)
    is_leaving: bool = False
    _pending: list[dict[str, Any]] = field(default_factory=list)
    _batch: list[dict[str, Any]] | None = None
    _seq: int = 1
    _acked: int = 0
    _longest_silence: float = 0.0
    _is_refused: bool = False
    _last_report: dict[str, Any] | None = None
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _why: str = ""

    async def run(self) -> None:
        """Talk until the end of its life, or until it is asked to leave; then say goodbye."""
        self._note("started", pod=self.identity.pod, node=self.identity.node)
        workers = [asyncio.create_task(self._report()), asyncio.create_task(self._poll())]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.life_seconds):
                    await self._asked.wait()
        finally:
            for each in workers:
                each.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        reason = self._why or self.rng.choices(list(OWN_REASONS), _WEIGHTS)[0]
        await self._flush()
        self.is_leaving = True
        delivered = await self.leave(self._final_report(reason), OWN_REASONS.get(reason, 0))
        self.note_end("ended", reason=reason, delivered=delivered)

    def ask_to_leave(self, why: str) -> None:
        """Let it say goodbye: `terminated` after a SIGTERM, `stopped` after a message."""
        self._why = self._why or why
        self._asked.set()

    def last_report(self) -> dict[str, Any] | None:
        """Return what the file of its final report contains during the call."""
        return self._last_report

    def shorten(self, seconds: float) -> None:
        """End for a reason of its own, this much later."""
        asyncio.get_running_loop().call_later(seconds, self._asked.set)

    def note_end(self, kind: str, **fields: Any) -> None:
        """Write what it used, what of that was acknowledged, and how long it heard nothing."""
        silence = max(self._longest_silence, time.monotonic() - self.heard_at)
        self._note(
            kind, usage=self.totals.as_list(), acked=self.acked_totals.as_list(), seq=self._acked,
            silence=round(silence, 1), last_silence=round(time.monotonic() - self.heard_at, 1), **fields,
        )  # fmt: skip

    def _note(self, kind: str, **fields: Any) -> None:
        self.log.write(kind, launch=self.identity.launch, session=self.identity.session, **fields)

    async def _report(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._is_refused:
            self._talk()
            if await self._send_report():
                pause = FIRST_PAUSE_SECONDS
                await asyncio.sleep(self.report_seconds * self.rng.uniform(0.8, 1.2))
            else:
                await asyncio.sleep(pause * self.rng.uniform(0.5, 1))
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _talk(self) -> None:
        tokens = {"prompt_tokens": self.rng.randint(50, 900), "completion_tokens": self.rng.randint(5, 90)}
        used = {"type": "tokens", "model": MODEL, "tokens": tokens}
        events: list[dict[str, Any]] = [{"type": "turn"}, used]
        self._pending += events
        self.totals = self.totals.plus(events)

    async def _send_report(self) -> bool:
        if self._batch is None:
            self._batch, self._pending = self._pending[:100], self._pending[100:]
        body = {
            "seq": self._seq,
            "acked": self._acked,
            "events": self._batch,
            "totals": self.totals.as_totals(),
            "timeline": self._timeline(),
        }
        status, answer = await self._ask("POST", "reports", REQUEST_SECONDS, body)
        if status == 200 and answer.get("ack", 0) >= self._seq:
            self.acked_totals = self.acked_totals.plus(self._batch)
            self._acked, self._batch = self._seq, None
            self._seq += 1
            self._last_report = {**self._final_report("running"), "message": "", "is_final": False}
            self._note("acked", seq=self._acked, usage=self.acked_totals.as_list())
            return True
        if status in (413, 422):
            self._note("refused_batch", status=status, answer=answer)
            self._batch = None
            self._seq += 1
        return False

    async def _poll(self) -> None:
        after, pause = "", FIRST_PAUSE_SECONDS
        while not self._is_refused:
            query = f"?after={after}" if after else ""
            status, page = await self._ask("GET", f"inbox{query}", POLL_SECONDS)
            if status != 200:
                await asyncio.sleep(pause * self.rng.uniform(0.5, 1))
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
                continue
            pause = FIRST_PAUSE_SECONDS
            for message in page.get("messages", []):
                after = message["id"]
                if message["type"] == "stop":
                    self._note("stop_heard")
                    self.ask_to_leave("stopped")
                await self._ask("POST", f"inbox/{after}", REQUEST_SECONDS, {"body": {}})

    async def _flush(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while not self._is_refused and not await self._send_report():  # noqa: ASYNC110 - a retry
                    await asyncio.sleep(FIRST_PAUSE_SECONDS)

    async def _ask(
        self, method: str, path: str, within: float, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        """Status 0 stands for no answer."""
        url = f"{self.identity.url}/internal/launches/{self.identity.launch}/{path}"
        headers = {"Authorization": f"Bearer {self.identity.token}"}
        limit = aiohttp.ClientTimeout(total=within)
        try:
            async with self.http.request(method, url, json=body, headers=headers, timeout=limit) as answer:
                found = await answer.json(content_type=None) if answer.status < 500 else {}
                if answer.status in REFUSED:
                    self._refused(answer.status)
                elif answer.status < 500:
                    now = time.monotonic()
                    self._longest_silence = max(self._longest_silence, now - self.heard_at)
                    self.heard_at = now
                return answer.status, found or {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, {}

    def _refused(self, status: int) -> None:
        if not self._is_refused:
            self._is_refused = True
            self._note("refused", status=status)
            self.ask_to_leave("terminated")

    def _timeline(self) -> dict[str, float]:
        up = time.monotonic() - self.born
        return {"now": up + 1.0, "process_up": 0.5, "joined": 0.9, "caller_joined": 0.95}

    def _final_report(self, reason: str) -> dict[str, Any]:
        return {
            "reason": reason,
            "message": f"The bot says: {reason}.",
            "totals": self.totals.as_totals(),
            "acked_totals": self.acked_totals.as_totals(),
            "timeline": self._timeline(),
            "acked": self._acked,
        }
