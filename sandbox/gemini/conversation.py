"""The turns of one session: what is heard or read becomes an answer, and speech cuts an answer short."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.gemini import server_messages, wire
from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.bending import THOUGHT
from sandbox.gemini.faults import Moment
from sandbox.gemini.memory import Memory
from sandbox.gemini.record import SessionRecord, TurnRecord
from sandbox.gemini.speech import Speaker
from sandbox.gemini.tool_use import ToolUse
from sandbox.gemini.understanding import asked_by_voice, asked_in_writing
from sandbox.gemini.usage import Spent, heard_tokens, spoken_tokens, usage_metadata
from sandbox.mind import answers
from sandbox.mind.dialogue import Asked, TurnKind
from sandbox.mind.intents import Goodbye, Greet, Intent, Recall, Remove, Save, Say, Search
from sandbox.mind.tokens import text_tokens
from sandbox.mind.understanding import read_history

Send = Callable[[dict[str, Any]], Awaitable[bool]]
"""Sends a message, and returns whether it went out."""

Reach = Callable[[Moment], Awaitable[bool]]
"""Reports a moment at which something may go wrong; returns whether the connection still works."""

_INTERRUPT: Final = "INTERRUPT"
"""The scheduling of a result that the model speaks of at once instead of when it is idle."""


@dataclass(kw_only=True)
class Conversation:
    """Takes what the client sends, one thing at a time, and answers in a task of its own.

    The `take_` methods return soon; the answer goes on until it is spoken or cut short.
    """

    setup: wire.Setup
    memory: Memory
    categories: Collection[str]
    speaker: Speaker
    record: SessionRecord
    send: Send
    reach: Reach
    clock: Callable[[], float]
    tasks: asyncio.TaskGroup
    new_handle: Callable[[], str]
    behaviour: Behaviour = field(default_factory=Behaviour)
    _answer: asyncio.Task[None] | None = field(init=False, default=None)
    _tools: ToolUse = field(init=False)
    _unanswered: str = field(init=False, default="")
    _in_history: bool = field(init=False)
    _turn_audio_seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._tools = ToolUse(
            setup=self.setup,
            memory=self.memory,
            record=self.record,
            behaviour=self.behaviour,
            send=self.send,
            begin_turn=self._begin_turn,
            pause=self.speaker.pause,
            clock=self.clock,
        )
        self._in_history = self.setup.history_config.initial_history_in_client_content
        instruction = self.setup.system_instruction
        if instruction is not None and not self.memory.instructed:
            self.memory.instructed = True
            self.memory.remember(Spent(prompt_text=text_tokens(instruction.text)))

    @property
    def is_answering(self) -> bool:
        return self._answer is not None and not self._answer.done()

    async def open(self) -> None:
        """Confirm the client's setup, and send it a handle to come back with."""
        await self.send({"setupComplete": {}})
        await self._send_handle()

    async def take_content(self, content: wire.ClientContent) -> None:
        """Take turns written by the application, and answer once it says that they are complete.

        What a client sends as history is not answered until it asks in another way. Anything else cuts the
        answer short that is being given: ai.google.dev/api/live#BidiGenerateContentClientContent.
        """
        if not self._in_history:
            await self.interrupt()
        for turn in content.turns:
            self._read(turn)
        if not content.turn_complete:
            if not self._in_history:
                self.record.notes += [turn.text for turn in content.turns]
            return
        if self._in_history:
            self._in_history = False
            return
        text, self._unanswered = self._unanswered, ""
        self._begin(self._answer_written(text))

    async def take_text(self, text: str) -> None:
        """Take typed text. A blank one only nudges the model to answer what was written, or to begin."""
        self._in_history = False
        unanswered, self._unanswered = self._unanswered, ""
        if text.strip():
            self.memory.remember(Spent(prompt_text=text_tokens(text)))
            await self.interrupt()
            self._begin(self._answer_written(text.strip(), typed=True))
        elif (unanswered or not self.memory.greeted) and not self.is_answering:
            self._begin(self._answer_written(unanswered))

    async def take_speech(self, words: Awaitable[str | None], seconds: float, silence: float) -> None:
        """Take a finished utterance that is still being recognized.

        Args:
            words: What was said, or None.
            seconds: How long the utterance was.
            silence: How many seconds of silence ended it.
        """
        self._in_history = False
        self._unanswered = ""
        self.memory.remember(Spent(prompt_audio=heard_tokens(seconds)))
        await self.interrupt()
        self._begin(self._answer_spoken(words, silence, self.clock()))

    async def take_tool_response(self, response: wire.FunctionResponse) -> None:
        """Take a tool's result: for the answer that waits for it, or one asked for before a reconnect."""
        if response.will_continue:
            return
        if not await self.reach("tool_response"):
            return
        if not self._tools.take(response):
            return
        if response.scheduling == _INTERRUPT:
            await self.interrupt()
        if not self.is_answering:
            self._begin(self._say_nothing())

    async def interrupt(self) -> None:
        """Drop the rest of the answer that is being given, if there is one."""
        if self._answer is None or self._answer.done():
            return
        self._answer.cancel()
        await asyncio.wait([self._answer])
        self.record.interruptions += 1
        await self._tools.cancel_awaited()
        await self.send(server_messages.interrupted())
        await self._complete_turn()

    def stop(self) -> None:
        """The connection is gone: say no more."""
        if self._answer is not None:
            self._answer.cancel()

    def _read(self, turn: wire.Content) -> None:
        self.memory.remember(Spent(prompt_text=text_tokens(turn.text)))
        if self._in_history:
            self.record.history_turns += 1
        if turn.role == "model":
            self.memory.greeted = True
            self.memory.answer()
            self._unanswered = ""
        elif turn.text.strip():
            self._unanswered = turn.text.strip()
            read_history(self.memory, self._unanswered, self.categories)

    def _begin(self, answer: Coroutine[Any, Any, None]) -> None:
        self._answer = self.tasks.create_task(self._answer_all(answer))

    async def _answer_all(self, answer: Coroutine[Any, Any, None]) -> None:
        """Give an answer, and then what tools have brought in the meantime."""
        await answer
        while (late := await self._tools.next_late_answer()) is not None:
            await self._say(late)

    async def _say_nothing(self) -> None:
        """Say nothing before the results that tools have brought."""

    async def _answer_spoken(self, words: Awaitable[str | None], silence: float, asked_at: float) -> None:
        heard = await words
        turn = self._open_turn(heard, silence)
        asked = asked_by_voice(self.memory, heard, self.categories)
        await self._begin_turn(asked.kind, heard)
        await self._respond(asked, turn, asked_at)

    async def _answer_written(self, text: str, *, typed: bool = False) -> None:
        asked_at = self.clock()
        turn = self._open_turn(text or None, 0.0)
        asked = asked_in_writing(self.memory, text, self.categories, typed=typed)
        await self._begin_turn(asked.kind)
        await self._respond(asked, turn, asked_at)

    async def _begin_turn(self, kind: TurnKind, heard: str | None = None) -> None:
        """Begin a turn: transcribe what was heard, and think if that was ordered."""
        self.behaviour.begin(kind, self.memory.caller.utterances)
        await self.reach("turn_start")
        if heard and self.setup.input_audio_transcription is not None:
            await self.send(server_messages.input_transcription(f"{heard.capitalize()}."))
        thoughts = self.behaviour.thoughts()
        if thoughts is None:
            return
        for _ in itertools.count() if thoughts.count is None else range(thoughts.count):
            await self.send(server_messages.model_turn([THOUGHT]))
            await self.speaker.pause(thoughts.every_seconds)

    def _open_turn(self, heard: str | None, silence: float) -> TurnRecord:
        turn = TurnRecord(heard, silence)
        self.record.turns.append(turn)
        return turn

    async def _respond(self, asked: Asked, turn: TurnRecord, asked_at: float) -> None:
        text = asked.answer
        if text is None and not self.behaviour.is_empty():
            text = await self._words_for(asked.intent, turn)
        await self._say(text, turn, asked_at)

    async def _words_for(self, intent: Intent | None, turn: TurnRecord) -> str | None:
        match intent:
            case Say():
                return intent.text
            case Greet():
                return answers.GREETING
            case Goodbye():
                await self._tools.announce_farewell()
                return answers.FAREWELL
            case Search() | Save() | Remove():
                return await self._tools.use(intent, turn)
            case Recall():
                return answers.recalled(self.memory.search)
            case _:
                return answers.SORRY

    async def _say(
        self, text: str | None, turn: TurnRecord | None = None, asked_at: float | None = None
    ) -> None:
        """Speak, then wait until a client that plays in real time has played it all."""
        if self.behaviour.is_empty():
            await self._complete_turn()
            return
        self.memory.greeted = True
        began_at = self.clock()
        async for piece in self.speaker.speak(text or "", self.behaviour.chunk_seconds()):
            sent = await self.send(server_messages.audio_content(piece.samples, self.speaker.rate))
            self._turn_audio_seconds += piece.seconds
            if sent and turn is not None and turn.think_seconds is None and asked_at is not None:
                turn.think_seconds = self.clock() - asked_at
            if piece.words and self.setup.output_audio_transcription is not None:
                await self.send(server_messages.output_transcription(piece.words))
        self.memory.answer()
        await self.send(server_messages.generation_complete())
        await self.speaker.wait_until_played(began_at, self._turn_audio_seconds)
        await self._complete_turn()

    async def _complete_turn(self) -> None:
        spoken = spoken_tokens(self._turn_audio_seconds)
        self._turn_audio_seconds = 0.0
        context = self.memory.context
        spent = Spent(context.prompt_text, context.prompt_audio, spoken)
        self.memory.remember(Spent(prompt_audio=spoken))
        await self.send(server_messages.turn_complete(usage_metadata(spent)))
        await self._send_handle()

    async def _send_handle(self) -> None:
        if self.setup.session_resumption is not None:
            await self.send(server_messages.resumption_update(self.new_handle()))
