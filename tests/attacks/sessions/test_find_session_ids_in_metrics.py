"""A stranger reads /metrics to learn whose call there is, and which id to join it by."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from testing.fakes.bots.bad_bot import OPENMETRICS
from testing.fakes.controllers.served import serve_controller

ACCEPTED = [
    OPENMETRICS["Accept"],
    "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8",
    "text/plain; version=0.0.4",
    "text/plain; version=1.0.0; escaping=underscores",
    "*/*",
]


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_nothing_that_names_a_call_a_user_or_a_launch_is_in_metrics(
    tmp_path: Path, accept: str
) -> None:
    async with serve_controller(tmp_path, "user", capacity=10) as controller:
        ids = [f"cart-{number}-of-zyx" for number in range(4)]
        users = [f"join.zyx-{number}" for number in range(4)]
        sessions = [
            await controller.start(session_id=each, user_id=user, metadata={"order": "secret-order"})
            for each, user in zip(ids, users, strict=True)
        ]
        await asyncio.gather(*(controller.until_live(each["id"]) for each in sessions))
        for each in ids[:2]:
            await controller.client.delete(f"/v1/sessions/{each}")
            await controller.until_over(each)
        unnamed = await controller.start(user_id="join.zyx-unnamed")
        # What nobody has asked for is not shown of anybody either.
        await controller.client.get("/v1/sessions/cart-of-nobody")
        launches = [each.name for each in controller.directory.iterdir()]
        shown = await controller.client.get("/metrics", headers={"Accept": accept})

    assert shown.status_code == 200
    assert launches
    for secret in (*ids, *users, *launches, unnamed["id"], "cart-", "zyx", "secret-order"):
        assert secret not in shown.text, secret
    assert "# {" not in shown.text, "there is no exemplar"
