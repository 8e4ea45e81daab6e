"""The shopping assistant: a Gemini Live bot that searches a shop and keeps the caller's list."""

import os
from typing import Any, Final

import aiohttp
from pipecat.frames.frames import InputTextRawFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnMessageAddedMessage,
)
from pipecat.services.google.gemini_live.llm import GeminiVADParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from bot.persona import REPETITION_REQUEST, farewell_request, greeting_request, load_persona, warning_request
from bot.settings import read_settings
from bot.store import Store
from bot.tools.ending import end_call_tool
from bot.tools.products import ProductTools
from bot.transcript import Transcript
from bot.voice import CallerVoice
from podline.contract.model import GEMINI_MODEL
from podline.gemini import GeminiLiveLLMService
from podline.runner.session import BotSession, Cues

TOOL_TIMEOUT_SECONDS: Final = 10.0


async def bot(session: BotSession) -> None:
    """Hold one call."""
    settings = read_settings(os.environ)
    persona = load_persona(settings.persona)

    async with aiohttp.ClientSession() as http:
        store = Store(http, settings.convex_url, settings.convex_token)
        async with (
            Transcript(store, session.session_id, session.user_id) as transcript,
            ProductTools(store, session.user_id, session.send) as products,
        ):
            tools = [*products.functions, end_call_tool(session.complete)]
            model = GeminiLiveLLMService(
                api_key=settings.google_api_key,
                settings=GeminiLiveLLMService.Settings(
                    model=GEMINI_MODEL,
                    system_instruction=persona.instructions,
                    voice=persona.voice,
                    language=persona.language,
                    vad=GeminiVADParams(disabled=True),
                ),
                tools=tools,
                function_call_timeout_secs=TOOL_TIMEOUT_SECONDS,
                mute_seconds=session.mute_seconds,
            )
            user, assistant = LLMContextAggregatorPair(
                LLMContext([{"role": "user", "content": greeting_request(persona)}]),
                user_params=_turns_by_voice(settings.stop_secs),
            )
            _keep_turns(session, user, assistant, transcript)

            pipeline = Pipeline(
                [
                    session.transport.input(),
                    session.caller_input,
                    user,
                    model,
                    session.transport.output(),
                    assistant,
                ]
            )
            cues = Cues(
                greeting=LLMRunFrame(),
                warning=lambda seconds: InputTextRawFrame(warning_request(seconds)),
                farewell=InputTextRawFrame(farewell_request(persona)),
                repetition=InputTextRawFrame(REPETITION_REQUEST),
            )
            await session.run(pipeline, cues, [tool.name for tool in tools])


def _turns_by_voice(stop_secs: float) -> LLMUserAggregatorParams:
    """End turns by voice activity alone: the model hears the audio itself, so no transcript is needed."""
    return LLMUserAggregatorParams(
        vad_analyzer=CallerVoice(stop_secs),
        user_turn_strategies=UserTurnStrategies(
            start=[VADUserTurnStartStrategy()],
            stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0, wait_for_transcript=False)],
        ),
    )


def _keep_turns(session: BotSession, user: Any, assistant: Any, transcript: Transcript) -> None:
    @user.event_handler("on_user_turn_message_added")
    async def on_user_turn_message_added(_aggregator: Any, message: UserTurnMessageAddedMessage) -> None:
        if message.content:
            transcript.add("user", message.content)

    @session.caller_input.event_handler("on_typed_text")
    async def on_typed_text(_input: Any, text: str) -> None:
        transcript.add("user", text)

    @assistant.event_handler("on_assistant_turn_stopped")
    async def on_assistant_turn_stopped(_aggregator: Any, message: AssistantTurnStoppedMessage) -> None:
        if message.content:
            transcript.add("assistant", message.content)
