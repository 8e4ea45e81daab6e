"""A voice bot that finds and keeps products: OpenAI hears, thinks and speaks.

Required AI services:
- OpenAI (Speech-to-Text, LLM, Text-to-Speech)

Run the bot using::

    uv run bot.py -t webrtc
"""

import os

from dotenv import load_dotenv
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import EndWorkerFrame, FunctionCallResultProperties, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.daily.transport import DailyParams
from pipecat.transports.livekit.transport import LiveKitParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

load_dotenv(override=True)

INSTRUCTIONS = (
    "You help a caller of a shop on the phone. Search for what they want, and save what they choose. "
    "Answer in one or two short sentences, without lists or special characters. "
    "Once the caller says goodbye, say goodbye and end the call."
)

PRODUCTS = {
    1: {"number": 1, "name": "Wireless headphones", "price": 129},
    2: {"number": 2, "name": "Trail running shoes", "price": 89},
    3: {"number": 3, "name": "Road running shoes", "price": 110},
    4: {"number": 4, "name": "Oak desk lamp", "price": 49},
    5: {"number": 5, "name": "Pocket speaker", "price": 39},
}


async def search_products(params: FunctionCallParams, query: str):
    """Search for products.

    Args:
        query: What the caller wants, in a few words.
    """
    words = query.lower().split()
    found = [
        product for product in PRODUCTS.values() if all(word in product["name"].lower() for word in words)
    ]
    await params.result_callback({"products": found, "total": len(found)})


async def save_product(params: FunctionCallParams, number: int):
    """Save a product to the caller's list.

    Args:
        number: The product's number.
    """
    product = PRODUCTS.get(number)
    if product is None:
        await params.result_callback({"error": f"There is no product number {number}."})
        return
    saved = params.app_resources["saved"]
    already_saved = number in saved
    saved.add(number)
    await params.result_callback({"saved": product, "alreadySaved": already_saved})


async def end_call(params: FunctionCallParams):
    """End the call, after you have said goodbye."""
    await params.result_callback({"ended": True}, properties=FunctionCallResultProperties(run_llm=False))
    await params.llm.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Run the bot for one session."""
    stt = OpenAISTTService(api_key=os.environ["OPENAI_API_KEY"])
    llm = OpenAILLMService(
        api_key=os.environ["OPENAI_API_KEY"],
        settings=OpenAILLMService.Settings(model="gpt-4.1", system_instruction=INSTRUCTIONS),
        function_call_timeout_secs=10.0,
    )
    tts = OpenAITTSService(
        api_key=os.environ["OPENAI_API_KEY"],
        settings=OpenAITTSService.Settings(voice="coral"),
    )

    context = LLMContext(tools=[search_products, save_product, end_call])
    user_aggregator, assistant_aggregator = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(),
            # A pause ends the caller's turn, without a model that judges whether the sentence is complete.
            user_turn_strategies=UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()]),
        ),
    )

    pipeline = Pipeline(
        [
            transport.input(),
            stt,
            user_aggregator,
            llm,
            tts,
            transport.output(),
            assistant_aggregator,
        ]
    )

    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
        app_resources={"saved": set()},
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport, client):
        logger.info("Client connected")
        context.add_message({"role": "developer", "content": "Please introduce yourself to the caller."})
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, client):
        logger.info("Client disconnected")
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments):
    """Main bot entry point."""
    transport_params = {
        "daily": lambda: DailyParams(audio_in_enabled=True, audio_out_enabled=True),
        "livekit": lambda: LiveKitParams(audio_in_enabled=True, audio_out_enabled=True),
        "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    }
    transport = await create_transport(runner_args, transport_params)
    await run_bot(transport, runner_args)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
