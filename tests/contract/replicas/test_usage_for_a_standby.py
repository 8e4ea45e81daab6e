"""A standby is told what sessions have used, and nobody else is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from controller.replicas.forwarding import Forwarder
from controller.replicas.headers import LISTENER, OF_ITS_OWN, TOKEN
from controller.replicas.usage_copy import USAGE_PATH, UsageCopy
from testing.fakes.controllers.leadership import FakeLeadership
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.replicas import serve_pair
from testing.fakes.controllers.served import PATIENCE_SECONDS


def turns_of(kept: UsageCopy) -> int:
    used = [kept.of(launch_id) for launch_id in kept.sessions]
    return sum(each.turns for each in used if each is not None)


async def test_a_standby_knows_each_batch_that_the_leader_has_acknowledged(tmp_path: Path) -> None:
    async with serve_pair(tmp_path, "user") as pair, Forwarder(SIGNER.replica_token()) as forwarder:
        leadership = FakeLeadership()
        kept = UsageCopy(leadership, forwarder)
        leadership.follows(pair.passing.address)
        session = await pair.leader.start(user_id="join.busy")
        following = asyncio.create_task(kept.follow())
        live = await pair.leader.until(session["id"], lambda each: each["usage"]["turns"] > 3)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while turns_of(kept) < live["usage"]["turns"]:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.005)
        following.cancel()


async def test_nobody_but_a_controller_is_told(tmp_path: Path) -> None:
    """Not at any listener of the leader, and not by way of a follower, which has a controller's token."""
    async with serve_pair(tmp_path) as pair:
        urls = [pair.replicas_url]
        for each in (pair.leader, pair.follower):
            urls += [str(each.client.base_url), each.url_for_bots]
        forged = {TOKEN.decode(): "guessed", LISTENER.decode(): OF_ITS_OWN}
        passed_on = {TOKEN.decode(): SIGNER.replica_token(), LISTENER.decode(): "bots"}
        for url in urls:
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
                for headers in ({}, forged):
                    answer = await client.get(USAGE_PATH, headers=headers)
                    assert answer.status_code in (401, 404), (url, headers)
        async with httpx.AsyncClient(base_url=pair.replicas_url) as client:
            assert (await client.get(USAGE_PATH, headers=passed_on)).status_code == 401


async def test_a_standby_that_is_told_nothing_reads_nothing(tmp_path: Path) -> None:
    """The leader has another secret, or is of a release that does not tell."""
    async with serve_pair(tmp_path) as pair, Forwarder("a token of another installation") as forwarder:
        lines = forwarder.lines(pair.passing.address, USAGE_PATH)

        assert [line async for line in lines] == []
