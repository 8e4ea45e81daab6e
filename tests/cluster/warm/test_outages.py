"""An API server that is away, and clocks that are wrong, while warm bots wait and are claimed."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

import pytest

from testing.cluster.warm.shop import WarmShop

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY_SECONDS = 30.0
LONGEST_SECONDS = 1800
"""The longest session, by default."""


async def test_an_api_server_that_is_away_for_30_seconds_leaves_a_full_pool_and_each_call_one_bot(
    shop: WarmShop,
) -> None:
    leader = shop.replicas.cuttable
    follower = await shop.led_by(leader)
    before = await shop.until_full(follower)
    await shop.plane.stop_apiserver(0)
    try:
        sessions = [f"away-{number}" for number in range(3)]
        starting = [asyncio.create_task(shop.start(follower, each)) for each in sessions]
        await asyncio.sleep(AWAY_SECONDS)
    finally:
        await shop.plane.start_apiserver()
    answers = await asyncio.gather(*starting)
    bots = await shop.only_one_serves(follower, *sessions)
    waiting = await shop.until_full(follower)

    # None was answered at once, and no bot was lost.
    assert all(len(each) > 1 for each in answers)
    assert before <= waiting | {each.job for each in bots}
    await shop.end(follower, *sessions)


async def test_controllers_whose_clocks_are_minutes_apart_give_each_call_one_bot_for_all_its_time(
    shop: WarmShop,
) -> None:
    follower = shop.replicas.cuttable
    leader = shop.replicas.other
    await shop.led_by(leader)
    leader.process.send_signal(signal.SIGUSR1)
    follower.process.send_signal(signal.SIGUSR2)
    await shop.start(follower, "ahead")
    await shop.only_one_serves(follower, "ahead")
    await shop.until_full(follower)
    await leader.end(signal.SIGTERM)
    await follower.until_it_leads()
    # Bots of a controller that was two minutes ahead.
    await shop.until_full(follower)
    await shop.start(follower, "behind")
    bots = await shop.only_one_serves(follower, "ahead", "behind")
    listed = await shop.plane.api("GET", shop.crew.jobs)

    jobs = {each["metadata"]["name"]: each for each in listed["items"]}
    for job in (jobs[each.job] for each in bots):
        assert job["metadata"]["labels"]["podline.dev/pool"] == "claimed"
        waited = datetime.now(UTC) - datetime.fromisoformat(job["status"]["startTime"])
        assert job["spec"]["activeDeadlineSeconds"] - waited.total_seconds() >= LONGEST_SECONDS
    await shop.end(follower, "ahead", "behind")
    follower.process.send_signal(signal.SIGUSR2)
