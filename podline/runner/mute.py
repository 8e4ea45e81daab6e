"""The wait of a caller who is owed an answer and hears nothing. Pure: each moment is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from podline.contract.messages import AnswerRequested, ModelReconnected, TurnUnanswered, UnansweredCause
from podline.errors import BotError, ModelLost, RoomLost
from podline.frames import ModelEvent
from podline.tool_calls import MAX_TOOL_SECONDS

LOSS_SECONDS: Final = 4.0
"""How late a lost connection may be noticed. Nobody heard an answer that began since."""

PLAYING_SECONDS: Final = 1.0
"""How long the output may take to play an answer. One that is on its way at the bound is waited for."""

Sent = Literal["nothing", "thoughts", "text", "inaudible", "audible"]
"""The closest that the model came to an audible answer."""
Afterwards = Literal["answer", "nothing", "undecided"]
"""What is due after a tool call: an answer to its result, nothing, or what was due before a cancelled one."""

_OBSERVED: Final[dict[Sent, str]] = {
    "nothing": "the model sent nothing",
    "thoughts": "the model sent only thoughts",
    "text": "the model sent text but no audio",
    "inaudible": "the model's audio was too quiet or too short to hear",
    "audible": "the model's audio was heard by nobody",
}
_CLOSENESS: Final = tuple(_OBSERVED)


@dataclass(frozen=True)
class Unanswered:
    """An answer that the caller waited for in vain.

    Attributes:
        cause: What happened instead.
        error: How the call ends.
        is_reported: True if the model's service has reported this turn itself.
    """

    cause: UnansweredCause
    error: BotError
    is_reported: bool


@dataclass
class _Observed:
    """What happened since an answer was owed."""

    sent: Sent = "nothing"
    sent_at: float = 0.0
    has_completed: bool = False
    asked: int = 0
    reconnected: int = 0
    reported: UnansweredCause | None = None


class MuteWatch:
    """Measures a caller's wait for sound, from events in the order in which they happen.

    An answer is owed after the caller's turn, after typed text, after a request for the greeting and after a
    tool's result. It is given once audible sound has left the output. If the model's response stays open
    after that, the wait begins again with the last sound.

    The wait doesn't count while the caller speaks or is away, nor while tools run, up to `MAX_TOOL_SECONDS`
    for each answer. Nothing that the model sends restarts it, except sound that the caller hears.
    """

    def __init__(self, seconds: float) -> None:
        """Allow a wait of this many seconds; 0 allows any."""
        self._seconds = seconds
        self._updated: float | None = None
        self._waited = 0.0
        self._paused = 0.0
        self._quiet_since: float | None = None
        self._is_owed = False
        self._owed_at = 0.0
        self._answered_at: float | None = None
        self._caller_speaks = False
        self._caller_is_away = False
        self._response_is_open = False
        self._response_was_heard = False
        self._calls: dict[str, float] = {}
        self._result_is_due = False
        self._tool_was_the_answer = False
        self._observed = _Observed()

    @property
    def is_due(self) -> bool:
        """True while the caller is owed sound: an answer, or more of one that isn't complete."""
        return self._is_owed or (self._response_is_open and self._response_was_heard)

    # What the caller does.

    def caller_began(self, now: float) -> None:
        """Note that the caller began to speak: what was owed before no longer is."""
        self._advance(now)
        self._caller_speaks = True
        self._is_owed = self._response_was_heard = False
        self._answered_at = None

    def caller_finished(self, now: float) -> None:
        """Note that the caller's turn ended. If it needs an answer, `owe` follows."""
        self._advance(now)
        self._caller_speaks = False
        self._quiet_since = now

    def caller_left(self, now: float) -> None:
        """Note that the caller is away, perhaps for some seconds already."""
        self._advance(now)
        self._caller_is_away = True
        if self._answered_at is not None and now - self._answered_at <= LOSS_SECONDS:
            self._is_owed = True

    def caller_returned(self, now: float, *, bot_speaks: bool) -> bool:
        """Let the wait begin anew. Return whether the caller missed an answer, played in their absence.

        The absence of a caller who returns at once goes unnoticed. A missed answer is no longer owed, because
        the model assumes that it was heard.
        """
        self._advance(now)
        if self._caller_is_away:
            self._caller_is_away = False
            self._waited = 0.0
            self._response_was_heard = False
        is_missed = self._is_owed and self._observed.sent == "audible" and not bot_speaks
        self._is_owed = self._is_owed and not is_missed
        return is_missed

    # What is owed, and what is heard.

    def owe(self, now: float) -> None:
        """Owe the caller an answer. A caller who is owed one already has waited as long as before."""
        self._advance(now)
        if not self.is_due:
            self._waited = self._paused = 0.0
            self._observed = _Observed()
        self._is_owed = True
        self._owed_at = now
        self._tool_was_the_answer = False
        self._answered_at = None
        self._observed.sent = "nothing"
        self._calls = {call: at for call, at in self._calls.items() if now - at < MAX_TOOL_SECONDS}

    def heard(self, now: float, *, is_answer: bool) -> None:
        """Note audible sound that left the output. What the model sent before it owed an answer is none."""
        self._advance(now)
        if self._caller_is_away:
            return
        self._waited = 0.0
        self._quiet_since = now
        self._response_was_heard = self._response_is_open
        if is_answer and self._is_owed:
            self._is_owed = False
            self._answered_at = now
            self._observed.sent = "audible"
            self._paused = 0.0

    # What the model does.

    def response_began(self, now: float) -> None:
        self._advance(now)
        self._response_is_open, self._response_was_heard = True, False

    def response_ended(self, now: float) -> None:
        """Note that the model completed its response."""
        self._advance(now)
        self._response_is_open = self._response_was_heard = False
        self._observed.has_completed = True

    def interrupted(self, now: float) -> None:
        """Note that the response was cut short: it does not go on."""
        self._advance(now)
        self._response_is_open = self._response_was_heard = False

    def sent(self, what: Sent, now: float) -> None:
        """Note something that the model sent."""
        if _CLOSENESS.index(what) > _CLOSENESS.index(self._observed.sent):
            self._observed.sent = what
            self._observed.sent_at = now

    def tool_began(self, call: str, now: float) -> None:
        self._advance(now)
        self._calls[call] = now

    def tool_ended(self, call: str, now: float, afterwards: Afterwards) -> bool:
        """Note that a tool returned or was stopped. Return whether an answer is owed because of it."""
        self._advance(now)
        began = self._calls.pop(call, None)
        if began is None:
            return False
        self._result_is_due |= afterwards == "answer"
        # What the caller asked while the tool ran is still to be answered.
        self._tool_was_the_answer |= afterwards == "nothing" and self._owed_at <= began
        if self._calls:
            return False
        is_due, self._result_is_due = self._result_is_due, False
        if is_due:
            self.owe(now)
        elif self._tool_was_the_answer:
            self._is_owed = False
        return is_due

    def model_did(self, event: ModelEvent, now: float) -> bool:
        """Note what the model's service did by itself. Return whether an answer is owed because of it.

        If none was owed, the model is asked because an answer that was partly heard broke off, or because it
        must introduce itself again. The wait for it began with the last sound, but half of it is left.
        """
        self._advance(now)
        match event:
            case TurnUnanswered(cause=cause):
                self._observed.reported = cause
            case ModelReconnected():
                self._observed.reconnected += 1
            case AnswerRequested() if self.is_due:
                self._observed.asked += 1
            case AnswerRequested():
                self.owe(now)
                self._observed.asked = 1
                if self._quiet_since is not None:
                    self._waited = min(now - self._quiet_since, self._seconds / 2)
                return True
            case _:
                pass
        return False

    # The outcome.

    def deadline(self, now: float) -> float | None:
        """Return when the caller will have waited too long if nothing else happens; None if never."""
        self._advance(now)
        if not self._seconds or not self._is_waiting:
            return None
        tools = max(0.0, MAX_TOOL_SECONDS - self._paused) if self._calls else 0.0
        deadline = now + max(0.0, self._seconds - self._waited) + tools
        if self._is_owed and self._observed.sent == "audible":
            return max(deadline, self._observed.sent_at + PLAYING_SECONDS)
        return deadline

    def unanswered(self, now: float) -> Unanswered | None:
        """Return what happened if the caller has waited too long."""
        deadline = self.deadline(now)
        if deadline is None or now < deadline:
            return None
        if self._is_owed and self._observed.sent == "audible":
            lost = RoomLost(
                f"The model answered, but for {self._seconds:g} seconds no sound of it left the bot; "
                "see the bot's log. The caller can call again."
            )
            return Unanswered("not_played", lost, is_reported=False)
        lost_model = ModelLost(
            f"The caller heard no answer for {self._seconds:g} seconds: {self._description}{self._attempts}. "
            "Check the model's status; the caller can call again."
        )
        return Unanswered(
            self._observed.reported or self._cause,
            lost_model,
            is_reported=self._observed.reported is not None,
        )

    @property
    def _is_waiting(self) -> bool:
        return self.is_due and not self._caller_speaks and not self._caller_is_away

    @property
    def _cause(self) -> UnansweredCause:
        if self._observed.sent == "inaudible":
            return "inaudible"
        return "empty_turn" if self._is_owed and self._observed.has_completed else "no_answer"

    @property
    def _description(self) -> str:
        if self._calls:
            return f"a tool took more than {MAX_TOOL_SECONDS:g} seconds"
        if not self._is_owed:
            return "the model broke off in the middle of one"
        if self._observed.reported == "connection_lost":
            return "the connection to the model was lost"
        if self._observed.sent == "nothing" and (
            self._observed.has_completed or self._observed.reported == "empty_turn"
        ):
            return "the model completed its turn without audio"
        return _OBSERVED[self._observed.sent]

    @property
    def _attempts(self) -> str:
        made = [
            f"{what} {_times(count)}"
            for what, count in (
                ("asked it again", self._observed.asked),
                ("reconnected", self._observed.reconnected),
            )
            if count
        ]
        return f", although the bot {' and '.join(made)}" if made else ""

    def _advance(self, now: float) -> None:
        """Add the time since the last event to the wait, or to the tools' share of it."""
        passed = 0.0 if self._updated is None else max(0.0, now - self._updated)
        self._updated = now
        if not self._is_waiting:
            return
        if self._calls:
            paused = min(passed, max(0.0, MAX_TOOL_SECONDS - self._paused))
            self._paused += paused
            passed -= paused
        self._waited += passed


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
