"""The shopping assistant: a Gemini Live bot that searches a shop and keeps the caller's list."""

import os
from typing import Any, Final

import aiohttp
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnMessageAddedMessage,
)
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

import podline
from bot.persona import farewell_request, greeting_request, load_persona
from bot.settings import TOOL_TIMEOUT_SECONDS, read_settings
from bot.store import Store
from bot.tools.ending import end_call_tool
from bot.tools.products import ProductTools
from bot.transcript import Transcript
from bot.voice import CallerVoice
from podline.contract.model import GEMINI_MODEL
from podline.gemini import GeminiLiveLLMService, GeminiVADParams

SETTINGS: Final = read_settings(os.environ)
PERSONA: Final = load_persona(SETTINGS.persona)


def _daily() -> TransportParams:
    from pipecat.transports.daily.transport import DailyParams  # noqa: PLC0415 - loads Daily's client

    return DailyParams(audio_in_enabled=True, audio_out_enabled=True)


def _livekit() -> TransportParams:
    from pipecat.transports.livekit.transport import LiveKitParams  # noqa: PLC0415 - loads LiveKit's client

    return LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)


def _webrtc() -> TransportParams:
    return TransportParams(audio_in_enabled=True, audio_out_enabled=True)


TRANSPORTS: Final = {"daily": _daily, "livekit": _livekit, "webrtc": _webrtc}


PARAMS: Final = PipelineParams(enable_metrics=True, enable_usage_metrics=True)


async def bot(runner_args: RunnerArguments) -> None:
    """Hold one call."""
    call = podline.call()
    call.set_goodbye(farewell_request(PERSONA))
    transport = await create_transport(runner_args, TRANSPORTS)

    async with aiohttp.ClientSession() as http:
        store = Store(http, SETTINGS.convex_url, SETTINGS.convex_token)
        async with (
            Transcript(store, call.session_id, call.user_id) as transcript,
            ProductTools(store, call.user_id, call.send) as products,
        ):
            model = GeminiLiveLLMService(
                api_key=SETTINGS.google_api_key,
                settings=GeminiLiveLLMService.Settings(
                    model=GEMINI_MODEL,
                    system_instruction=PERSONA.instructions,
                    voice=PERSONA.voice,
                    language=PERSONA.language,
                    vad=GeminiVADParams(disabled=True),
                ),
                tools=[*products.functions, end_call_tool(call.end)],
                function_call_timeout_secs=TOOL_TIMEOUT_SECONDS,
                mute_seconds=call.mute_seconds,
            )
            user, assistant = LLMContextAggregatorPair(
                LLMContext([{"role": "user", "content": greeting_request(PERSONA)}]),
                user_params=_turns_by_voice(SETTINGS.stop_secs),
            )
            _keep_turns(user, assistant, transcript)

            worker = PipelineWorker(
                Pipeline([transport.input(), user, model, transport.output(), assistant]),
                params=PARAMS,
            )

            @transport.event_handler("on_client_connected")
            async def on_client_connected(_transport: Any, _client: Any) -> None:
                await worker.queue_frame(LLMRunFrame())

            @transport.event_handler("on_client_disconnected")
            async def on_client_disconnected(_transport: Any, _client: Any) -> None:
                await worker.cancel()

            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(worker)
            await runner.run()


def _turns_by_voice(stop_secs: float) -> LLMUserAggregatorParams:
    """End turns by voice activity alone: the model hears the audio itself, so no transcript is needed."""
    return LLMUserAggregatorParams(
        vad_analyzer=CallerVoice(stop_secs),
        user_turn_strategies=UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0, wait_for_transcript=False)],
        ),
    )


def _keep_turns(user: Any, assistant: Any, transcript: Transcript) -> None:
    @user.event_handler("on_user_turn_message_added")
    async def on_user_turn_message_added(_aggregator: Any, message: UserTurnMessageAddedMessage) -> None:
        if message.content:
            transcript.add("user", message.content)

    @assistant.event_handler("on_assistant_turn_stopped")
    async def on_assistant_turn_stopped(_aggregator: Any, message: AssistantTurnStoppedMessage) -> None:
        if message.content:
            transcript.add("assistant", message.content)
