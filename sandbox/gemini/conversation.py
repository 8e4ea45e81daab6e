"""The turns of one session: what is heard or read becomes an answer, and speech cuts an answer short."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sandbox.gemini import answers, wire
from sandbox.gemini.answers import Request
from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.bending import THOUGHT
from sandbox.gemini.faults import Moment
from sandbox.gemini.intents import Goodbye, Greet, Intent, Remove, Save, Say, Search, parse, parse_instruction
from sandbox.gemini.memory import Memory
from sandbox.gemini.record import SessionRecord, ToolResponseRecord, TurnRecord
from sandbox.gemini.speech import Speaker
from sandbox.gemini.usage import Spent, heard_tokens, spoken_tokens, text_tokens, usage_metadata

Send = Callable[[dict[str, Any]], Awaitable[bool]]
"""Sends a message, and returns whether it went out."""

Reach = Callable[[Moment], Awaitable[None]]
"""Says that a moment has come at which something may go wrong."""

_FAREWELL_TOOLS: Final = ("end_call", "goodbye")
_SILENT: Final = "SILENT"


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
    _waiting: dict[str, asyncio.Future[wire.FunctionResponse]] = field(init=False, default_factory=dict)
    _unanswered: str = field(init=False, default="")
    _in_history: bool = field(init=False)
    _turn_audio_seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._in_history = self.setup.history_config.initial_history_in_client_content
        instruction = self.setup.system_instruction
        if instruction is not None and not self.memory.instructed:
            self.memory.instructed = True
            self._remember(Spent(prompt_text=text_tokens(instruction.text)))

    @property
    def is_answering(self) -> bool:
        return self._answer is not None and not self._answer.done()

    async def open(self) -> None:
        """Confirm the client's setup, and send it a handle to come back with."""
        await self.send({"setupComplete": {}})
        await self._send_handle()

    async def take_content(self, content: wire.ClientContent) -> None:
        """Take turns written by the application, and answer once it says that they are complete.

        What a client sends as history is not answered until it asks in another way.
        """
        for turn in content.turns:
            self._read(turn)
        if not content.turn_complete:
            return
        if self._in_history:
            self._in_history = False
            return
        text, self._unanswered = self._unanswered, ""
        await self.interrupt()
        self._begin(self._answer_written(text))

    async def take_text(self, text: str) -> None:
        """Take typed text. A blank one only nudges the model to answer what was written, or to begin."""
        self._in_history = False
        unanswered, self._unanswered = self._unanswered, ""
        if text.strip():
            self._remember(Spent(prompt_text=text_tokens(text)))
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
        self._remember(Spent(prompt_audio=heard_tokens(seconds)))
        await self.interrupt()
        self._begin(self._answer_spoken(words, silence, self.clock()))

    async def take_tool_response(self, response: wire.FunctionResponse) -> None:
        """Take a tool's result: for the answer that waits for it, or one asked for before a reconnect."""
        if response.will_continue:
            return
        await self.reach("tool_response")
        call_id = self.memory.announced.get(response.id, response.id)
        if not self._closes_call(call_id):
            return
        request = self.memory.close_call(call_id, "repeated")
        self._remember(Spent(prompt_text=text_tokens(str(response.response))))
        waiting = self._waiting.pop(call_id, None)
        if waiting is not None:
            waiting.set_result(response)
        elif request is not None and response.scheduling != _SILENT:
            await self.interrupt()
            self._begin(self._answer_late(answers.answer_from(request, response.response)))

    async def interrupt(self) -> None:
        """Drop the rest of the answer that is being given, if there is one."""
        if self._answer is None or self._answer.done():
            return
        self._answer.cancel()
        await asyncio.wait([self._answer])
        self.record.interruptions += 1
        await self._cancel_tool_calls()
        await self.send(wire.interrupted())
        await self._complete_turn()

    def stop(self) -> None:
        """The connection is gone: say no more."""
        if self._answer is not None:
            self._answer.cancel()

    def _read(self, turn: wire.Content) -> None:
        self._remember(Spent(prompt_text=text_tokens(turn.text)))
        if self._in_history:
            self.record.history_turns += 1
        if turn.role == "model":
            self.memory.greeted = True
            self._unanswered = ""
        elif turn.text.strip():
            self._unanswered = turn.text.strip()

    def _closes_call(self, call_id: str) -> bool:
        """Note what a tool's response is worth: whether it is the first one to an open call."""
        outcome = self.memory.outcome_of(call_id)
        self.record.tool_responses.append(ToolResponseRecord(call_id, outcome))
        return outcome == "answered"

    async def _cancel_tool_calls(self) -> None:
        """Call off the calls that the answer being given waits for."""
        if cancelled := list(self._waiting):
            for call_id in cancelled:
                self._waiting.pop(call_id).cancel()
                self.memory.close_call(call_id, "cancelled")
            await self.send(wire.tool_call_cancellation(cancelled))

    def _begin(self, answer: Coroutine[Any, Any, None]) -> None:
        self._answer = self.tasks.create_task(answer)

    async def _answer_spoken(self, words: Awaitable[str | None], silence: float, asked_at: float) -> None:
        heard = await words
        turn = self._open_turn(heard, silence)
        self.memory.caller.utterances += 1
        await self._begin_turn("answer", heard)
        await self._respond(parse(heard or "", self.categories), turn, asked_at)

    async def _answer_written(self, text: str, *, typed: bool = False) -> None:
        asked_at = self.clock()
        is_greeting = not self.memory.greeted and not typed
        intent = parse(text, self.categories) or parse_instruction(text)
        if intent is None and not self.memory.greeted:
            intent = Greet()
        turn = self._open_turn(text or None, 0.0)
        self.memory.caller.utterances += not is_greeting
        await self._begin_turn("greeting" if is_greeting else "answer")
        await self._respond(intent, turn, asked_at)

    async def _answer_late(self, text: str) -> None:
        """Give the answer that a tool's result brings after a reconnect."""
        await self._begin_turn("tool_result")
        await self._say(text)

    async def _begin_turn(
        self, kind: Literal["greeting", "answer", "tool_result"], heard: str | None = None
    ) -> None:
        """Begin a turn: transcribe what was heard, and think if that was ordered."""
        self.behaviour.begin(kind, self.memory.caller.utterances)
        await self.reach("turn_start")
        if heard and self.setup.input_audio_transcription is not None:
            await self.send(wire.input_transcription(f"{heard.capitalize()}."))
        thoughts = self.behaviour.thoughts()
        if thoughts is None:
            return
        for _ in itertools.count() if thoughts.count is None else range(thoughts.count):
            await self.send(wire.model_turn([THOUGHT]))
            await self.speaker.pause(thoughts.every_seconds)

    def _open_turn(self, heard: str | None, silence: float) -> TurnRecord:
        turn = TurnRecord(heard, silence)
        self.record.turns.append(turn)
        return turn

    async def _respond(self, intent: Intent | None, turn: TurnRecord, asked_at: float) -> None:
        text = None if self.behaviour.is_empty() else await self._words_for(intent, turn)
        await self._say(text, turn, asked_at)

    async def _words_for(self, intent: Intent | None, turn: TurnRecord) -> str | None:
        match intent:
            case None:
                return answers.SORRY
            case Say():
                return intent.text
            case Greet():
                return answers.GREETING
            case Goodbye():
                await self._announce_farewell()
                return answers.FAREWELL
            case Search() | Save() | Remove():
                return await self._use_tool(intent, turn)

    async def _use_tool(self, request: Request, turn: TurnRecord) -> str | None:
        """Call the tool for a request and say what came of it; None where the client wants silence."""
        name, arguments = _tool_for(request)
        declared = self.setup.functions.get(name)
        if declared is None:
            return answers.NO_TOOL
        known = {key: value for key, value in arguments.items() if key in declared.parameter_names}
        call_id = self.memory.open_call(request)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = waiting
        asked_at = self.clock()
        cancellation = self.behaviour.cancellation()
        await self._call(call_id, name, known)
        if cancellation is not None and not cancellation.after_result:
            await self.speaker.pause(cancellation.delay_seconds)
            if cancellation.id is None and call_id in self._waiting:
                await self._cancel_tool_calls()
                return None
            await self.send(wire.tool_call_cancellation([cancellation.id or call_id]))
        response: wire.FunctionResponse = await waiting
        turn.tool_seconds = self.clock() - asked_at
        if cancellation is not None and cancellation.after_result:
            await self.speaker.pause(cancellation.delay_seconds)
            await self.send(wire.tool_call_cancellation([cancellation.id or call_id]))
        await self._begin_turn("tool_result")
        if response.scheduling == _SILENT:
            return None
        return answers.answer_from(request, response.response)

    async def _announce_farewell(self) -> None:
        """Call the application's tool for a goodbye, if it declared one."""
        name = next((name for name in _FAREWELL_TOOLS if name in self.setup.functions), None)
        if name is not None:
            await self._call(self.memory.open_call(None), name, {})

    async def _call(self, call_id: str, name: str, arguments: dict[str, Any]) -> None:
        self.record.tool_calls.append(name)
        announced = self.behaviour.announced(call_id)
        if announced != call_id:
            self.memory.announced[announced or ""] = call_id
        await self.send(wire.tool_call(announced, name, arguments))

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
            sent = await self.send(wire.audio_content(piece.samples, self.speaker.rate))
            self._turn_audio_seconds += piece.seconds
            if sent and turn is not None and turn.think_seconds is None and asked_at is not None:
                turn.think_seconds = self.clock() - asked_at
            if piece.words and self.setup.output_audio_transcription is not None:
                await self.send(wire.output_transcription(piece.words))
        await self.send(wire.generation_complete())
        await self.speaker.wait_until_played(began_at, self._turn_audio_seconds)
        await self._complete_turn()

    async def _complete_turn(self) -> None:
        spoken = spoken_tokens(self._turn_audio_seconds)
        self._turn_audio_seconds = 0.0
        context = self.memory.context
        spent = Spent(context.prompt_text, context.prompt_audio, spoken)
        self._remember(Spent(prompt_audio=spoken))
        await self.send(wire.turn_complete(usage_metadata(spent)))
        await self._send_handle()

    async def _send_handle(self) -> None:
        if self.setup.session_resumption is not None:
            await self.send(wire.resumption_update(self.new_handle()))

    def _remember(self, tokens: Spent) -> None:
        self.memory.context = self.memory.context.plus(tokens)


def _tool_for(request: Request) -> tuple[str, dict[str, Any]]:
    """The tool's name and its arguments, without those the caller said nothing about."""
    match request:
        case Search():
            arguments = {
                "query": request.query,
                "category": request.category,
                "priceRange": request.price_range,
            }
            return "search_products", {key: value for key, value in arguments.items() if value is not None}
        case Save():
            return "save_product", {"productNumber": request.number}
        case Remove():
            return "remove_product", {"productNumber": request.number}
