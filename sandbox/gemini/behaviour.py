"""How one connection of the model behaves: well, unless it was ordered not to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from sandbox.gemini.bending import Message, Outgoing, bend, blobs_of, holds
from sandbox.gemini.faults import Aimed, AtMoment, Moment, TurnChoice
from sandbox.gemini.manners import (
    Content,
    EmptyTurn,
    Manner,
    OfCalls,
    OfTurns,
    RepeatedToolCall,
    Thoughts,
    ToolCallCancellation,
    WrongAudio,
    WrongToolCallId,
)
from sandbox.gemini.speech import SPEAKING_RATE

NONSENSE: Final[tuple[bytes, ...]] = (
    b"",
    b'{"sense": null}',
    b'{"serverContent": {"modelTurn": [',
    b"\xff\x00",
)
"""An empty message, an unknown one, half of one, and one that is not text."""

_MOMENTS: Final[tuple[tuple[Content, Moment], ...]] = (
    ("tool_call", "tool_call"),
    ("tool_call_cancellation", "tool_call_cancellation"),
    ("interrupted", "interrupted"),
    ("generation_complete", "generation_complete"),
    ("turn_complete", "turn_complete"),
    ("resumption_update", "resumption_update"),
)

Kind = TypeVar("Kind", bound=Manner)


@dataclass(frozen=True)
class ModelTurn:
    """What the model is about to say: of which kind, and to which of the caller's utterances."""

    kind: TurnChoice = "any"
    utterance: int | None = None

    def concerns(self, order: AtMoment | Manner) -> bool:
        """Return whether an order applies to this turn."""
        return order.turn in ("any", self.kind) and order.utterance in (None, self.utterance)


@dataclass(eq=False)
class _Standing:
    """A manner that was ordered, and in how many more turns or calls it applies; None for all."""

    manner: Manner
    left: int | None


class Behaviour:
    """What goes wrong in one connection: nothing, unless it was ordered."""

    def __init__(self, orders: Iterable[Aimed] = ()) -> None:
        self._turn = ModelTurn()
        self._standing: list[_Standing] = []
        self._active: list[_Standing] = []
        self._moments: list[AtMoment] = []
        self._audio_seconds = 0.0
        self._after_turn: list[Outgoing] = []
        for order in orders:
            self.order(order)

    def order(self, order: Aimed) -> None:
        """Take another order."""
        if isinstance(order, AtMoment):
            self._moments.append(order)
        elif isinstance(order, Manner):
            standing = _Standing(order, _times(order))
            self._standing.append(standing)
            # A turn that has begun is not one of those that are counted.
            if self._turn.concerns(order) and (standing.left is None or isinstance(order, OfCalls)):
                self._active.append(standing)

    def begin(self, kind: TurnChoice, utterance: int) -> None:
        """Begin a turn of the model."""
        self._turn = ModelTurn(kind, utterance)
        self._audio_seconds = 0.0
        self._active = [
            standing
            for standing in self._standing
            if standing.left != 0 and self._turn.concerns(standing.manner)
        ]
        for standing in self._active:
            if isinstance(standing.manner, OfTurns) and standing.left is not None:
                standing.left -= 1

    def bend(self, message: Message) -> list[Outgoing]:
        """Return what is sent instead of a message."""
        is_call = "toolCall" in message
        manners = self._manners() if is_call else [m for m in self._manners() if not isinstance(m, OfCalls)]
        outgoing: list[Outgoing] = [(message, 0.0)]
        for manner in manners:
            outgoing = [bent for each in outgoing for bent in bend(manner, each, self._audio_seconds)]
        self._audio_seconds += _audio_seconds(message)
        if is_call:
            self._note_call(manners, outgoing)
        elif holds(message, "turn_complete"):
            outgoing, self._after_turn = [*outgoing, *self._after_turn], []
        return outgoing

    def moments_in(self, message: Message) -> list[Moment]:
        """Return the moments that are reached once a message is sent."""
        if "setupComplete" in message:
            return ["setup"]
        moments: list[Moment] = ["audio"] if not self._audio_seconds and blobs_of(message) else []
        return moments + [moment for content, moment in _MOMENTS if holds(message, content)]

    def due(self, moment: Moment) -> list[AtMoment]:
        """Return what goes wrong at this moment; each does so once."""
        due = [order for order in self._moments if order.after == moment and self._turn.concerns(order)]
        self._moments = [order for order in self._moments if order not in due]
        return due

    def is_empty(self) -> bool:
        """Return whether the turn that has begun has nothing in it."""
        return self._first(EmptyTurn) is not None

    def thoughts(self) -> Thoughts | None:
        """Return the thoughts that precede the speech of the turn that has begun."""
        return self._first(Thoughts)

    def chunk_seconds(self) -> float | None:
        """Return how much audio is sent in one message, if that was ordered."""
        audio = self._first(WrongAudio)
        return None if audio is None else audio.chunk_seconds

    def cancellation(self) -> ToolCallCancellation | None:
        """Return whether and how the call that is about to be made is cancelled."""
        return self._first(ToolCallCancellation)

    def announced(self, call_id: str) -> str | None:
        """Return the id with which a call is made."""
        wrong = self._first(WrongToolCallId)
        if wrong is None:
            return call_id
        return None if wrong.length is None else f"{call_id}-{'x' * wrong.length}"[: wrong.length]

    def _first(self, kind: type[Kind]) -> Kind | None:
        return next((manner for manner in self._manners() if isinstance(manner, kind)), None)

    def _manners(self) -> list[Manner]:
        return [
            standing.manner
            for standing in self._active
            if not (isinstance(standing.manner, OfCalls) and standing.left == 0)
        ]

    def _note_call(self, manners: list[Manner], outgoing: list[Outgoing]) -> None:
        if any(isinstance(manner, RepeatedToolCall) and manner.how == "after_turn" for manner in manners):
            self._after_turn = list(outgoing)
        for standing in self._active:
            if isinstance(standing.manner, OfCalls) and standing.left:
                standing.left -= 1


def is_met(order: Aimed) -> bool:
    """Return whether a fault that is ordered for now happens at once: a session is past its setup."""
    return not isinstance(order, AtMoment) or order.after in ("connect", "setup")


def _times(manner: Manner) -> int | None:
    match manner:
        case OfTurns():
            return manner.turns
        case OfCalls():
            return manner.calls
        case _:
            return None


def _audio_seconds(message: Message) -> float:
    return sum(len(blob["data"]) * 3 // 4 / 2 / SPEAKING_RATE for blob in blobs_of(message))
