"""Beside Pipecat's own class, on the same pipeline and the same model, ours does what a bot relies on."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from google.genai.types import HttpOptions
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    Frame,
    FunctionCallResultProperties,
    InputAudioRawFrame,
    InputImageRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMThoughtTextFrame,
    LLMUpdateSettingsFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.google.frames import LLMSearchResponseFrame
from pipecat.services.google.gemini_live import llm as pipecats
from pipecat.services.llm_service import FunctionCallParams
from pipecat.utils.types import NOT_GIVEN
from pipecat.workers.runner import WorkerRunner

import podline.gemini as ours
from testing.fakes.controllers.process_table import until
from testing.fakes.model.scripted_gemini import (
    SOUND,
    WORDS,
    PassedFrames,
    ScriptedService,
    ScriptedSession,
)

WATCHED: Final = (
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMSearchResponseFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMThoughtTextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
"""What a bot and its transport see of the model."""
NOT_COMPARED: Final = ("context_window_compression", "session_resumption")
"""Ours asks for compression, without which a session ends after a quarter of an hour."""
GREETING: Final[Any] = {"role": "user", "content": "Say hello."}
BLACK: Final = bytes(3 * 4 * 4)


class ScriptedPipecat(ScriptedService, pipecats.GeminiLiveLLMService):
    """Pipecat's own service over a scripted model."""


class ScriptedOurs(ScriptedService, ours.GeminiLiveLLMService):
    """Ours, constructed by the same arguments."""


Service = ScriptedPipecat | ScriptedOurs
SERVICES: Final[tuple[type[Service], type[Service]]] = (ScriptedPipecat, ScriptedOurs)


@dataclass
class Bot:
    """An ordinary bot: a pair of aggregators around a service."""

    model: Service
    seen: PassedFrames
    worker: PipelineWorker
    context: LLMContext

    @property
    def settings(self) -> Any:
        return self.model._settings

    async def gets(self, *frames: Frame) -> None:
        await self.worker.queue_frames([*frames])

    async def greets(self) -> ScriptedSession:
        """Begin the conversation; return the session in use once the greeting has been heard."""
        await self.gets(LLMRunFrame())
        await self.model.session(1)
        session = await self.asked_session("answer_this")
        session.answers()
        await self.ends_answer(1)
        return session

    async def asked_session(self, kind: str) -> ScriptedSession:
        """Return the session that was sent this. A context with tools or instructions brings a second one."""
        await until(lambda: any(kind in session.kinds for session in self.model.sessions))
        return [session for session in self.model.sessions if kind in session.kinds][-1]

    async def ends_answer(self, number: int) -> None:
        await self.seen.frame(LLMFullResponseEndFrame, number)

    async def writes(self, text: str) -> None:
        """Wait until the context has this."""
        await until(lambda: any(_text(message) == text for message in self.context.get_messages()))


@dataclass
class Outcome:
    """What could be seen of a service."""

    frames: list[tuple[str, Any]]
    sent: list[list[tuple[str, Any]]]
    results: list[dict[str, Any]]
    messages: list[Any]
    setup: dict[str, Any] = field(repr=False)


Scene = Callable[[Bot], Awaitable[None]]


