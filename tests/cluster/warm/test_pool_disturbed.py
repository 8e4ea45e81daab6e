"""Warm bots that go away, or whose agent changes, before or while sessions claim them."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from controller.web.pipecat_cloud.answers import ORGANIZATION
from testing.cluster.control_plane import MERGE
from testing.cluster.faults import Hold, ProxyFault
from testing.cluster.replicas import ReplicaProcess
from testing.cluster.warm.crew import CrewBot
from testing.cluster.warm.shop import AGENT, SECRET_SET, WarmShop, definition, is_claim

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def follower(shop: WarmShop) -> ReplicaProcess:
    """The controller that follows `cuttable`, with a full pool."""
    return await shop.led_by(shop.replicas.cuttable)


async def evict(shop: WarmShop, bot: CrewBot) -> None:
    await shop.evict(bot.pod)


async def kill_for_memory(shop: WarmShop, bot: CrewBot) -> None:
    await shop.plane.annotate(f"{shop.crew.pods}/{bot.pod}", {"fate.test/end": "out-of-memory"})


GO = {"evicted": evict, "out-of-memory": kill_for_memory}


@pytest.mark.parametrize("how", GO)
async def test_a_bot_that_goes_between_claim_and_confirmation_leaves_its_session_to_another(
    shop: WarmShop, follower: ReplicaProcess, how: str
) -> None:
    gone: list[CrewBot] = []

    async def go(bot: CrewBot) -> None:
        gone.append(bot)
        await GO[how](shop, bot)
        # Until its pod has ended.
        await asyncio.Event().wait()

    shop.first_asked(go)
    answers = await shop.start(follower, how)
    [bot] = await shop.only_one_serves(follower, how)

    assert answers == [201]
    assert gone[0] is not bot
    assert gone[0].sessions == []
    await shop.crew.until(lambda: gone[0].is_gone)
    await shop.end(follower, how)


async def test_a_pool_whose_pods_and_jobs_are_deleted_by_hand_while_calls_come_is_filled_again(
    shop: WarmShop, follower: ReplicaProcess
) -> None:
    before = await shop.until_full(follower)
    sessions = [f"call-{number}" for number in range(4)]
    starting = [asyncio.create_task(shop.start(follower, each)) for each in sessions]
    waiting = "podline.dev/pool=waiting"
    await shop.plane.api("DELETE", f"{shop.crew.pods}?labelSelector={waiting}")
    await shop.plane.api("DELETE", f"{shop.crew.jobs}?labelSelector={waiting}&propagationPolicy=Background")
    await asyncio.gather(*starting)
    # A bot that was claimed and then deleted by hand has ended its session, with its reason.
    ended = {each for each in sessions if await shop.end_of(follower, each) is not None}
    assert {await shop.end_of(follower, each) for each in ended} <= {"vanished", "evicted"}
    running = [each for each in sessions if each not in ended]
    await shop.only_one_serves(follower, *running)
    await shop.until_full(follower, without=before)

    await shop.end(follower, *running)


async def test_a_session_keeps_the_bot_that_it_claims_while_its_agent_gets_another_version(
    shop: WarmShop, follower: ReplicaProcess
) -> None:
    proxy = shop.replicas.proxy
    dry_start = ProxyFault(
        Hold(), lambda asked: asked.method == "POST" and asked.resource == "jobs" and not asked.query, count=1
    )
    proxy.faults.append(dry_start)
    await deploy(shop, "2")
    await proxy.until(lambda: dry_start.hits == 1)
    claim = ProxyFault(Hold(), is_claim, count=1)
    proxy.faults.append(claim)
    starting = asyncio.create_task(shop.start(follower, "changing"))
    await proxy.until(lambda: claim.hits == 1)
    for each, until in ((dry_start, shop.until_version(follower, "2-")), (claim, starting)):
        assert isinstance(each.kind, Hold)
        each.kind.let_go.set()
        await until
    proxy.faults.clear()
    [bot] = await shop.only_one_serves(follower, "changing")
    await shop.until_full(follower, version="2-")

    assert await shop.only_one_serves(follower, "changing") == [bot]
    job = await shop.replicas.plane.api("GET", f"{shop.crew.jobs}/{bot.job}")
    assert job["metadata"]["labels"]["podline.dev/agent-version"].startswith("1-")
    await shop.end(follower, "changing")


async def test_warm_bots_are_replaced_when_a_value_of_their_secret_set_changes_and_no_call_gets_a_former_one(
    shop: WarmShop, follower: ReplicaProcess
) -> None:
    path = f"/v1/organizations/{ORGANIZATION}/secrets/{SECRET_SET}"
    before = await shop.until_full(follower)
    sessions: list[str] = []
    for value in ("first", "second"):
        written = await follower.client.put(path, json={"secretKey": "API_KEY", "secretValue": value})
        assert written.is_success, written.text
        sessions.append(f"{value}-key")
        await shop.start(follower, sessions[-1])
        bots = await shop.only_one_serves(follower, *sessions)
        assert bots[-1].job not in before
        before = await shop.until_full(follower, without=before)
    await shop.end(follower, *sessions)


async def deploy(shop: WarmShop, image: str) -> None:
    path = f"{shop.crew.core}/configmaps/agent-{AGENT}"
    await shop.plane.api("PATCH", path, definition(image), MERGE)
