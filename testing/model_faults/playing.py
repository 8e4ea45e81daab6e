"""The player: it plays situations one after another in as few calls as possible, several calls at a time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from testing.model_faults.call import FaultSite, FaultyCall, Wait
from testing.model_faults.situations import Situation

CALLS_AT_ONCE: Final = 4
MOST_SITUATIONS: Final = 5
MOST_RECONNECTING: Final = 2
"""How many situations of a call may reconnect: several reconnects in a row end a call, and should."""


@dataclass(frozen=True)
class Played:
    """The course of a situation.

    Attributes:
        call: The call that it was played in, which may have gone on to others.
        waits: How the caller waited in it.
        model: Its connections to the model, as a slice of the call's.
        since: When it began.
        until: When it was over.
        goes_on: Whether the call went on after it.
    """

    situation: Situation
    call: FaultyCall
    waits: Sequence[Wait]
    model: slice
    since: datetime
    until: datetime
    goes_on: bool

    @property
    def events(self) -> list[str]:
        """The bot's log events about the model in this situation."""
        return self.call.events(self.since, self.until)

    def check(self) -> None:
        """Check that everything was as the situation demands."""
        late = [str(wait) for wait in self.waits if wait.is_too_long]
        assert not late, f"silent beyond the bound: {late}"
        session = self.call.session
        if self.situation.reason is None:
            assert self.goes_on, f"the call ended: {session['reason']}, {session['message']}"
            self._check_connections()
            return
        assert session["reason"] == self.situation.reason, session["message"]
        assert self.situation.message in session["message"]
        assert session["message"].endswith(".")

    def _check_connections(self) -> None:
        model = self.call.model[self.model]
        if self.situation.connections is not None:
            assert len(model) == self.situation.connections, f"{len(model)} connections more"
        if self.situation.reseeds:
            assert not model[-1]["resumed"]
            assert model[-1]["history_turns"] > 0


@dataclass
class CallPlan:
    """Situations that are played in one call, unless one of them ends it too early."""

    situations: list[Situation] = field(default_factory=list)

    def takes(self, situation: Situation) -> bool:
        """Return whether the situation can follow."""
        reconnecting = sum(each.connections != 0 for each in [*self.situations, situation])
        return (
            len(self.situations) < MOST_SITUATIONS
            and situation.at == "turn"
            and all(each.reason is None for each in self.situations)
            and reconnecting <= MOST_RECONNECTING
        )


def plans_of(situations: Iterable[Situation]) -> list[CallPlan]:
    """Share calls among situations: one about the greeting begins a call, one that ends it is its last."""
    plans: list[CallPlan] = []
    for situation in sorted(situations, key=lambda each: (each.at != "greeting", each.reason is not None)):
        plan = next((plan for plan in plans if plan.takes(situation)), None)
        if plan is None:
            plans.append(plan := CallPlan())
        plan.situations.append(situation)
    return plans


_FIRST: Final = datetime.min.replace(tzinfo=UTC)


class Player:
    """Plays situations at a site. Each one's result is awaited in `results`, by its name."""

    def __init__(
        self, site: FaultSite, situations: Sequence[Situation], at_once: int = CALLS_AT_ONCE
    ) -> None:
        loop = asyncio.get_running_loop()
        self.results: dict[str, asyncio.Future[Played]] = {
            each.name: loop.create_future() for each in situations
        }
        self._site = site
        self._plans = plans_of(situations)
        self._names = (f"{site.callers}-{number}" for number in itertools.count(1))
        self._turns = asyncio.Semaphore(at_once)

    async def play(self) -> None:
        """Play all of them, several calls at a time."""
        try:
            async with asyncio.TaskGroup() as calls:
                for plan in self._plans:
                    calls.create_task(self._play_plan(plan))
        except BaseException as error:
            for result in self.results.values():
                if not result.done():
                    result.set_exception(AssertionError(f"the player broke: {error!r}"))
            raise

    def table(self) -> list[str]:
        """Return a line for each situation, with what was heard so far."""
        lines = []
        for name, result in self.results.items():
            if not result.done() or result.cancelled():
                heard = "not played"
            elif (error := result.exception()) is not None:
                heard = f"failed: {str(error).splitlines()[0]}"
            else:
                played = result.result()
                heard = "; ".join([*map(str, played.waits), *played.events])
                heard += f"; {played.call.session['reason']}" * (not played.goes_on)
            lines.append(f"{name}: {heard}")
        return lines

    async def _play_plan(self, plan: CallPlan) -> None:
        left = deque(plan.situations)
        async with self._turns:
            while left:
                await self._play_call(left)

    async def _play_call(self, left: deque[Situation]) -> None:
        """Play as many of the situations that are left as this call lasts for."""
        call = FaultyCall(self._site, next(self._names))
        played: list[Played] = []
        current = left[0]
        try:
            async with _call_for(current, call):
                while left:
                    current = left.popleft()
                    played.append(await _meet(current, call))
                    if not played[-1].goes_on:
                        break
        except Exception as error:  # noqa: BLE001 - what goes wrong in a call is the situation's own
            if left and left[0] is current:
                left.popleft()
            if played and played[-1].situation is current:
                played.pop()
            error.add_note(call.account())
            self.results[current.name].set_exception(error)
        for each in played:
            self.results[each.situation.name].set_result(each)


@contextlib.asynccontextmanager
async def _call_for(first: Situation, call: FaultyCall) -> AsyncIterator[None]:
    """Hold a call that begins with this situation."""
    if first.at == "greeting":
        await first.order(call)
    await call.start()
    async with call.joined():
        if first.at == "turn":
            assert await call.is_greeted(), "the call ended before the greeting"
        yield


async def _meet(situation: Situation, call: FaultyCall) -> Played:
    began = len(call.waits)
    since = datetime.now(UTC) if situation.at == "turn" else _FIRST
    connected = 1 if situation.at == "greeting" else len(await call.model_sessions())
    if situation.at == "turn":
        await situation.order(call)
    await situation.meets(call)
    goes_on = situation.reason is None and not call.is_over and await call.goes_on()
    if goes_on:
        # A model that has announced its leave is left when all is quiet, which may be after the next answer.
        await call.connects(connected + (situation.connections or 0))
    else:
        await call.learns_of_the_end()
    model = slice(connected, len(await call.model_sessions()))
    return Played(situation, call, call.waits[began:], model, since, datetime.now(UTC), goes_on)
