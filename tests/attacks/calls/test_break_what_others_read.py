"""Data that is read can't always be written again: one entry must not break the page of everybody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from testing.fakes.bots.bad_bot import serve_bad_bot
from testing.fakes.controllers.served import ServeController

DEEP = [100, 260, 900, 1_800]
JSON = {"Content-Type": "application/json"}


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + "0" + closing * levels


@pytest.mark.parametrize("levels", DEEP)
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
async def test_deeply_nested_metadata_break_no_list_of_sessions(
    serve: ServeController, levels: int, brackets: tuple[str, str]
) -> None:
    body = f'{{"user_id": "mallory", "session_id": "deep", "metadata": {{"a": {nested(levels, *brackets)}}}}}'
    async with serve("user") as controller:
        start = await controller.client.post("/v1/sessions", content=body, headers=JSON)
        answers = [
            await controller.client.get(path) for path in ("/v1/sessions", "/v1/sessions/deep", "/agents")
        ]

    assert start.status_code == 422
    assert [answer.status_code for answer in answers] == [200, 404, 200]


async def test_metadata_as_deep_as_anybody_has_them_are_kept(serve: ServeController) -> None:
    metadata = {"a": json.loads(nested(30))}
    async with serve("user") as controller:
        session = await controller.start(metadata=metadata)
        answer = await controller.client.get(f"/v1/sessions/{session['id']}")

    assert answer.json()["metadata"] == metadata


@pytest.mark.parametrize("levels", DEEP)
async def test_a_bots_deeply_nested_answer_is_refused_and_the_next_reaches_the_caller(
    tmp_path: Path, levels: int
) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        offering = asyncio.ensure_future(bot.controller.offer(bot.session, {"sdp": "v=0", "type": "offer"}))
        path = f"inbox/{await bot.first_message()}"
        refused = await bot.post(path, f'{{"body": {{"a": {nested(levels)}}}}}'.encode())
        await bot.post(path, b'{"body": {"sdp": "v=0"}}')
        answer = await offering

    assert refused.status_code == 422
    assert (answer.status_code, answer.json()) == (200, {"sdp": "v=0"})
