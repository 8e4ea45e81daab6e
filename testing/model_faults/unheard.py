"""Situations in which the model sends something, and the caller would hear nothing of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from testing.model_faults.situations import (
    LOST,
    Order,
    Play,
    Situation,
    greeted,
    heard_in_full,
    spoken,
    spoken_and_finished,
    spoken_for_a_tool,
    typed,
    wrong,
)


@dataclass(frozen=True)
class SpoiltAnswer:
    """One of the model's answers that something may be wrong with.

    Attributes:
        name: What it is called.
        turn: The sandbox's name for such turns.
        meets: What the caller does to get it.
    """

    name: str
    turn: Literal["greeting", "answer", "tool_result"]
    meets: Play

    def spoilt(
        self, how: str, order: Order, *, meets: Play | None = None, connections: int | None = 0
    ) -> Situation:
        """Return a situation in which it is spoilt, and the call goes on."""
        return Situation(
            f"{self.name} {how}",
            ({"turn": self.turn, **order},),
            meets or self.meets,
            at="greeting" if self.turn == "greeting" else "turn",
            connections=connections,
            reseeds=connections == 1,
        )

    def lost(self, how: str, order: Order, message: str) -> Situation:
        """Return a situation in which it is spoilt in all turns, on this connection and on all later ones."""
        return Situation(
            f"{self.name} {how}",
            ({**order, "turns": None, "times": None},),
            self.meets,
            at="greeting" if self.turn == "greeting" else "turn",
            connections=None,
            reason=LOST,
            message=message,
        )


GREETING: Final = SpoiltAnswer("The greeting", "greeting", greeted)
SPOKEN: Final = SpoiltAnswer("The answer to what was said", "answer", spoken)
TYPED: Final = SpoiltAnswer("The answer to what was typed", "answer", typed)
AFTER_TOOL: Final = SpoiltAnswer("The answer after a tool's result", "tool_result", spoken_for_a_tool)

_ZEROS: Final = wrong("wrong_audio", sound="zeros")
_FAINT: Final = wrong("wrong_audio", sound="noise", amplitude=40)
_EMPTY: Final = wrong("empty_turn")
_THOUGHTS: Final = wrong("thoughts", every_seconds=5)
_SILENCE: Final = wrong("withheld", what=["everything"])


def once(order: Order) -> Order:
    """Limit an order to one turn: asked again, the model does better."""
    return {**order, "turns": 1}


def _same_for(answer: SpoiltAnswer) -> list[Situation]:
    """Return the situations of a greeting, of a caller's turn, and of a tool's result."""
    return [
        answer.spoilt("is turnComplete alone", once(_EMPTY)),
        # The sound lasts longer than anybody waits before something is done.
        answer.spoilt("is all zeros", once(_ZEROS), connections=None),
        answer.spoilt("is a thought every five seconds, endlessly", _THOUGHTS, connections=1),
        answer.spoilt("shares its messages with thoughts", once(wrong("parts", order=["thought", "audio"]))),
    ]


UNHEARD: Final = [
    *_same_for(SPOKEN),
    *_same_for(GREETING),
    *_same_for(AFTER_TOOL),
    *(
        answer.spoilt(
            "is turnComplete alone, twice",
            {**_EMPTY, "turn": "any", "turns": 2},
            connections=1,
        )
        for answer in (SPOKEN, GREETING)
    ),
    # Other sounds that nobody hears.
    TYPED.spoilt("has an amplitude of 40", once(_FAINT)),
    TYPED.spoilt("is a constant offset", once(wrong("wrong_audio", sound="offset", amplitude=8000))),
    TYPED.spoilt("is a click a second", once(wrong("wrong_audio", sound="click", amplitude=8000))),
    TYPED.spoilt("is not PCM", once(wrong("wrong_audio", mime_type="audio/mpeg"))),
    TYPED.spoilt("has words and no audio", once(wrong("withheld", what=["audio"]))),
    # On every try.
    SPOKEN.lost("is turnComplete alone, on every try", _EMPTY, "without audio that can be played"),
    GREETING.lost("is turnComplete alone, on every try", _EMPTY, "without audio that can be played"),
    TYPED.lost("is all zeros, on every try", _ZEROS, "can't be heard"),
    TYPED.lost("is a thought every five seconds, on every try", _THOUGHTS, "only thoughts"),
    TYPED.lost("never comes, on every try", _SILENCE, "the model sent nothing"),
    # All of it is heard.
    TYPED.spoilt(
        "comes in two parts of each message",
        once(wrong("parts", order=["audio", "audio"])),
        meets=heard_in_full,
    ),
    TYPED.spoilt(
        "comes as thought, audio, text and audio in each message",
        once(wrong("parts", order=["thought", "audio", "text", "audio"])),
        meets=heard_in_full,
    ),
    TYPED.spoilt("comes at 16 kHz", once(wrong("wrong_audio", rate=16_000)), meets=heard_in_full),
    TYPED.spoilt("comes at 44.1 kHz", once(wrong("wrong_audio", rate=44_100)), meets=heard_in_full),
    TYPED.spoilt("comes in odd byte counts", once(wrong("wrong_audio", odd_bytes=True)), meets=heard_in_full),
    # It begins or ends wrongly.
    TYPED.spoilt("never comes", _SILENCE, connections=1),
    TYPED.spoilt(
        "comes twenty seconds late", wrong("delayed", what=["everything"], seconds=20), connections=1
    ),
    TYPED.spoilt("is never complete", once(wrong("withheld", what=["generation_complete", "turn_complete"]))),
    SPOKEN.spoilt(
        "breaks off, and nothing follows",
        wrong("withheld", what=["everything"], after_audio_seconds=1.5),
        meets=spoken_and_finished,
        connections=1,
    ),
]
