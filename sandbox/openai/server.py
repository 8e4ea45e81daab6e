"""The web application that serves OpenAI's API: who may ask, what is to go wrong, and what is answered."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from sandbox.openai.asked import AskedFor, project_of
from sandbox.openai.bodies import MOST_FILE_BYTES, read_form, read_json
from sandbox.openai.chat import ChatRequest, check_messages
from sandbox.openai.completions import complete
from sandbox.openai.delivery import ConnectionCutError, Delivery
from sandbox.openai.models import all_models, check_model, describe
from sandbox.openai.orders import InvalidKey, OpenAIMisbehaviour, OpenAIStatus, OutOfQuota, RateLimit
from sandbox.openai.record import Ending
from sandbox.openai.refusals import (
    OpenAIRefusedError,
    failed,
    no_key,
    out_of_quota,
    rate_limited,
    wrong_key,
)
from sandbox.openai.replies import reply_to
from sandbox.openai.service import OpenAI
from sandbox.openai.speech import SpeechRequest, speak
from sandbox.openai.transcriptions import read_transcription, transcribe

PREFIX: Final = "/v1"

Answer = Callable[[Delivery], Awaitable[web.StreamResponse]]
Read = Callable[[web.Request], Awaitable["Prepared"]]


@dataclass(frozen=True)
class Prepared:
    """A request that was read, and what answers it."""

    asked: AskedFor
    answer: Answer


def create_openai_app(openai: OpenAI) -> web.Application:
    """The web application that serves OpenAI's API, below `/v1`."""
    app = web.Application(middlewares=[_front(openai)], client_max_size=MOST_FILE_BYTES)
    app.router.add_post(f"{PREFIX}/chat/completions", _route(openai, _read_completion(openai)))
    app.router.add_post(f"{PREFIX}/audio/transcriptions", _route(openai, _read_transcription(openai)))
    app.router.add_post(f"{PREFIX}/audio/speech", _route(openai, _read_speech(openai)))
    app.router.add_get(f"{PREFIX}/models", _list_models)
    app.router.add_get(f"{PREFIX}/models/{{name}}", _show_model)
    return app


def _front(openai: OpenAI) -> Any:
    """What all requests pass: the key; and how refusals are answered."""

    @web.middleware
    async def front(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            _check_key(request, openai.key)
            return await handler(request)
        except OpenAIRefusedError as refusal:
            return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)
        except web.HTTPException as error:
            refused = OpenAIRefusedError(error.status, f"Invalid URL ({request.method} {request.path[:200]})")
            return web.json_response(refused.body, status=error.status)

    return front


def _check_key(request: web.Request, key: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise no_key()
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), key.encode()):
        raise wrong_key(given)


def _route(openai: OpenAI, read: Read) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        prepared = await read(request)
        order = openai.orders.take(lambda order: order.applies_to(prepared.asked))
        record = openai.record.open(openai.now(), prepared.asked)
        record.misbehaviour = None if order is None else order.name
        delivery = Delivery(request, order, record, openai.sleep)
        ending: Ending = "given_up"
        try:
            _refuse(order)
            await delivery.reach("request")
            answer = await prepared.answer(delivery)
        except OpenAIRefusedError as refusal:
            record.status, ending = refusal.status, "refused"
            raise
        except ConnectionCutError:
            ending = "cut"
            return web.Response()
        else:
            ending = "answered"
            return answer
        finally:
            record.ending = ending

    return serve


def _refuse(order: OpenAIMisbehaviour | None) -> None:
    match order:
        case RateLimit():
            raise rate_limited(order.retry_after_seconds)
        case OutOfQuota():
            raise out_of_quota()
        case InvalidKey():
            raise wrong_key("")
        case OpenAIStatus():
            raise failed(order.status, order.message)


def _read_completion(openai: OpenAI) -> Read:
    async def read(request: web.Request) -> Prepared:
        chat = await read_json(request, ChatRequest)
        check_model(chat.model, "completions")
        check_messages(chat.messages)
        reply = reply_to(chat, openai.categories)
        asked = AskedFor(
            endpoint="completions",
            host=request.remote or "",
            project=project_of(request),
            model=chat.model,
            instruction=chat.instruction,
            turn=reply.turn,
            calls_tool=bool(reply.calls),
        )
        created = int(openai.now().timestamp())
        return Prepared(asked, lambda delivery: complete(chat, reply, delivery, created))

    return read


def _read_transcription(openai: OpenAI) -> Read:
    async def read(request: web.Request) -> Prepared:
        wanted = read_transcription(await read_form(request))
        check_model(wanted.model, "transcriptions")
        asked = AskedFor(
            endpoint="transcriptions",
            host=request.remote or "",
            project=project_of(request),
            model=wanted.model,
            instruction=wanted.prompt,
        )
        return Prepared(asked, lambda delivery: transcribe(wanted, openai.ears, delivery))

    return read


def _read_speech(openai: OpenAI) -> Read:
    async def read(request: web.Request) -> Prepared:
        wanted = await read_json(request, SpeechRequest)
        check_model(wanted.model, "speech")
        asked = AskedFor(
            endpoint="speech",
            host=request.remote or "",
            project=project_of(request),
            model=wanted.model,
            instruction=wanted.instructions or "",
        )
        return Prepared(asked, lambda delivery: speak(wanted, openai.voice, delivery))

    return read


async def _list_models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": all_models()})


async def _show_model(request: web.Request) -> web.Response:
    return web.json_response(describe(request.match_info["name"]))
