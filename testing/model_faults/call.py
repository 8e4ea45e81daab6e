"""One call whose model misbehaves: what the caller asks and hears, when, and what is on record."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import CallFailedError, RoomAddress
from sandbox.voice import Voice
from testing.processes import ROOT, ended_session, eventually

MUTE_SECONDS: Final = 12
"""`PODLINE_MUTE_SECONDS` of these calls: half of it must be enough for another connection and its answer, on
a machine that has other calls to hold."""
SLACK_SECONDS: Final = 6.0
"""What a loaded machine and the end of a call may add to the bound; only a hang adds more."""
PATIENCE_SECONDS: Final = MUTE_SECONDS + SLACK_SECONDS
GREETING: Final = "Hello from the shop."
STARTING_SECONDS: Final = 90.0
"""How long a call waits for others to end while a used-up quota lets fewer begin."""
QUIET_SECONDS: Final = 1.0
_LOG_LINES: Final = 80

_EVENTS: Final = {
    "turn unanswered": "turn unanswered: {cause}",
    "answer requested again": "answer requested again",
    "model reconnected": "model reconnected, resumed: {resumed}",
    "conversation given to the model again": "conversation given to the model again",
}
"""The bot's log events of the model, and how they are shown."""

Session = dict[str, Any]


def site_variables(personas: Path) -> dict[str, str]:
    """Return the variables that the controller of such calls needs."""
    return {"PODLINE_PERSONAS": str(personas), "PODLINE_MUTE_SECONDS": str(MUTE_SECONDS)}


@dataclass(frozen=True)
class FaultSite:
    """Where such calls are made.

    Attributes:
        controller: The controller's API.
        control: The sandbox's API for what happened and what is to go wrong.
        personas: The directory of the controller's personas.
        voice: What callers speak with.
        callers: What their names begin with: no two sites of one sandbox may share it.
    """

    controller: httpx.AsyncClient
    control: httpx.AsyncClient
    personas: Path
    voice: Voice
    callers: str = "caller"


@dataclass
class Wait:
    """A time in which the caller waits for the bot's voice.

    Attributes:
        what: What they wait for.
        since: When they stopped speaking, wrote or joined.
        sound_at: When the first audible sound after that began.
        end_at: When they learned that the call is over instead.
    """

    what: str
    since: float
    sound_at: float | None = None
    end_at: float | None = None

    @property
    def seconds(self) -> float:
        """How long they waited, until now if they still do."""
        moments = [at for at in (self.sound_at, self.end_at) if at is not None]
        return min(moments, default=time.monotonic()) - self.since

    @property
    def is_too_long(self) -> bool:
        return self.seconds > PATIENCE_SECONDS

    def __str__(self) -> str:
        came = (
            "sound" if self.sound_at is not None else "nothing" if self.end_at is None else "the call's end"
        )
        return f"{self.what}: {came} after {self.seconds:.2f} s"


