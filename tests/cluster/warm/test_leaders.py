"""A controller that goes away while a session claims a warm bot: the next one finishes or undoes the claim.

Each test begins with the leader that the one before it leaves behind: to change it takes seconds.
"""

from __future__ import annotations

import asyncio
import signal

import pytest

from testing.cluster.faults import Hold, ProxiedRequest, ProxyFault
from testing.cluster.warm.crew import CrewBot
from testing.cluster.warm.shop import WarmShop, is_claim

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_controller_killed_between_patch_and_assignment_leaves_the_bot_to_its_session(
    shop: WarmShop,
) -> None:
    leader, proxy = shop.replicas.cuttable, shop.replicas.proxy
    follower = await shop.led_by(leader)
    # The API server makes the claim, and its answer doesn't arrive.
    proxy.freeze()
    starting = asyncio.create_task(shop.start(follower, "killed"))
    claimed = await shop.ledger.claimed("killed")
    await leader.end(signal.SIGKILL)
    proxy.thaw()
    await starting
    [bot] = await shop.only_one_serves(follower, "killed")

    assert bot.job == claimed
    await shop.end(follower, "killed")


async def test_a_confirmation_that_comes_after_a_hand_over_gets_no_session_that_has_another_bot(
    shop: WarmShop,
) -> None:
    leader = shop.replicas.other
    follower = await shop.led_by(leader)
    may_confirm = asyncio.Event()
    asked: asyncio.Future[CrewBot] = asyncio.get_running_loop().create_future()

    async def confirm_late(bot: CrewBot) -> None:
        asked.set_result(bot)
        await may_confirm.wait()

    shop.first_asked(confirm_late)
    starting = asyncio.create_task(shop.start(follower, "handed-over"))
    late = await asked
    code = await leader.end(signal.SIGTERM)
    may_confirm.set()
    await starting
    [bot] = await shop.only_one_serves(follower, "handed-over")
    await shop.crew.until(lambda: late.is_gone)

    assert code == 0
    assert bot is not late
    assert late.sessions == []
    await shop.end(follower, "handed-over")


async def test_a_claim_that_is_written_after_the_next_leader_gave_the_session_another_bot_is_taken_back(
    shop: WarmShop,
) -> None:
    leader, proxy = shop.replicas.cuttable, shop.replicas.proxy
    follower = await shop.led_by(leader)
    claims: list[str] = []

    def note(asked: ProxiedRequest) -> bool:
        if is_claim(asked):
            claims.append(asked.name)
        return is_claim(asked)

    held = ProxyFault(hold := Hold(), note, count=1)
    proxy.faults.append(held)
    starting = asyncio.create_task(shop.start(follower, "late"))
    await proxy.until(lambda: held.hits == 1)
    [late] = [each for each in shop.crew.bots.values() if each.job == claims[0]]
    late.may_poll.clear()
    leader.process.send_signal(signal.SIGSTOP)
    await follower.until_it_leads()
    await starting
    [bot] = await shop.only_one_serves(follower, "late")
    assert bot is not late

    hold.let_go.set()
    await shop.crew.until(lambda: late.is_gone)
    leader.process.send_signal(signal.SIGCONT)
    await leader.ended()
    proxy.faults.clear()

    assert shop.ledger.sessions_of[late.job] == {"late"}
    assert await shop.only_one_serves(follower, "late", had_late_claim=True) == [bot]
    assert late.sessions == []
    await shop.end(follower, "late")


async def test_a_bot_whose_confirmation_was_answered_by_nobody_has_its_session_from_the_next_leader(
    shop: WarmShop,
) -> None:
    leader = shop.replicas.other
    follower = await shop.led_by(leader)

    async def outlive(_: CrewBot) -> None:
        await leader.end(signal.SIGKILL)

    shop.first_asked(outlive)
    await shop.start(follower, "orphaned")
    [bot] = await shop.only_one_serves(follower, "orphaned")

    assert bot.asked > 1
    await shop.end(follower, "orphaned")
