"""The shopping assistant: a Gemini Live bot that searches a shop and keeps the caller's list."""

import os
from typing import Any

import aiohttp
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frameworks.rtvi import RTVIFunctionCallReportLevel, RTVIObserverParams
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

import podline
from bot.persona import farewell_request, greeting_request, load_persona
from bot.settings import TOOL_TIMEOUT_SECONDS, read_settings
from bot.store import Store
from bot.tools.products import ProductTools
from bot.transcript import Transcript
from podline.contract import environment as env
from podline.contract.model import GEMINI_MODEL
from podline.end_call import end_call
from podline.gemini import GeminiLiveLLMService, GeminiVADParams
from podline.voice import turns_by_voice

if not env.waits(os.environ):
    # A wrong variable is reported before anybody calls. A bot that waits for its call gets them with that.
    load_persona(read_settings(os.environ).persona)


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call in a room."""
    settings = read_settings(os.environ)
    persona = load_persona(settings.persona)
    call = podline.call()
    call.set_goodbye(farewell_request(persona))

    async with aiohttp.ClientSession() as http:
        store = Store(http, settings.convex_url, settings.convex_token)
        async with (
            Transcript(store, call.session_id, call.user_id) as transcript,
            ProductTools(store, call.user_id, call.send) as products,
        ):
            llm = GeminiLiveLLMService(
                api_key=settings.google_api_key,
                settings=GeminiLiveLLMService.Settings(
                    model=GEMINI_MODEL,
                    system_instruction=persona.instructions,
                    voice=persona.voice,
                    language=persona.language,
                    vad=GeminiVADParams(disabled=True),
                ),
                tools=[*products.functions, end_call],
                function_call_timeout_secs=TOOL_TIMEOUT_SECONDS,
            )
            user_aggregator, assistant_aggregator = LLMContextAggregatorPair(
                LLMContext([{"role": "user", "content": greeting_request(persona)}]),
                user_params=turns_by_voice(settings.stop_secs),
            )
            pipeline = Pipeline(
                [transport.input(), user_aggregator, llm, transport.output(), assistant_aggregator]
            )
            worker = PipelineWorker(
                pipeline,
                params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
                rtvi_observer_params=RTVIObserverParams(
                    function_call_report_level={"*": RTVIFunctionCallReportLevel.FULL}
                ),
            )
            transcript.follow(worker, user_aggregator, assistant_aggregator)

            @transport.event_handler("on_client_connected")
            async def on_client_connected(_transport: BaseTransport, _client: Any) -> None:
                await worker.queue_frame(LLMRunFrame())

            @transport.event_handler("on_client_disconnected")
            async def on_client_disconnected(_transport: BaseTransport, _client: Any) -> None:
                await worker.cancel()

            runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
            await runner.add_workers(worker)
            await runner.run()


def _daily() -> TransportParams:
    from pipecat.transports.daily.transport import DailyParams  # noqa: PLC0415 - loads Daily's client

    return DailyParams(audio_in_enabled=True, audio_out_enabled=True)


def _livekit() -> TransportParams:
    from pipecat.transports.livekit.transport import LiveKitParams  # noqa: PLC0415 - loads LiveKit's client

    return LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)


def _webrtc() -> TransportParams:
    return TransportParams(audio_in_enabled=True, audio_out_enabled=True)


async def bot(runner_args: RunnerArguments) -> None:
    """Make the transport of the call's room, and hold the call."""
    transport_params = {"daily": _daily, "livekit": _livekit, "webrtc": _webrtc}
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
