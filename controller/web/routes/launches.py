"""The routes of bots: reports in, inbox out. They are not in the API's description."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Depends, Request, Response

from controller.core.errors import InvalidRequest, Unauthorized
from controller.observe.logs import session_at_work
from controller.web.auth import bearer_of
from controller.web.routes.dependencies import ServicesDep, SupervisorDep
from podline.contract.encoding import DecodeError, encode
from podline.contract.messages import INBOX_POLL_SECONDS, Assignment, InboxPage, ReportAnswer
from podline.contract.reading import read_answer, read_report

T = TypeVar("T")


async def is_bot(launch_id: str, request: Request, services: ServicesDep) -> None:
    """Require the launch token of this launch, and have the launch known."""
    bearer = bearer_of(request.headers)
    if bearer is None or not services.signer.is_launch_token(bearer, launch_id):
        raise Unauthorized("Send this launch's PODLINE_LAUNCH_TOKEN as `Authorization: Bearer TOKEN`.")
    await services.supervisor.channel.look_for(launch_id)
    if record := services.supervisor.registry.by_launch(launch_id):
        session_at_work.set(record.session.id)


router = APIRouter(
    prefix="/internal/launches/{launch_id}", dependencies=[Depends(is_bot)], include_in_schema=False
)


@router.post("/reports")
async def take_report(launch_id: str, request: Request, supervisor: SupervisorDep) -> Response:
    """Count one batch, once."""
    report, unknown = _read(read_report, await request.body())
    counted = supervisor.channel.report(launch_id, report, unknown)
    return _json(ReportAnswer(ack=counted))


@router.get("/inbox")
async def poll_inbox(launch_id: str, supervisor: SupervisorDep, after: str | None = None) -> Response:
    """Return messages for the bot; hold the request until there are any, or until the poll ends."""
    return _json(await supervisor.channel.poll(launch_id, after, INBOX_POLL_SECONDS))


@router.post("/inbox/{message_id}", status_code=204)
async def take_answer(
    launch_id: str, message_id: str, request: Request, supervisor: SupervisorDep
) -> Response:
    """Pass the bot's answer to the request that waits for it. A confirmed assignment is answered with it."""
    answer = _read(read_answer, await request.body())
    assignment = supervisor.channel.answer(launch_id, message_id, answer)
    return Response(status_code=204) if assignment is None else _json(assignment)


def _read(read: Callable[[bytes], T], body: bytes) -> T:
    try:
        return read(body)
    except DecodeError as error:
        raise InvalidRequest(f"body: {error}.") from None


def _json(message: ReportAnswer | InboxPage | Assignment) -> Response:
    return Response(encode(message), media_type="application/json")
