"""A replica stands by until it leads, serves while it leads, and makes way for the next one."""

from __future__ import annotations

import asyncio

import pytest

from controller.core.errors import RuntimeUnavailable
from controller.core.leadership import TakeoverCause
from controller.core.start_request import StartRequest
from controller.replicas.replica import (
    CHECK_SECONDS,
    LEADERLESS_SECONDS,
    LINGER_SECONDS,
    SETTLE_SECONDS,
)
from controller.supervision.room_keeper import SWEEP_SECONDS
from podline.contract.messages import BotTimeline, Report
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage
from testing.fakes.controllers.clockwork import at_once
from tests.unit.controller.replicas.standing import ANOTHER, OTHER, Stand, standing

LED_FAR_AWAY = f"This standby can't reach the leader at {OTHER}."
CAN_NOT_RENEW = "This controller leads, but can't renew its Lease at the API server."
LEAVING = "The controller is shutting down."
JOINED = Report(
    seq=1, acked=0, events=[], totals=Usage(), timeline=BotTimeline(now=2.0, process_up=0.5, joined=1.0)
)
FAILED = "The controller has failed and must be restarted."


async def passes(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def ends(stand: Stand) -> None:
    """Wait until it can only be restarted."""
    while stand.replica.is_alive():  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(0.05)


# --- standing by ---


@at_once
async def test_a_standby_is_ready_once_it_reaches_the_leader() -> None:
    async with standing() as stand:
        await stand.follows()

        assert stand.replica.not_ready_reason() is None
        assert stand.replica.is_alive()
        assert not stand.replica.serves


@at_once
async def test_a_standby_that_has_never_seen_a_leader_is_not_ready_and_says_what_keeps_it_from_leading() -> (
    None
):
    async with standing() as stand:
        stand.leadership.trouble = "leases is forbidden."
        await passes(CHECK_SECONDS)

        assert stand.replica.not_ready_reason() == (
            "No controller that leads has been seen yet. leases is forbidden."
        )
        assert not stand.replica.reaches_leader()


@at_once
async def test_a_standby_that_could_not_take_over_is_not_ready() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.unfit.append("Jobs are not watched.")

        assert stand.replica.not_ready_reason() == "Jobs are not watched."


@at_once
async def test_a_standby_that_can_not_reach_the_leader_is_not_ready_until_it_does() -> None:
    async with standing() as stand:
        stand.link.reached.clear()
        stand.leadership.follows(OTHER)
        await stand.until(lambda: stand.replica.not_ready_reason() == LED_FAR_AWAY)
        assert not stand.replica.reaches_leader()

        stand.link.reached.add(OTHER)
        await stand.until(lambda: stand.replica.not_ready_reason() is None)


@at_once
async def test_a_standby_stays_ready_while_one_leader_replaces_another() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.follows(None)
        await passes(LEADERLESS_SECONDS / 2)

        assert stand.replica.not_ready_reason() is None
        assert not stand.replica.reaches_leader()


@at_once
async def test_a_standby_is_not_ready_after_nobody_has_led_for_a_while() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.trouble = "The API server can't be reached."
        stand.leadership.follows(None)
        await passes(LEADERLESS_SECONDS + 2)

        assert stand.replica.not_ready_reason() == (
            "No controller has led for 12 seconds. The API server can't be reached."
        )


@at_once
async def test_requests_to_a_leader_that_leads_no_longer_are_ended() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.follows(ANOTHER)
        await stand.until(lambda: stand.link.broken_off)

        assert stand.link.broken_off == [OTHER]


@at_once
async def test_a_leader_that_hands_over_may_answer_what_it_has_begun() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.follows(None)
        await passes(CHECK_SECONDS)
        stand.leadership.follows(ANOTHER)
        await passes(CHECK_SECONDS)

        assert stand.link.broken_off == []


@at_once
async def test_requests_to_a_leader_whose_place_this_replica_takes_are_ended() -> None:
    async with standing() as stand:
        await stand.follows()
        await stand.leads()
        await stand.until(lambda: stand.link.broken_off)

        assert stand.link.broken_off == [OTHER]


@at_once
async def test_a_standby_watches_no_bots() -> None:
    async with standing() as stand:
        await stand.follows()

        assert not stand.supervisor.started.is_set()


# --- leading ---


@at_once
async def test_a_leader_serves_and_counts_how_it_came_to_lead() -> None:
    async with standing() as stand:
        stand.leadership.leads(TakeoverCause.EXPIRY)
        await stand.until(lambda: stand.replica.serves)

        assert stand.replica.leads()
        assert stand.replica.reaches_leader()
        assert stand.replica.not_ready_reason() is None
        assert stand.counted("podline_takeovers_total", cause="expiry") == 1
        assert stand.counted("podline_takeover_seconds_count") == 1


@at_once
async def test_who_waits_for_a_leader_is_woken_when_this_one_serves() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.leads()
        async with asyncio.timeout(60):
            while not stand.replica.serves:
                await stand.replica.changed()


@at_once
async def test_requests_wait_until_a_leader_knows_all_sessions_but_not_forever() -> None:
    async with standing() as stand:
        stand.runtime.not_ready_reason = lambda: "Still finding sessions."  # type: ignore[method-assign]
        stand.leadership.leads()
        await passes(SETTLE_SECONDS / 2)
        assert not stand.replica.serves

        await passes(SETTLE_SECONDS)
        assert stand.replica.serves
        assert stand.replica.not_ready_reason() == "Still finding sessions."


@at_once
async def test_a_leader_that_can_not_renew_does_not_serve_and_says_so() -> None:
    async with standing() as stand:
        await stand.leads()
        stand.leadership.lapses()

        assert not stand.replica.serves
        assert stand.replica.not_ready_reason() == CAN_NOT_RENEW
        assert stand.replica.is_alive()


@at_once
async def test_a_leader_that_can_renew_again_serves_again() -> None:
    async with standing() as stand:
        await stand.leads()
        stand.leadership.lapses()
        stand.leadership.resumes()

        assert stand.replica.serves
        assert stand.replica.not_ready_reason() is None


@at_once
async def test_bots_that_could_not_report_while_the_leader_could_not_renew_are_not_given_up() -> None:
    async with standing() as stand:
        await stand.leads()
        await stand.supervisor.start(StartRequest(user_id="ana", max_duration_seconds=1800))
        [record] = stand.supervisor.registry.running()
        stand.supervisor.channel.report(record.session.launch_id, JOINED)
        stand.leadership.lapses()
        await passes(10 * 60)
        stand.leadership.resumes()
        await passes(5)

        assert record.session.phase is Phase.LIVE
        assert stand.runtime.stopped == []


@at_once
async def test_a_bot_that_stays_silent_after_that_is_stopped() -> None:
    async with standing() as stand:
        await stand.leads()
        await stand.supervisor.start(StartRequest(user_id="ana", max_duration_seconds=1800))
        [record] = stand.supervisor.registry.running()
        stand.supervisor.channel.report(record.session.launch_id, JOINED)
        stand.leadership.lapses()
        await passes(60)
        stand.leadership.resumes()
        await stand.until(lambda: record.session.phase.is_end)

        assert record.session.ending is not None
        assert record.session.ending.reason is Reason.UNRESPONSIVE


@at_once
async def test_a_leader_that_can_not_renew_sweeps_up_no_rooms_that_may_be_another_ones() -> None:
    async with standing() as stand:
        await stand.leads()
        await stand.until(lambda: stand.rooms.times_swept)
        stand.leadership.lapses()
        swept = stand.rooms.times_swept
        await passes(5 * SWEEP_SECONDS)

        assert stand.rooms.times_swept == swept


@at_once
async def test_a_leader_takes_on_that_no_sessions_are_started() -> None:
    async with standing() as stand:
        stand.leadership.leads(TakeoverCause.HANDOVER, is_draining=True)
        await stand.until(lambda: stand.replica.serves)

        assert stand.supervisor.is_draining


@at_once
async def test_a_drain_is_noted_for_the_next_leader() -> None:
    async with standing() as stand:
        await stand.leads()
        await stand.replica.drain(is_draining=True)

        assert stand.leadership.is_draining
        assert stand.supervisor.is_draining


@at_once
async def test_a_drain_that_can_not_be_noted_changes_nothing() -> None:
    async with standing() as stand:
        await stand.leads()
        stand.leadership.failure = RuntimeUnavailable("The API server is away.")
        with pytest.raises(RuntimeUnavailable):
            await stand.replica.drain(is_draining=True)

        assert not stand.supervisor.is_draining


# --- losing the lead, and failing ---


@at_once
async def test_a_leader_that_another_one_has_replaced_must_be_restarted() -> None:
    async with standing() as stand:
        await stand.leads()
        stand.leadership.is_lost_to(OTHER)
        await ends(stand)

        assert not stand.replica.serves
        assert not stand.replica.leads()
        assert stand.replica.not_ready_reason() == FAILED
        await stand.until(lambda: not stand.supervisor.is_alive())


@at_once
async def test_a_leader_whose_supervisor_fails_must_be_restarted() -> None:
    async with standing() as stand:
        await stand.leads()
        stand.runtime.lose()
        await ends(stand)

        assert stand.replica.not_ready_reason() == FAILED


@at_once
async def test_a_standby_whose_election_fails_must_be_restarted() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.fails(ValueError("a mistake of ours"))
        await ends(stand)

        assert stand.replica.not_ready_reason() == FAILED


@at_once
async def test_a_standby_whose_check_of_the_leader_fails_must_be_restarted() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.link.failure = ValueError("a mistake of ours")
        await ends(stand)

        assert stand.replica.not_ready_reason() == FAILED


# --- leaving ---


@at_once
async def test_a_leader_that_leaves_hands_over_and_stays_until_the_next_one_leads() -> None:
    async with standing() as stand:
        await stand.leads()
        leaving = asyncio.create_task(stand.replica.close())
        await stand.until(lambda: stand.leadership.was_handed_over)
        assert not stand.supervisor.is_alive()
        assert not leaving.done()

        stand.leadership.follows(OTHER)
        await leaving
        assert stand.replica.leader_address == OTHER
        assert stand.replica.not_ready_reason() == LEAVING
        assert stand.replica.is_alive()


@at_once
async def test_a_leader_that_leaves_stays_while_the_service_may_lead_to_it() -> None:
    async with standing() as stand:
        await stand.leads()
        leaving = asyncio.create_task(stand.replica.close())
        await stand.until(lambda: stand.leadership.was_handed_over)
        stand.leadership.follows(OTHER)
        await passes(LINGER_SECONDS - 1)
        assert not stand.replica.has_left

        await leaving
        assert stand.replica.has_left


@at_once
async def test_a_leader_that_leaves_does_not_wait_long_for_a_next_one() -> None:
    async with standing() as stand:
        await stand.leads()
        async with asyncio.timeout(10):
            await stand.replica.close()

        assert stand.leadership.was_handed_over


@at_once
async def test_a_leader_that_leaves_serves_nothing_any_more() -> None:
    async with standing() as stand:
        await stand.leads()
        leaving = asyncio.create_task(stand.replica.close())
        await asyncio.sleep(0)

        assert not stand.replica.serves
        await leaving


@at_once
async def test_a_standby_that_leaves_stands_back_and_stays_while_the_service_may_lead_to_it() -> None:
    async with standing() as stand:
        await stand.follows()
        leaving = asyncio.create_task(stand.replica.close())
        await passes(LINGER_SECONDS - 1)
        assert stand.leadership.was_handed_over
        assert not stand.replica.has_left
        assert not leaving.done()

        await passes(2)
        assert leaving.done()
        assert stand.replica.has_left
        assert stand.replica.not_ready_reason() == LEAVING
        assert (stand.link.has_ended_long_ones, stand.link.broken_off) == (True, [])


@at_once
async def test_one_that_leaves_while_nobody_leads_ends_the_polls_to_a_former_leader() -> None:
    async with standing() as stand:
        await stand.replica.close()

        assert stand.link.has_ended_long_ones


@at_once
async def test_a_replica_that_acquires_the_lead_while_it_leaves_watches_no_bots() -> None:
    async with standing() as stand:
        await stand.follows()
        stand.leadership.leads()
        await stand.replica.close()
        await passes(CHECK_SECONDS)

        assert not stand.supervisor.started.is_set()
        assert stand.leadership.was_handed_over


@at_once
async def test_a_leader_that_leaves_during_its_take_over_hands_over() -> None:
    async with standing() as stand:
        stand.runtime.not_ready_reason = lambda: "Still finding sessions."  # type: ignore[method-assign]
        stand.leadership.leads()
        await stand.until(stand.supervisor.started.is_set)
        await stand.replica.close()

        assert stand.leadership.was_handed_over
        assert not stand.supervisor.is_alive()


@at_once
async def test_leaving_twice_hands_over_once() -> None:
    async with standing() as stand:
        await stand.leads()
        leaving = asyncio.create_task(stand.replica.close())
        await stand.until(lambda: stand.leadership.was_handed_over)
        stand.leadership.was_handed_over = False
        await stand.replica.close()

        assert not stand.leadership.was_handed_over
        await leaving


# --- the only controller ---


@at_once
async def test_the_only_controller_leads_from_the_start() -> None:
    async with standing(is_sole=True) as stand:
        assert stand.replica.serves
        assert stand.replica.leads()
        assert stand.replica.not_ready_reason() is None


@at_once
async def test_the_only_controller_serves_its_bots_until_they_have_left() -> None:
    async with standing(is_sole=True) as stand:
        stand.runtime.stubborn = True
        started = await stand.supervisor.start(StartRequest(user_id="ana", max_duration_seconds=1800))
        leaving = asyncio.create_task(stand.replica.close())
        await stand.until(lambda: stand.runtime.stopped)
        assert stand.replica.serves

        await stand.runtime.exit(started.session.launch_id)
        await leaving
