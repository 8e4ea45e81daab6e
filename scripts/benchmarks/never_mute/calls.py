"""One call with one random fault: what its caller asks, and whether they got an answer or a reason."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from sandbox.caller_signalling import CallFailedError
from scripts.benchmarks.never_mute.faults import Fault, draw
from testing.model_faults.call import FaultSite, FaultyCall
from testing.model_faults.situations import CHAT, SAVE

QUESTIONS: Final = 2

TRUE_REASONS: Final = frozenset({"model_lost", "model_unreachable", "model_refused"})
"""Reasons that a call may end with although its caller stayed: only the model is at fault."""


@dataclass(frozen=True)
class CallOutcome:
    """What has become of a call.

    Attributes:
        waits: How long the caller waited, each time, in seconds.
        reason: The reason on record.
        trouble: What went wrong with the call itself; empty if nothing did.
    """

    name: str
    fault: Fault
    waits: list[float]
    reason: str
    trouble: str = ""
    account: str = ""

    @property
    def is_answered(self) -> bool:
        return not self.trouble and self.reason == "caller_left"


async def one_call(site: FaultSite, name: str, chance: Random) -> CallOutcome:
    """Make a call of this name, with a fault drawn by chance."""
    fault = draw(chance)
    call = FaultyCall(site, name)
    trouble = ""
    try:
        for order in fault.orders:
            await call.misbehave(**order)
        await call.start()
        async with call.joined():
            await _converse(call, chance)
    except (AssertionError, CallFailedError) as error:
        trouble = str(error).splitlines()[0]
    return _outcome(call, fault, trouble)


async def _converse(call: FaultyCall, chance: Random) -> None:
    is_heard = await call.is_greeted()
    for _ in range(QUESTIONS):
        if not is_heard:
            break
        ask = chance.choice((call.says, call.writes))
        is_heard = await ask(chance.choice((SAVE, CHAT, "say “All right.”" if ask == call.writes else CHAT)))
    if not is_heard:
        await call.learns_of_the_end()


def _outcome(call: FaultyCall, fault: Fault, trouble: str) -> CallOutcome:
    reason = call.session.get("reason") or "none"
    if reason in TRUE_REASONS and not any(wait.is_too_long for wait in call.waits):
        # The caller has learned why what they waited for never came.
        trouble = "" if call.session["message"].endswith(".") else "the record says nothing"
    elif not trouble and (late := [str(wait) for wait in call.waits if wait.is_too_long]):
        trouble = f"silent beyond the bound: {late}"
    elif not trouble and reason != "caller_left":
        trouble = f"ended as {reason}: {call.session.get('message')}"
    waits = [wait.seconds for wait in call.waits]
    return CallOutcome(call.name, fault, waits, reason, trouble, call.account() if trouble else "")