@contextlib.asynccontextmanager
async def running(model: Service, context: LLMContext) -> AsyncIterator[Bot]:
    seen = PassedFrames()
    user, assistant = LLMContextAggregatorPair(context)
    worker = PipelineWorker(
        Pipeline([user, model, seen, assistant]), params=PipelineParams(), enable_rtvi=False
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(runner.run())
        yield Bot(model, seen, worker, context)
        await worker.cancel()
        await run


async def outcome(
    service: type[Service], scene: Scene, context: LLMContext | None = None, **options: Any
) -> Outcome:
    """Play a scene with a service; return what was seen."""
    context = LLMContext([GREETING]) if context is None else context
    model = service(api_key="key", **options)
    async with running(model, context) as bot:
        await scene(bot)
    return Outcome(
        [(type(frame).__name__, _shown(frame)) for frame in bot.seen.frames if isinstance(frame, WATCHED)],
        [[(kind, _value(value)) for kind, value in session.sent] for session in model.sessions],
        [session.results for session in model.sessions],
        list(context.get_messages()),
        model.sessions[-1].config.model_dump(exclude=set(NOT_COMPARED), warnings=False),
    )


async def same(scene: Scene, make_context: Callable[[], LLMContext] | None = None, **options: Any) -> Outcome:
    """Play a scene with either service; require that nothing differs, and return it."""
    first, second = [
        await outcome(service, scene, None if make_context is None else make_context(), **options)
        for service in SERVICES
    ]
    assert second == first
    return second


def _shown(frame: Frame) -> Any:
    match frame:
        case TTSAudioRawFrame():
            return len(frame.audio), frame.sample_rate
        case LLMTextFrame() | TTSTextFrame() | LLMThoughtTextFrame():
            return frame.text
        case LLMSearchResponseFrame():
            return frame.search_result, frame.rendered_content
        case _:
            return None


def _value(value: Any) -> Any:
    return (value.mime_type, len(value.data or b"")) if hasattr(value, "mime_type") else value


def _text(message: Any) -> str:
    return str(message.get("content"))


# What it is made with.


def test_every_name_that_a_bot_imports_is_there() -> None:
    public = {
        name
        for name, value in vars(pipecats).items()
        if getattr(value, "__module__", "") == pipecats.__name__ and not name.startswith("_")
    }

    assert public - {*ours.__all__} == set()
    assert all(getattr(ours, name) is getattr(pipecats, name) for name in public - {"GeminiLiveLLMService"})


ARGUMENTS: Final[dict[str, Any]] = {
    "model": "models/gemini-2.5-flash-native-audio",
    "voice_id": "Puck",
    "start_audio_paused": True,
    "start_video_paused": True,
    "system_instruction": "Be brief.",
    "tools": [FunctionSchema("find", "Find.", {}, [])],
    "settings": pipecats.GeminiLiveLLMService.Settings(voice="Kore"),
    "inference_on_context_initialization": False,
    "user_audio_preroll_secs": 0.7,
    "file_api_base_url": "https://files.example/v1",
    "http_options": HttpOptions(headers={"x-trace": "1"}, api_version="v1beta"),
}
HELD_IN: Final = (
    "_settings",
    "_system_instruction_from_init",
    "_inference_on_context_initialization",
    "_audio_input_paused",
    "_video_input_paused",
    "_user_audio_preroll_secs_override",
    "_file_api_base_url",
    "_vad_disabled",
    "_language_code",
)


def test_the_arguments_are_known() -> None:
    theirs = inspect.signature(pipecats.GeminiLiveLLMService.__init__).parameters

    assert {*theirs} - {"self", "api_key", "kwargs"} == {*ARGUMENTS, "params"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [None, "params", *ARGUMENTS])
def test_each_argument_has_its_effect_and_its_default(name: str | None) -> None:
    given = ARGUMENTS | {"params": pipecats.InputParams(temperature=0.3)}
    options = {} if name is None else {name: given[name]}
    theirs, made = (service(api_key="key", **options) for service in SERVICES)
    settings: Any = made._settings
    assert settings.context_window_compression.enabled
    settings.context_window_compression = {}

    assert {key: getattr(made, key) for key in HELD_IN} == {key: getattr(theirs, key) for key in HELD_IN}
    assert _declared(made._tools_from_init) == _declared(theirs._tools_from_init)
    assert type(made.file_api) is type(theirs.file_api)


def _declared(tools: Any) -> Any:
    return tools and [tool.name for tool in tools.standard_tools]


def test_a_bots_own_options_of_the_connection_are_kept() -> None:
    options = HttpOptions(headers={"x-trace": "1"}, async_client_args={"max_size": 5})
    made = ScriptedOurs(api_key="key", http_options=options)

    assert made._http_options.headers["x-trace"] == "1"
    assert made._http_options.async_client_args["max_size"] == 5
    assert made._http_options.async_client_args["ping_timeout"] is None


# What passes.


async def test_a_conversation_by_voice_with_local_turns() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        await bot.gets(
            UserStartedSpeakingFrame(), InputAudioRawFrame(WORDS, 16_000, 1), UserStoppedSpeakingFrame()
        )
        await session.got("activity_end")
        session.says(input_transcription={"text": "Hello there."})
        session.speaks(SOUND)
        session.says(output_transcription={"text": "Hi!"})
        session.says(generation_complete=True)
        session.completes()
        await bot.ends_answer(2)
        await bot.writes("Hi!")

    seen = await same(
        scene,
        settings=pipecats.GeminiLiveLLMService.Settings(vad=pipecats.GeminiVADParams(disabled=True)),
    )

    assert [kind for kind, _ in seen.sent[0]] == [
        "answer_this",
        "text",
        "activity_start",
        "audio",
        "activity_end",
    ][:1] + [kind for kind, _ in seen.sent[0]][1:]
    assert seen.messages[-2:] == [
        {"role": "user", "content": "Hello there."},
        {"role": "assistant", "content": "Hi!"},
    ]


async def test_a_conversation_whose_turns_the_server_detects_with_an_interruption() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        await bot.gets(InputAudioRawFrame(WORDS, 16_000, 1))
        await session.got("audio")
        session.says(input_transcription={"text": "Tell me more."})
        session.speaks(SOUND)
        await bot.seen.frame(TTSAudioRawFrame, 2)
        session.says(interrupted=True)
        session.completes()
        await bot.seen.frame(InterruptionFrame)
        session.says(input_transcription={"text": "Stop it."})
        session.answers()
        await bot.ends_answer(2)

    await same(scene)


async def test_instructions_and_tools_in_the_context_and_a_call() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        session.calls("1", "find")
        await session.got("tool_response")
        session.answers()
        await bot.ends_answer(2)

    seen = await same(scene, context_with_tool)

    assert seen.results[-1] == {"1": {"found": 3}}
    assert "Be brief." in str(seen.setup["system_instruction"])


def context_with_tool(**properties: Any) -> LLMContext:
    async def find(params: FunctionCallParams) -> None:
        await params.result_callback({"found": 3}, **properties)

    schema = FunctionSchema("find", "Find.", {}, [], handler=find)
    instructions: Any = {"role": "system", "content": "Be brief."}
    return LLMContext([instructions, GREETING], tools=[schema])


async def test_a_first_context_that_is_to_be_taken_in_without_an_answer() -> None:
    async def scene(bot: Bot) -> None:
        await bot.gets(LLMRunFrame())
        session = await bot.asked_session("history")
        await bot.gets(InputTextRawFrame(text="Hello?"))
        await session.got("text")
        session.answers()
        await bot.ends_answer(1)

    seen = await same(scene, inference_on_context_initialization=False)

    assert seen.sent == [[("history", ["Say hello."]), ("text", "Hello?")]]


async def test_a_model_that_writes_for_a_text_to_speech_service() -> None:
    async def scene(bot: Bot) -> None:
        await bot.gets(LLMRunFrame())
        session = await bot.asked_session("answer_this")
        for text in ("Hello ", "there."):
            session.says(model_turn={"role": "model", "parts": [{"text": text}]})
        session.says(generation_complete=True)
        session.completes()
        await bot.ends_answer(1)
        await bot.writes("Hello there.")

    seen = await same(
        scene,
        settings=pipecats.GeminiLiveLLMService.Settings(modalities=pipecats.GeminiModalities.TEXT),
    )

    assert [value for name, value in seen.frames if name == "LLMTextFrame"] == ["Hello ", "there."]


async def test_what_the_camera_sees() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        await bot.gets(InputImageRawFrame(image=BLACK, size=(4, 4), format="RGB"))
        await session.got("video")

    seen = await same(scene)

    assert [kind for kind, _ in seen.sent[0]][-1] == "video"


async def test_messages_that_are_appended_at_the_service_and_answered() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        message: Any = {"role": "developer", "content": "The shop closes soon."}
        await bot.model.queue_frame(LLMMessagesAppendFrame(messages=[message], run_llm=True))
        await session.got("answer_this", 2)
        session.answers()
        await bot.ends_answer(2)

    await same(scene)


async def test_messages_that_need_no_answer() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        message: Any = {"role": "developer", "content": "The shop closes soon."}
        await bot.model.queue_frame(LLMMessagesAppendFrame(messages=[message], run_llm=False))
        await session.got("history")
        await bot.writes("The shop closes soon.")

    await same(scene)


async def test_settings_and_tools_that_change_in_the_call() -> None:
    tools = [FunctionSchema("other", "Other.", {}, [])]

    async def scene(bot: Bot) -> None:
        await bot.greets()
        delta = pipecats.GeminiLiveLLMService.Settings(voice="Kore")
        await bot.gets(LLMUpdateSettingsFrame(delta=delta), LLMSetToolsFrame(tools=[*tools]))
        await until(lambda: bot.settings.voice == "Kore" and bot.context.tools is not NOT_GIVEN)

    await same(scene)


async def test_a_run_without_anything_to_say_is_no_turn() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        await bot.gets(LLMRunFrame(), InputTextRawFrame(text="Hello?"))
        await session.got("text", 1)
        session.answers()
        await bot.ends_answer(2)

    seen = await same(scene)

    assert seen.sent == [[("answer_this", ["Say hello."]), ("text", "Hello?")]]


async def test_sound_that_is_paused_is_not_sent() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        await bot.gets(InputAudioRawFrame(WORDS, 16_000, 1), InputTextRawFrame(text="Hello?"))
        await session.got("text")

    seen = await same(scene, start_audio_paused=True)

    assert [kind for kind, _ in seen.sent[0]] == ["answer_this", "text"]


async def test_thoughts_and_what_a_search_found() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        session.thinks()
        session.speaks(SOUND)
        session.says(
            output_transcription={"text": "It is 20 degrees."},
            grounding_metadata={"search_entry_point": {"rendered_content": "<b>weather</b>"}},
        )
        session.says(generation_complete=True)
        session.completes()
        await bot.ends_answer(2)

    seen = await same(scene)

    assert ("LLMSearchResponseFrame", ("It is 20 degrees.", "<b>weather</b>")) in seen.frames


async def test_a_thinking_models_turn_goes_on_until_it_is_idle() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        session.speaks(SOUND)
        session.completes(interaction_status="IN_PROGRESS")
        session.speaks(SOUND)
        session.completes(interaction_status="IDLE")
        await bot.ends_answer(2)

    seen = await same(
        scene,
        settings=pipecats.GeminiLiveLLMService.Settings(model="models/gemini-3.8-live-extended-thinking"),
    )

    assert [name for name, _ in seen.frames].count("LLMFullResponseEndFrame") == 2


async def test_a_file_in_the_context_is_sent_as_it_is() -> None:
    async def scene(bot: Bot) -> None:
        await bot.greets()

    def with_file() -> LLMContext:
        part = {"type": "file_data", "file_data": {"mime_type": "text/plain", "file_uri": "files/1"}}
        content: Any = [{"type": "text", "text": "Read this."}, part]
        return LLMContext([{"role": "user", "content": content}])

    await same(scene, with_file)


async def test_a_result_that_needs_no_answer() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        session.calls("1", "find")
        await session.got("tool_response")
        session.completes()
        await bot.gets(InputTextRawFrame(text="Hello?"))
        await session.got("text")
        session.answers()
        await bot.ends_answer(2)

    silent = FunctionCallResultProperties(run_llm=False)
    seen = await same(scene, lambda: context_with_tool(properties=silent))

    assert [name for name, _ in seen.frames].count("TTSStartedFrame") == 2


# What ours does beyond that.


async def test_text_that_a_client_types_is_answered_though_pipecats_own_class_ignores_it() -> None:
    async def scene(bot: Bot) -> None:
        session = await bot.greets()
        typed: Any = [{"role": "user", "content": "And in red?"}]
        change = LLMUpdateSettingsFrame(delta=pipecats.GeminiLiveLLMService.Settings(voice="Kore"))
        await bot.gets(LLMMessagesAppendFrame(messages=typed, run_llm=True), change)
        await until(lambda: bot.settings.voice == "Kore")
        session.answers()
        await bot.ends_answer(2)

    theirs, made = [await outcome(service, scene) for service in SERVICES]

    assert made.sent == [[*theirs.sent[0], ("text", "And in red?")]]
