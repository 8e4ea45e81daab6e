"""One controller of several leads, and another one follows it, whatever happens to their requests."""

from __future__ import annotations

import asyncio
import logging

import pytest

from controller.core.leadership import TakeoverCause
from controller.runtimes.kubernetes.leader.lease import (
    DURATION_SECONDS,
    Lease,
    LeaseAnnotations,
    LeaseMeta,
    LeaseSpec,
)
from podline.contract.version import VERSION
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiRequest, serve_api
from tests.unit.controller.runtimes.kubernetes.leader.candidates import (
    ALWAYS,
    FAR_AHEAD,
    LONG_AGO,
    change_lease,
    hold_lease,
    holder,
    leading,
    lease_of,
    serve_lease,
    standing,
)


def is_write(asked: ApiRequest) -> bool:
    return asked.method in ("POST", "PATCH")


@at_once_with_sockets
async def test_the_first_controller_leads_at_once() -> None:
    async with serve_lease() as server, standing(server, "one") as one:
        takeover = await one.acquired()

        assert takeover.cause is TakeoverCause.START
        assert one.election.may_write()
        assert holder(server) == "one"


@at_once_with_sockets
async def test_the_lease_says_where_its_holder_is_reached_and_which_version_it_is() -> None:
    async with serve_lease() as server, leading(server):
        lease = lease_of(server)

        assert lease is not None
        assert lease["metadata"]["annotations"] == {
            "podline.dev/address": "one:7862",
            "podline.dev/version": VERSION,
        }
        assert lease["spec"]["leaseDurationSeconds"] == DURATION_SECONDS


@at_once_with_sockets
async def test_a_second_controller_stands_by_and_knows_where_the_leader_is_reached() -> None:
    async with serve_lease() as server, leading(server), standing(server, "two") as two:
        await two.until(lambda: two.election.leader_address == "one:7862")

        assert two.is_following
        assert not two.leads
        assert not two.election.may_write()


@pytest.mark.parametrize(
    ("address", "is_used"),
    [
        ("10.0.0.5:7862", True),
        ("[fd00::5]:7862", True),
        ("podline-0.podline:7862", True),
        ("", False),
        ("10.0.0.5", False),
        ("10.0.0.5:99999", False),
        ("somebody@elsewhere:80", False),
        ("elsewhere/path:80", False),
        ("[fd00::5:7862", False),
    ],
)
def test_an_address_is_used_only_if_it_is_one(address: str, is_used: bool) -> None:  # noqa: FBT001 - a case
    annotations = LeaseAnnotations(address=address)
    lease = Lease(metadata=LeaseMeta(annotations=annotations), spec=LeaseSpec(holder_identity="other"))

    assert lease.address == (address if is_used else None)


@at_once_with_sockets
async def test_a_standby_does_not_take_what_is_renewed_however_old_its_dates_are() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        ends = two.now() + 5 * DURATION_SECONDS
        await two.until(lambda: two.now() > ends)

        assert one.leads
        assert not two.leads


@pytest.mark.parametrize("renewed", [LONG_AGO, FAR_AHEAD])
@at_once_with_sockets
async def test_a_lease_expires_by_the_standbys_own_clock_and_not_by_its_dates(renewed: str) -> None:
    async with serve_lease() as server:
        hold_lease(server, "dead", renewed)
        async with standing(server, "two") as two:
            began = two.now()
            takeover = await two.acquired()

            assert takeover.cause is TakeoverCause.EXPIRY
            assert two.now() - began > DURATION_SECONDS


@at_once_with_sockets
async def test_a_change_of_the_lease_starts_its_time_anew() -> None:
    async with serve_lease() as server:
        hold_lease(server, "other", LONG_AGO)
        async with standing(server, "two") as two:
            await two.until(lambda: two.election.leader_address is None and two.election.renewal_age)
            began = two.now()
            await two.until(lambda: two.now() - began > DURATION_SECONDS / 2)
            change_lease(server, renewTime=LONG_AGO, leaseTransitions=8)
            changed = two.now()
            await two.acquired()

            assert two.now() - changed > DURATION_SECONDS


@at_once_with_sockets
async def test_a_leader_that_dies_is_replaced() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        await one.end()
        takeover = await two.acquired()
        lease = lease_of(server)

        assert takeover.cause is TakeoverCause.EXPIRY
        assert lease is not None
        assert lease["spec"]["leaseTransitions"] == 2


@at_once_with_sockets
async def test_a_lead_that_is_handed_over_is_taken_without_waiting_for_its_expiry() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        await two.until(lambda: two.election.leader_address)
        began = two.now()
        await one.election.hand_over()
        takeover = await two.acquired()

        assert takeover.cause is TakeoverCause.HANDOVER
        assert two.now() - began < DURATION_SECONDS
        assert not one.election.may_write()


@at_once_with_sockets
async def test_who_has_handed_over_knows_where_the_next_leader_is_reached() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two"):
        await one.election.hand_over()
        await one.until(lambda: one.election.leader_address == "two:7862")


@at_once_with_sockets
async def test_who_has_handed_over_never_leads_again() -> None:
    async with serve_lease() as server, leading(server) as one:
        await one.election.hand_over()
        ends = one.now() + 3 * DURATION_SECONDS
        await one.until(lambda: one.now() > ends)

        assert holder(server) == ""
        assert not one.leads


@at_once_with_sockets
async def test_a_controller_that_could_not_serve_does_not_take_the_lease() -> None:
    async with serve_lease() as server, standing(server, "one", unfit="Jobs are not watched.") as one:
        ends = one.now() + 3 * DURATION_SECONDS
        await one.until(lambda: one.now() > ends)
        assert holder(server) is None

        one.unfit = None
        await one.acquired()


