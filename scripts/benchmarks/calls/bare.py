"""A Pipecat pipeline with nothing of ours, for the benchmark to compare with: same transport, model and VAD.

`python -m scripts.benchmarks.calls.bare PORT` answers SmallWebRTC offers at `/offer`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService, GeminiVADParams
from pipecat.services.llm_service import FunctionCallParams
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from controller.credentials.store import ALGORITHM, AUDIENCE, ISSUER, key_id

STOP_SECS = 0.5


def _store_token(secret: str) -> str:
    """What the controller gives a bot, here for all calls."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bare", "sid": "bare", "iat": now, "exp": now + 3600}
    return jwt.encode(claims, secret, ALGORITHM, {"kid": key_id(secret)})


async def converse(connection: SmallWebRTCConnection, http: aiohttp.ClientSession) -> None:
    bearer = {"Authorization": f"Bearer {_store_token(os.environ['PODLINE_STORE_SECRET'])}"}

    async def search_products(params: FunctionCallParams) -> None:
        body = {"query": params.arguments["query"], "category": None, "priceRange": None}
        url = f"{os.environ['CONVEX_URL']}/searchProductsByVoice"
        async with http.post(url, json=body, headers=bearer) as response:
            await params.result_callback(await response.json())

    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = SmallWebRTCTransport(connection, params)
    model = GeminiLiveLLMService(
        api_key=os.environ["GOOGLE_API_KEY"],
        settings=GeminiLiveLLMService.Settings(
            system_instruction="You help to find products.", vad=GeminiVADParams(disabled=True)
        ),
        tools=ToolsSchema(
            standard_tools=[
                FunctionSchema(
                    name="search_products",
                    description="Search the catalogue.",
                    properties={"query": {"type": "string"}},
                    required=["query"],
                    handler=search_products,
                )
            ]
        ),
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext([{"role": "user", "content": "Greet the caller."}]),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=STOP_SECS)),
            user_turn_strategies=UserTurnStrategies(
                start=[VADUserTurnStartStrategy()],
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0, wait_for_transcript=False)],
            ),
        ),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), user, model, transport.output(), assistant]), idle_timeout_secs=None
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


async def serve(port: int) -> None:
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as calls:

        async def offer(request: web.Request) -> web.Response:
            wanted = await request.json()
            connection = SmallWebRTCConnection()
            await connection.initialize(wanted["sdp"], wanted["type"])
            calls.create_task(converse(connection, http))
            return web.json_response(connection.get_answer())

        app = web.Application()
        app.router.add_post("/offer", offer)
        server = web.AppRunner(app)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    logger.remove()
    asyncio.run(serve(int(sys.argv[1])))
