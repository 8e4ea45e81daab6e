"""What is written to the model: the first context, typed text, appended messages and notes."""

from abc import abstractmethod
from collections import deque
from typing import Any, Final

from pipecat.frames import frames
from pipecat.frames.frames import Frame, InputTextRawFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection

from podline.frames import ModelNoteFrame
from podline.gemini.history import last_request, text_of_messages
from podline.gemini.known_messages import KnownMessages
from podline.gemini.tool_use import GeminiToolUse

_WITH_TEXT: Final = (InputTextRawFrame, getattr(frames, "LLMContextUserTurnFrame", InputTextRawFrame))
"""Frames whose words are in the context. Pipecat has the second from 1.13 on."""

MOST_NOTES: Final = 32
"""How many notes may wait for the model to be quiet. The latest are kept."""


class GeminiWriting(GeminiToolUse):
    """Keeps what is written to the model until it is answered, for a connection that hasn't got it.

    Pipecat's service ignores messages that its aggregator appends to the context and asks to be answered,
    such as text that a client types (RTVI's `send-text`). This one says them to the model.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._unanswered_texts: list[str] = []
        self._appended_texts: list[str] = []
        self._known = KnownMessages()
        self._notes: deque[ModelNoteFrame] = deque(maxlen=MOST_NOTES)
        self._is_without_context = False

    @property
    def _has_begun(self) -> bool:
        """True once the model has a conversation. What comes before has nobody to answer it."""
        return self._context is not None or self._is_without_context

    def _settle_texts(self) -> None:
        """Forget what was written: it is answered."""
        self._unanswered_texts.clear()
        self._known.forget_texts()

    @abstractmethod
    def _expect_reply(self, *, while_answering: bool = False) -> None:
        """Note that an answer is due from now on."""

    # The context.

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, _WITH_TEXT) and self._context is not None:
            # Its words are in the context, for the model has heard them or gets them now.
            self._known.learn_text(self._context.get_messages(), frame.text)
        await super().process_frame(frame, direction)

    async def _handle_context(
        self, context: LLMContext, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        is_first = self._context is None
        await super()._handle_context(context, direction)
        if direction is FrameDirection.DOWNSTREAM:
            messages = context.get_messages()
            text = "" if is_first else self._known.unknown(messages)
            self._known.learn(messages)
            if text:
                await self._send_user_text(text)

    async def _create_initial_response(self, for_reconnect: bool = False) -> None:  # noqa: FBT001, FBT002 - Pipecat's
        asks = not for_reconnect and await self._is_first_context_answered()
        if asks and self._context is not None:
            self._unanswered_texts = [last_request(self._context.get_messages())]
        await super()._create_initial_response(for_reconnect)
        if asks:
            self._expect_reply()

    async def _is_first_context_answered(self) -> bool:
        if self._context is None or not self._inference_on_context_initialization:
            return False
        invocation: Any = await self.get_llm_adapter().get_llm_invocation_params(self._context)
        return bool(invocation.get("messages"))

    # Typed text.

    async def _send_user_text(self, text: str) -> None:
        if not self._has_begun:
            return
        # Kept, because between two connections the text would be lost.
        self._unanswered_texts.append(text)
        await self._say_to_model(text)
        self._expect_reply(while_answering=self._bot_is_responding)

    async def _say_to_model(self, text: str) -> None:
        """Send a text that isn't kept."""
        await super()._send_user_text(text)

    async def _repeat_texts(self) -> bool:
        """Send a session the texts that the one before has not answered; return whether there are any."""
        texts = " ".join(filter(None, self._unanswered_texts))
        if texts:
            await self._say_to_model(texts)
        return bool(texts)

    # Appended messages.

    async def _session_opened(self) -> None:
        await super()._session_opened()
        if self._is_without_context:
            self._ready_for_realtime_input = True

    async def _handle_interruption(self) -> None:
        self._appended_texts.clear()
        await super()._handle_interruption()  # type: ignore[no-untyped-call]

    async def _handle_messages_append(self, frame: Any) -> None:
        if isinstance(frame, ModelNoteFrame):
            self._notes.append(frame)
            if self._is_quiet or self._user_is_speaking:
                await self._send_notes()
            return
        self._known.add(frame.messages)
        text = text_of_messages(frame.messages)
        if self._context is None:
            # A pipeline without aggregators begins, or goes on, with messages.
            self._is_without_context = True
            await super()._handle_messages_append(frame)
            self._ready_for_realtime_input = self._session is not None
            self._unanswered_texts.append(text)
            self._expect_reply()
            return
        self._appended_texts.append(text)
        await super()._handle_messages_append(frame)
        # Between two connections Pipecat would forget that an answer may be asked for.
        self._content_awaiting_response = True

    async def _complete_turn(self) -> None:
        self._unanswered_texts += self._appended_texts
        self._appended_texts.clear()
        self._content_awaiting_response = False
        await super()._complete_turn()  # type: ignore[no-untyped-call]
        self._expect_reply(while_answering=self._bot_is_responding)

    async def _send_notes(self) -> None:
        """Send notes while no answer is being made, which they would cut short (see `ClientContent`)."""
        while self._notes and self._session is not None:
            await super()._handle_messages_append(self._notes.popleft())
            # Pipecat would ask for an answer to them with the next tool's result.
            self._content_awaiting_response = False
