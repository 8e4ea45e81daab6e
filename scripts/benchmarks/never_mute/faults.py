"""One random fault of the model's: what goes wrong, in which turn, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from testing.model_faults.situations import Order, wrong

Draw = Callable[[Random], dict[str, Any]]
"""Draws the parameters of a fault."""

_MOMENTS: Final = (
    "setup",
    "turn_start",
    "audio",
    "tool_call",
    "tool_response",
    "interrupted",
    "speech",
    "generation_complete",
    "turn_complete",
    "resumption_update",
)
_CONTENTS: Final = (
    "everything",
    "audio",
    "output_transcription",
    "generation_complete",
    "turn_complete",
    "usage",
    "tool_call",
    "resumption_update",
)
_PARTS: Final = ("thought", "text", "audio")
_LAST_UTTERANCE: Final = 2


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: Its kind.
        orders: What is ordered of the sandbox's model.
    """

    name: str
    orders: tuple[Order, ...]


def draw(chance: Random) -> Fault:
    """Draw a fault: each kind is as likely as the others."""
    name = chance.choice(list(_KINDS))
    order = wrong(name, **_KINDS[name](chance), times=chance.choice((1, 1, 1, 2, None)))
    if name not in _UNTIMED:
        order |= {"utterance": chance.randint(0, _LAST_UTTERANCE)}
    orders = [order]
    if name in _BREAKS and chance.random() < 1 / 2:
        orders.append(_what_comes_back(chance))
    return Fault(name if len(orders) == 1 else f"{name}, {orders[1]['fault']}", tuple(orders))


def _what_comes_back(chance: Random) -> Order:
    """Draw what is wrong with the connection after one that broke."""
    times = chance.choice((1, 2, None))
    return chance.choice(
        (
            wrong("refuse_setup", connection="resumed", times=times),
            wrong("refuse_quota", connection="resumed", times=times),
            wrong("amnesia"),
            wrong("accept_and_hang"),
            wrong("no_resumption_handles", times=times),
        )
    )


def _turns(chance: Random) -> dict[str, Any]:
    return {"turns": chance.choice((1, 1, 2, None))}


def _moment(chance: Random) -> dict[str, Any]:
    return {
        "after": chance.choice(_MOMENTS),
        "delay_seconds": chance.choice((0.0, 0.0, chance.uniform(0, 3))),
    }


def _sound(chance: Random) -> dict[str, Any]:
    kind = chance.choice(("speech", "zeros", "noise", "tone", "offset", "click"))
    amplitude = chance.randint(0, 60) if kind in ("noise", "tone") else chance.randint(1000, 20_000)
    shape: dict[str, Any] = {"sound": kind, "amplitude": amplitude, "odd_bytes": chance.random() < 1 / 4}
    if chance.random() < 1 / 2:
        shape["rate"] = chance.choice((8_000, 16_000, 22_050, 44_100, 48_000))
    elif chance.random() < 1 / 2:
        shape["mime_type"] = chance.choice(("audio/mpeg", "audio/ogg;codecs=opus", "audio/pcm;rate=0", ""))
    return {**_turns(chance), **shape}


_KINDS: Final[dict[str, Draw]] = {
    "empty_turn": _turns,
    "thoughts": lambda chance: {**_turns(chance), "every_seconds": chance.uniform(0.5, 6)},
    "wrong_audio": _sound,
    "parts": lambda chance: {
        **_turns(chance),
        "order": [*chance.choices(_PARTS, k=chance.randint(1, 4)), "audio"],
    },
    "withheld": lambda chance: {
        **_turns(chance),
        "what": [chance.choice(_CONTENTS)],
        "after_audio_seconds": chance.choice((0.0, chance.uniform(0, 2))),
    },
    "delayed": lambda chance: {
        **_turns(chance),
        "what": [chance.choice(_CONTENTS)],
        "seconds": chance.uniform(0.1, 12),
    },
    "drop": lambda chance: {**_moment(chance), "code": chance.choice((1000, 1001, 1006, 1008, 1011, 4000))},
    "go_away": lambda chance: {**_moment(chance), "time_left_seconds": chance.uniform(0, 6)},
    "stall": lambda chance: {**_moment(chance), "reads": chance.random() < 2 / 3},
    "nonsense": _moment,
    "huge_message": lambda chance: {**_moment(chance), "bytes": int(2 ** chance.uniform(10, 25))},
    "withhold_pongs": _moment,
    "refuse_quota": lambda _: {},
    "long_transcriptions": lambda chance: {**_turns(chance), "bytes": int(2 ** chance.uniform(8, 20))},
    "wrong_usage": lambda chance: {**_turns(chance), "tokens": chance.choice((-1, 2**70, "many", None, 1.5))},
    "usage_apart": _turns,
    "unknown_messages": lambda chance: {**_turns(chance), "only_fields": chance.random() < 1 / 2},
    "repeated_tool_call": lambda chance: {
        "how": chance.choice(("two_messages", "one_message", "after_turn"))
    },
    "tool_call_cancellation": lambda chance: {
        "after_result": chance.random() < 1 / 2,
        "delay_seconds": chance.choice((0.0, chance.uniform(0, 1))),
    },
    "wrong_tool_call_id": lambda chance: {"length": chance.choice((None, 0, 1, 200, 100_000))},
    "wrong_tool_arguments": lambda chance: {
        "arguments": chance.choice(({}, [], None, {"productNumber": -1}, {"productNumber": {"of": "shoes"}}))
    },
    "unknown_tool": lambda _: {},
}
_BREAKS: Final = frozenset({"drop", "stall", "go_away"})
_UNTIMED: Final = frozenset({"refuse_quota", "withhold_pongs"})
"""Faults that concern no turn."""