@dataclass
class FaultyCall:
    """A call, its caller, and what can be done in it.

    The faults that it orders meet no other call: its persona's instructions hold its name, and the sandbox
    goes by those, over all connections to the model.
    """

    site: FaultSite
    name: str
    waits: list[Wait] = field(default_factory=list)
    session: Session = field(default_factory=dict)
    model: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""
    caller: Caller = field(init=False)
    _products: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(3))

    @property
    def mark(self) -> str:
        """What is in the instructions of this call's model, and of no other's."""
        return f"[{self.name}]"

    @property
    def is_over(self) -> bool:
        """Whether the caller has learned that the call is over."""
        return self._end_at() is not None

    def next_product(self) -> int:
        """Return the number of a product that was not saved yet."""
        return next(self._products)

    async def misbehave(self, fault: str, **parameters: Any) -> None:
        """Have the model of this call misbehave."""
        order = {"target": "model", "name": fault, "instruction": self.mark, **parameters}
        answer = await self.site.control.post("/sandbox/behaviour", json=order)
        assert answer.is_success, answer.text

    async def slow_down_saving(self, seconds: float) -> None:
        """Have the shop take this long to save this caller's next product."""
        parameters = {"path": "/saveProductByNumber", "user_id": self.name, "seconds": seconds}
        order = {"target": "store", "name": "slow", **parameters}
        (await self.site.control.post("/sandbox/behaviour", json=order)).raise_for_status()

    async def model_sessions(self) -> list[dict[str, Any]]:
        """Return the call's connections to the model so far, oldest first, as the sandbox records them."""
        answer = await self.site.control.get("/sandbox/model")
        sessions: list[dict[str, Any]] = answer.raise_for_status().json()["sessions"]
        return [session for session in sessions if session["instruction_ends"].endswith(self.mark)]

    async def connects(self, times: int) -> None:
        """Wait until the call has connected to the model so often in all, or longer than a caller would."""

        async def has_connected() -> bool:
            return len(await self.model_sessions()) >= times

        with contextlib.suppress(AssertionError):
            await eventually(has_connected, f"connection {times}", within=PATIENCE_SECONDS)

    async def tool_calls(self) -> int:
        """Return how many tool calls the model has made in this call so far."""
        return sum(len(session["tool_calls"]) for session in await self.model_sessions())

    async def start(self) -> None:
        """Start a session of this name."""
        self._write_persona()
        self.session = await eventually(self._started, "a session within the limits", within=STARTING_SECONDS)

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Join the session that was started; at the end hang up, and read what is on record."""
        room = RoomAddress(**self.session["room"])
        try:
            async with calling("", self.site.voice, room=room) as (self.caller, _):
                yield
            self.session = await eventually(self._ended, "the session's end")
        finally:
            await self._read_what_is_left()

    async def is_greeted(self) -> bool:
        """Wait for the greeting; return whether it was heard before the call was over."""
        assert self.caller.connected_at is not None
        return await self._hears(Wait("the greeting", self.caller.connected_at))

    async def says(self, words: str, *, over_the_bot: bool = False) -> bool:
        """Say this once the bot is quiet, or at once; return whether the answer was heard."""
        if not over_the_bot:
            await self.caller.bot_quiet(QUIET_SECONDS)
        return await self._hears(Wait(f"the answer to “{words}”", await self.caller.say(words)))

    async def writes(self, words: str) -> bool:
        """Write this once the bot is quiet; return whether the answer was heard."""
        await self.caller.bot_quiet(QUIET_SECONDS)
        self.caller.write(words)
        return await self._hears(Wait(f"the answer to “{words}”, in writing", time.monotonic()))

    async def goes_on(self) -> bool:
        """Ask for words that nobody would say otherwise; return whether they were heard."""
        if not await self.writes("say “Still here.”"):
            return False
        await self.caller.bot_says("Still here.")
        return True

    async def shows_saved(self, number: int) -> None:
        """Wait until the page has been shown that a product was saved."""
        await self.caller.message(lambda _: self.times_shown(number) > 0)

    def times_shown(self, number: int) -> int:
        """Return how often the page has been shown that a product was saved."""
        shown = (each for each in self.caller.messages if each.is_server_message("product_saved"))
        return sum(each.data["number"] == number for each in shown)

    async def hears_in_all(self, seconds: float, what: str, after: float) -> bool:
        """Wait until so much of an answer that had begun was heard; return whether it was.

        Args:
            seconds: How much.
            what: What is waited for.
            after: How long after the answer's first sound the wait begins.
        """
        began = self.waits[-1].sound_at
        assert began is not None
        wait = Wait(what, began + after)
        return await self._wait(
            wait, self.caller.hears_bot_for(seconds, began, within=PATIENCE_SECONDS + after)
        )

    async def _hears(self, wait: Wait) -> bool:
        return await self._wait(wait, self.caller.hears_bot(PATIENCE_SECONDS, since=wait.since))

    async def _wait(self, wait: Wait, sound: Awaitable[float]) -> bool:
        """Wait for a sound or the call's end; return whether it was the sound."""
        self.waits.append(wait)
        try:
            wait.sound_at = await sound
        except CallFailedError:
            wait.end_at = self._end_at()
            if wait.end_at is None:
                raise
        return wait.sound_at is not None

    async def learns_of_the_end(self) -> None:
        """Wait until the bot has left, if it has not."""
        with contextlib.suppress(CallFailedError):
            await self.caller.bot_leaves(within=PATIENCE_SECONDS)

    def events(self, since: datetime, until: datetime) -> list[str]:
        """Return what the bot's log says of unanswered turns and what the bot did about them, in order."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        within = [line for line in lines if since <= datetime.fromisoformat(line["at"]) <= until]
        return [_EVENTS[line["event"]].format(**line) for line in within if line["event"] in _EVENTS]

    def account(self) -> str:
        """Return what the caller heard when, and the records of session, model and bot."""
        parts = {
            "waits": [str(wait) for wait in self.waits],
            "the caller's side": self.caller.account() if hasattr(self, "caller") else ["never joined"],
            "the session's record": [json.dumps(self.session)],
            "the model's record": [json.dumps(each) for each in self.model],
            "the end of the bot's log": self.log.splitlines()[-_LOG_LINES:],
        }
        return "\n".join(line for title, lines in parts.items() for line in (f"--- {title} ---", *lines))

    def _end_at(self) -> float | None:
        ends = [each.at for each in self.caller.messages if each.is_server_message("call_ended")]
        if self.caller.bot_left_at is not None:
            ends.append(self.caller.bot_left_at)
        return min(ends, default=None)

    def _write_persona(self) -> None:
        default = tomllib.loads((ROOT / "bot" / "personas" / "shopping.toml").read_text())
        instructions = f"{default['instructions'].strip()}\n{self.mark}"
        persona = {**default, "greeting": GREETING, "farewell": "Goodbye.", "instructions": instructions}
        # A TOML string is written as JSON's are.
        lines = [f"{key} = {json.dumps(value)}" for key, value in persona.items()]
        (self.site.personas / f"{self.name}.toml").write_text("\n".join(lines))

    async def _started(self) -> Session | None:
        """Return a session; None while a used-up quota, one of the faults, lets fewer calls begin."""
        body = {"user_id": self.name, "persona": self.name}
        answer = await self.site.controller.post("/v1/sessions", json=body)
        if answer.status_code == 429 and answer.json().get("limit") == "model_key":
            return None
        assert answer.status_code == 201, answer.text
        session: Session = answer.json()
        return session

    async def _ended(self) -> Session | None:
        return await ended_session(self.site.controller, self.session["id"])

    async def _read_what_is_left(self) -> None:
        path = f"/v1/sessions/{self.session['id']}"
        self.session = (await self.site.controller.get(path)).json()
        self.log = (await self.site.controller.get(f"{path}/logs")).text
        self.model = await self.model_sessions()
