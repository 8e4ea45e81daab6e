"""A session as one Job, from the request to its recorded end."""

from __future__ import annotations

import json
from pathlib import Path

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import secret_of, serve


async def test_a_session_is_one_job_and_one_secret_it_owns(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        session = await site.start(session_id="cart-7", user_id="ana")
        job = await site.job("cart-7")
        secret = await plane.api("GET", f"{site.secrets}/{secret_of(job)}")

    assert session["phase"] == "starting"
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]
    assert secret["data"].keys() == {"PODLINE_LAUNCH_TOKEN"}


async def test_a_call_is_told_from_its_first_step_to_its_last(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        session, bot = await site.live(session_id="call-1")
        await bot.report(turns=2)
        await site.fate("call-1", end="exit-0", final_report=json.dumps(bot.final_report("caller_left")))
        ended = await site.until_over("call-1")
        job = await site.until_recorded("call-1")

    assert session["phase"] == "live"
    assert (ended["phase"], ended["reason"]) == ("ended", "caller_left")
    assert ended["message"] == "The bot says: caller_left."
    assert ended["usage"]["turns"] == 3
    marks = [ended["timeline"][name] for name in ("accepted", "scheduled", "process_up", "joined", "ended")]
    assert None not in marks
    assert job["metadata"]["labels"]["podline.dev/phase"] == "ended"
    assert job["metadata"]["labels"]["podline.dev/reason"] == "caller_left"
