"""A controller whose wall clock is set in the middle of a session."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from testing.fakes.controllers.site import serve_site
from testing.fakes.controllers.stepped_time import SteppedTime

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONGEST = 30 + 1200 + 20
"""The start timeout, the session's own length, and the grace period."""

STEPS = pytest.mark.parametrize("step", [-3600.0, 0.0, 3600.0])


@STEPS
async def test_a_caller_who_asks_again_gets_passwords_for_the_rest_of_the_session(step: float) -> None:
    time = SteppedTime(BEGAN)
    async with serve_site(
        clock=time.clock,
        ice_servers=("turn:turn.example.com",),
        turn_secret="hush",
        start_timeout_seconds=30,
        grace_seconds=20,
    ) as site:
        await site.start(session_id="s-1", max_duration_seconds=1200)

        time.passed, time.wrong_by = 300.0, step
        again = await site.start(session_id="s-1", max_duration_seconds=1200)

    expiry, _, _ = again["room"]["ice_servers"][0]["username"].partition(":")
    assert int(expiry) - int(time.clock.now().timestamp()) == LONGEST - 300


@STEPS
async def test_a_bot_s_claims_are_accepted_up_to_what_it_can_have_used_by_now(step: float) -> None:
    time = SteppedTime(BEGAN)
    async with serve_site(clock=time.clock) as site:
        session = await site.start(max_duration_seconds=1200)

        time.passed, time.wrong_by = 600.0, step
        talked = []
        for seq, seconds in enumerate((500, 2000), start=1):
            talk = {"caller": 0, "bot": seconds}
            batch = {
                "seq": seq,
                "acked": seq - 1,
                "events": [],
                "totals": {"talk_seconds": talk},
                "timeline": {"now": 600.0, "process_up": 0.1, "joined": 0.5},
            }
            answer = await site.as_bot(session["id"], "POST", "reports", json=batch)
            assert answer.status_code == 200, answer.text
            talked.append((await site.read(session["id"]))["usage"]["talk_seconds"]["bot"])

    assert talked == [500, 500]
