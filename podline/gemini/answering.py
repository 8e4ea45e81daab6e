"""The answer that the caller is owed: when it is late, and what is done about it."""

from typing import Any, Final

from podline.contract.messages import AnswerRequested, TurnUnanswered
from podline.current_call import call
from podline.errors import ModelLost
from podline.gemini.reply import Cause, OwedReply
from podline.gemini.writing import GeminiWriting
from podline.timer import Timer

TOOL_SECONDS: Final = 1.0
"""How often to look whether a tool that delays an answer still runs."""

ANSWER_AGAIN: Final = "The caller heard no answer. Say your answer to what they said last, aloud, now."

# How often an answer has been missing: after the first time the bot asks again, after the second it asks
# over another connection, after the third it gives up.
_ASKED_AGAIN: Final = 1
_RECONNECTED: Final = 2

_OBSERVED: Final[dict[Cause, str]] = {
    "empty_turn": "Gemini completed its turns without audio that can be played",
    "inaudible": "Gemini sent sound that can't be heard",
    "no_answer": "Gemini fell silent",
}


class GeminiAnswering(GeminiWriting):
    """Sees that each turn is answered audibly: it asks again, then reconnects, and at last gives up."""

    def __init__(self, *, mute_seconds: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        if mute_seconds is None:
            mute_seconds = call().mute_seconds
        # One half is for the first connection, the other for the second.
        self._reply = OwedReply(mute_seconds / 2 or None, self._clock)
        self._misses = 0
        self._is_asked = False
        self._watch = Timer()

    @property
    def _is_quiet(self) -> bool:
        return not (
            self._reply.is_owed or self._bot_is_responding or self._user_is_speaking or self._calls.running
        )

    @property
    def _is_answer_due(self) -> bool:
        return self._reply.is_owed

    @property
    def _is_answering_something_else(self) -> bool:
        return self._bot_is_responding and not self._reply.has_called_tool

    def _connection_ended(self) -> None:
        super()._connection_ended()
        self._watch.cancel()
        self._is_asked = False
        self._reply.connection_ended()

    def _wait_anew(self) -> None:
        self._reply.wait_anew()
        self._rearm()

    def _expect_reply(self, *, while_answering: bool = False, has_begun: bool = False) -> None:
        # While the caller speaks nothing is due: the wait begins with the end of their turn.
        if self._has_begun and not self._user_is_speaking:
            self._reply.ask(while_answering=while_answering, has_begun=has_begun)
            self._is_asked = self._session is not None
            self._rearm()

    def _settle(self) -> None:
        """Forget what was asked: the caller hears the answer."""
        self._misses = self._failures = 0
        self._settle_texts()
        self._unanswered_results.clear()
        self._watch.cancel()

    def _tool_was_called(self) -> None:
        self._reply.called_tool()
        self._unanswered_texts.clear()

    # A missing answer.

    def _rearm(self) -> None:
        self._watch.cancel()
        due = self._reply.due_at
        if due is not None and self._session is not None:
            self._watch.start(due - self._clock(), self._look_at_the_time)

    def _look_at_the_time(self) -> None:
        due = self._reply.due_at
        if due is None or self._session is None:
            return
        if self._calls.running:
            self._watch.start(TOOL_SECONDS, self._look_at_the_time)
            return
        if due > self._clock():
            self._rearm()
            return
        cause = self._reply.cause
        missing = self._turn_was_no_answer if cause == "empty_turn" else self._answer_is_late
        self.create_task(missing(cause), "ask for the late answer")

    async def _turn_was_no_answer(self, cause: Cause) -> None:
        """Ask again on a connection that works; the second time, on another one."""
        if self._misses > 0:
            await self._answer_is_late(cause)
            return
        await self._push_event(TurnUnanswered(cause))
        self._misses = _ASKED_AGAIN
        await self._push_event(AnswerRequested())
        await self._say_to_model(ANSWER_AGAIN)
        self._reply.ask_again()
        self._rearm()

    async def _answer_is_late(self, cause: Cause) -> None:
        """Ask over another connection; give up if this is the second."""
        if self._misses >= _RECONNECTED and self._reply.is_audible:
            # The model doesn't complete its turns, and the caller has heard the answer.
            self._reply.withdraw()
            self._settle()
            await self._close_response()
            return
        if self._misses == 0:
            await self._push_event(TurnUnanswered(cause))
        if self._misses < _RECONNECTED:
            self._misses = _RECONNECTED
            self._restart(resumes=False)
        else:
            await self._give_up(
                ModelLost(f"{_OBSERVED[cause]}, even on a second connection; the caller can call again.")
            )
