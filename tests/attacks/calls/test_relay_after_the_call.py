"""A caller keeps the passwords of a call to use the operator's relays when it is over."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from testing.fakes.controllers.site import serve_site
from testing.fakes.controllers.stepped_time import SteppedTime

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONGEST = 30 + 600 + 20
"""The start timeout, the session's own length, and the grace period."""


async def test_asking_again_late_in_a_call_lengthens_no_password() -> None:
    time = SteppedTime(BEGAN)
    body = {"user_id": "mallory", "session_id": "s-1", "max_duration_seconds": 600}
    async with serve_site(
        clock=time.clock,
        ice_servers=("turn:turn.example.com",),
        turn_secret="hush",
        start_timeout_seconds=30,
        grace_seconds=20,
    ) as site:
        answers = []
        for seconds in (0, 300, 599):
            time.passed = seconds
            answer = await site.client.post("/v1/sessions", json=body)
            answers.append(answer.json()["room"]["ice_servers"][0])

    expiries = {int(each["username"].partition(":")[0]) for each in answers}
    assert expiries == {int(BEGAN.timestamp()) + LONGEST}


async def test_no_two_sessions_share_a_password_and_none_is_good_for_another_name() -> None:
    async with serve_site(ice_servers=("turn:turn.example.com",), turn_secret="hush") as site:
        first, second = [
            (await site.start("mallory", session_id=each))["room"]["ice_servers"][0]
            for each in ("s-1", "s-2")
        ]

    assert first["credential"] != second["credential"]
    for each in (first, second):
        code = hmac.new(b"hush", each["username"].encode(), hashlib.sha1).digest()
        assert each["credential"] == base64.b64encode(code).decode()