@at_once_with_sockets
async def test_two_controllers_that_see_the_same_expiry_agree_on_one() -> None:
    async with serve_lease() as server:
        hold_lease(server, "dead", LONG_AGO)
        async with standing(server, "one") as one, standing(server, "two") as two:
            await one.until(lambda: one.leads or two.leads)
            ends = one.now() + 3 * DURATION_SECONDS
            await one.until(lambda: one.now() > ends)

            assert [one.leads, two.leads].count(True) == 1
            assert holder(server) == ("one" if one.leads else "two")


@at_once_with_sockets
async def test_who_comes_too_late_finds_the_lease_taken_and_stands_by() -> None:
    async with serve_lease() as server:
        fault = server.misbehave("wait", method="POST")
        async with standing(server, "one") as one:
            await server.until_asked(is_write)
            hold_lease(server, "two", LONG_AGO)
            change_lease(server, holderIdentity="two")
            fault.let_go.set()
            await one.until(lambda: one.election.renewal_age is not None)

            assert not one.leads
            assert holder(server) == "two"


@pytest.mark.parametrize("is_first", [True, False])
@at_once_with_sockets
async def test_a_lease_whose_taking_was_not_answered_is_found_to_be_ours(is_first: bool) -> None:  # noqa: FBT001 - a case
    async with serve_lease() as server:
        if not is_first:
            hold_lease(server, "", LONG_AGO)
        server.misbehave("reset_after", method="PATCH")
        async with standing(server, "one") as one:
            takeover = await one.acquired()

            assert takeover.cause is (TakeoverCause.START if is_first else TakeoverCause.HANDOVER)
            assert holder(server) == "one"


@at_once_with_sockets
async def test_a_lease_that_can_not_be_taken_is_tried_again_and_says_why() -> None:
    async with serve_lease() as server:
        refused = server.misbehave(
            "refuse",
            method="PATCH",
            times=ALWAYS,
            status=403,
            reason="Forbidden",
            message="leases: forbidden",
        )
        async with standing(server, "one") as one:
            await one.until(lambda: "forbidden" in (one.election.problem() or ""))

            refused.times = 0
            await one.acquired()
            assert one.election.problem() is None


@at_once_with_sockets
async def test_a_lease_that_can_not_be_watched_says_why() -> None:
    async with serve_lease() as server:
        server.misbehave("refuse", method="GET", times=ALWAYS, status=403, message="leases: no list for you")
        async with standing(server, "one") as one:
            await one.until(lambda: "no list for you" in (one.election.problem() or ""))

            assert not one.leads


@at_once_with_sockets
async def test_an_outage_is_logged_once_and_not_with_each_attempt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "podline.replicas")
    async with serve_lease() as server:
        server.misbehave("refuse", method="PATCH", times=ALWAYS, status=503)
        async with standing(server, "one"):
            await server.until_asked(is_write, times=10)

    assert [each.message for each in caplog.records] == ["lease not taken"]


@at_once_with_sockets
async def test_attempts_are_not_made_many_times_a_second_while_the_api_server_refuses() -> None:
    async with serve_lease() as server:
        server.misbehave("refuse", method="PATCH", times=ALWAYS, status=403)
        async with standing(server, "one") as one:
            began = one.now()
            await server.until_asked(is_write, times=20)

            assert one.now() - began > 20 / 5


@at_once_with_sockets
async def test_without_the_lease_of_the_installation_nobody_leads_and_the_controller_says_so() -> None:
    async with serve_api() as server, standing(server, "one") as one:
        await one.until(lambda: "apply deploy/base" in (one.election.problem() or ""))

        assert not one.leads
        assert holder(server) is None


@at_once_with_sockets
async def test_that_sessions_may_not_be_started_is_known_to_the_next_leader() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        await one.election.keep_draining(is_draining=True)
        await one.election.hand_over()

        assert (await two.acquired()).is_draining


@at_once_with_sockets
async def test_a_drain_that_was_ended_is_over_for_the_next_leader() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        await one.election.keep_draining(is_draining=True)
        await one.election.keep_draining(is_draining=False)
        await one.end()

        assert not (await two.acquired()).is_draining


# --- a standby that leaves ---


@at_once_with_sockets
async def test_a_standby_that_leaves_while_it_takes_the_lease_gives_it_back() -> None:
    async with serve_lease() as server:
        fault = server.misbehave("wait", method="POST")
        async with standing(server, "one") as one:
            await server.until_asked(is_write)
            leaving = asyncio.create_task(one.election.hand_over())
            await asyncio.sleep(0)
            fault.let_go.set()
            await leaving

            assert holder(server) == ""
            assert not one.leads


@at_once_with_sockets
async def test_a_standby_that_leaves_takes_no_lease_any_more() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        await two.until(lambda: two.election.leader_address)
        await two.election.hand_over()
        await one.election.hand_over()
        ends = two.now() + 3 * DURATION_SECONDS
        await two.until(lambda: two.now() > ends)

        assert holder(server) == ""


@at_once_with_sockets
async def test_leaving_does_not_wait_for_an_api_server_that_does_not_answer() -> None:
    async with serve_lease() as server, leading(server) as one:
        server.misbehave("hang", method="PATCH", times=ALWAYS)
        began = one.now()
        await one.election.hand_over()

        assert one.now() - began < 2 * DURATION_SECONDS
        assert not one.election.may_write()
