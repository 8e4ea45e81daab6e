"""Situations in which the connection to the model breaks, or comes back as something else."""

from __future__ import annotations

from typing import Final

from testing.model_faults.call import QUIET_SECONDS, FaultyCall
from testing.model_faults.situations import (
    CHAT,
    COUNT,
    LOST,
    SAVE,
    Order,
    Play,
    Situation,
    greeted,
    saved,
    saved_somehow,
    spoken,
    spoken_and_finished,
    typed,
    wrong,
)
from testing.processes import eventually


def _breaks(after: str, turn: str = "any", **parameters: object) -> Order:
    return wrong("drop", after=after, turn=turn, **parameters)


_BREAKS: Final = _breaks("turn_start", "answer")
_HANDLE_REFUSED: Final = wrong("refuse_setup", connection="resumed", now=False)
_HANDLE_REFUSED_1011: Final = wrong("refuse_quota", connection="resumed", now=False)
_FORGOTTEN: Final = wrong("amnesia", now=False)


async def _barges_in(call: FaultyCall) -> None:
    """Type a request whose tool takes long, so that the caller can speak over it."""
    await call.slow_down_saving(2.0)
    await call.caller.bot_quiet(QUIET_SECONDS)
    before = await call.tool_calls()
    call.caller.write(SAVE)
    await eventually(lambda: _has_called(call, before + 1), "the tool call")


async def _has_called(call: FaultyCall, times: int) -> bool:
    return await call.tool_calls() >= times


async def barges_in_and_loses_it(call: FaultyCall) -> None:
    """Speak over a tool, and lose the connection before the answer."""
    await _barges_in(call)
    await call.misbehave(now=True, **_BREAKS)
    await call.says(CHAT, over_the_bot=True)


async def barges_in_and_loses_it_later(call: FaultyCall) -> None:
    """Speak over a tool, get the answer, and lose the connection in the next turn."""
    await _barges_in(call)
    await call.says(CHAT, over_the_bot=True)
    await call.misbehave(now=True, **_BREAKS)
    await call.says(CHAT)


async def loses_a_long_conversation(call: FaultyCall) -> None:
    """Lose the connection when much has been said."""
    for _ in range(3):
        await call.writes(f"say “{COUNT}”")
    await call.misbehave(now=True, **_BREAKS)
    await call.says(CHAT)


async def asks_for_longer_than_a_pong_takes(call: FaultyCall) -> None:
    """Talk for longer than a client waits for a pong."""
    for _ in range(4):
        await call.goes_on()
        await call.caller.bot_quiet(10.0)


def _broken(
    when: str, *orders: Order, meets: Play = spoken, connections: int | None = 1, reseeds: bool = False
) -> Situation:
    name = f"The connection breaks {when}"
    at: Final = "greeting" if meets is greeted else "turn"
    return Situation(name, orders, meets, at=at, connections=connections, reseeds=reseeds)


CONNECTIONS: Final = [
    # The longest, so that others are played beside it.
    Situation("The model answers no ping", (wrong("withhold_pongs"),), asks_for_longer_than_a_pong_takes),
    _broken("before an answer begins", _BREAKS),
    _broken(
        "in the middle of an answer",
        _breaks("audio", "answer", delay_seconds=1.0),
        meets=spoken_and_finished,
        connections=None,
    ),
    _broken("when an answer is complete", _breaks("turn_complete"), meets=typed),
    _broken("while the caller speaks", _breaks("speech")),
    _broken("when the model has called a tool", _breaks("tool_call"), meets=saved),
    _broken("when a tool's result has come", _breaks("tool_response"), meets=saved),
    _broken("before the greeting", _breaks("turn_start", "greeting"), meets=greeted),
    _broken(
        "before the greeting, and the resumed session has forgotten everything",
        _breaks("turn_start", "greeting"),
        _FORGOTTEN,
        meets=greeted,
    ),
    # What it comes back as.
    _broken(
        "with a code and a reason", _breaks("turn_start", code=1008, reason="Policy of the day."), meets=typed
    ),
    _broken(
        "before a handle was given",
        wrong("no_resumption_handles"),
        _breaks("setup"),
        meets=greeted,
        reseeds=True,
    ),
    _broken("and the handle is refused with 1007", _BREAKS, _HANDLE_REFUSED, meets=typed, reseeds=True),
    _broken("and the handle is refused with 1011", _BREAKS, _HANDLE_REFUSED_1011, meets=typed, reseeds=True),
    _broken(
        "during a tool, and every handle is refused",
        _breaks("tool_call"),
        {**_HANDLE_REFUSED, "times": None},
        meets=saved_somehow,
        reseeds=True,
    ),
    _broken("and the resumed session has forgotten the greeting", _BREAKS, _FORGOTTEN),
    Situation(
        "The connection breaks, and the resumed session has forgotten a long conversation",
        (wrong("amnesia", now=False),),
        loses_a_long_conversation,
        connections=2,
        reseeds=True,
    ),
    # After a barge-in over a running tool.
    _broken("after a barge-in over a running tool", meets=barges_in_and_loses_it),
    _broken("in the turn after a barge-in over a running tool", meets=barges_in_and_loses_it_later),
    # For good.
    Situation(
        "The connection breaks in every answer",
        ({**_BREAKS, "times": None},),
        typed,
        connections=None,
        reason=LOST,
    ),
    Situation(
        "The quota is exceeded in the call, and stays so",
        (wrong("refuse_quota", times=None),),
        spoken,
        connections=None,
        reason=LOST,
        message="quota",
    ),
    # Which the model announces, or nothing does.
    Situation(
        "The model announces that it goes away while it speaks",
        (wrong("go_away", after="audio", turn="answer", time_left_seconds=3),),
        spoken,
        connections=1,
    ),
    Situation(
        "The model announces that it goes away, and is gone at once",
        (wrong("go_away", after="turn_start", turn="answer", time_left_seconds=0),),
        typed,
        connections=1,
    ),
    Situation(
        "The model goes away while its newest handle is on its way",
        (
            wrong("delayed", what=["resumption_update"], seconds=1),
            wrong("go_away", after="turn_complete", time_left_seconds=5),
        ),
        typed,
        connections=1,
    ),
    Situation(
        "The model falls silent in the middle of an answer",
        (wrong("stall", after="audio", turn="answer", delay_seconds=1.0),),
        spoken_and_finished,
        connections=1,
    ),
    Situation(
        "The model stops reading, so that what is sent to it piles up",
        (wrong("stall", after="turn_start", turn="answer", reads=False),),
        spoken,
        connections=1,
    ),
]
