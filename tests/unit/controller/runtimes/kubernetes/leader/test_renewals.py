"""A leader writes only while nobody else can have taken over, and goes on if nobody has."""

from __future__ import annotations

import asyncio
import logging

import pytest

from controller.core.errors import RuntimeUnavailable
from controller.runtimes.kubernetes.leader.lease import DURATION_SECONDS, NAME
from controller.runtimes.kubernetes.leader.tenure import WRITE_SECONDS
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiRequest
from tests.unit.controller.runtimes.kubernetes.leader.candidates import (
    ALWAYS,
    change_lease,
    holder,
    leading,
    lease_of,
    serve_lease,
    standing,
)


def is_renewal(asked: ApiRequest) -> bool:
    return asked.method == "PATCH"


@at_once_with_sockets
async def test_a_leader_may_write_for_as_long_as_its_renewals_are_answered() -> None:
    async with serve_lease() as server, leading(server) as one:
        ends = one.now() + 5 * DURATION_SECONDS
        while one.now() < ends:
            assert one.election.may_write()
            await asyncio.sleep(0.1)


@at_once_with_sockets
async def test_a_slow_api_server_does_not_end_a_tenure_because_renewals_overlap() -> None:
    async with serve_lease() as server, leading(server) as one:
        server.misbehave("slow", method="PATCH", times=ALWAYS, seconds=WRITE_SECONDS - 1.5)
        ends = one.now() + 5 * DURATION_SECONDS
        while one.now() < ends:
            assert one.election.may_write()
            await asyncio.sleep(0.1)


@at_once_with_sockets
async def test_a_leader_whose_renewals_fail_stops_writing_before_another_one_can_take_over() -> None:
    async with serve_lease() as server, leading(server) as one, standing(server, "two") as two:
        await two.until(lambda: two.election.leader_address)
        server.misbehave("refuse", method="PATCH", times=ALWAYS, status=500)
        renewed = one.tenure.renewed_at
        assert renewed is not None
        await one.until(lambda: not one.election.may_write())

        assert one.now() < (one.tenure.renewed_at or 0) + DURATION_SECONDS
        assert one.leads
        assert not two.leads


@at_once_with_sockets
async def test_a_leader_that_nobody_has_replaced_goes_on_when_its_renewals_succeed_again() -> None:
    async with serve_lease() as server, leading(server) as one:
        fault = server.misbehave("refuse", method="PATCH", times=ALWAYS, status=500)
        await one.until(lambda: not one.election.may_write())
        ends = one.now() + 5 * DURATION_SECONDS
        await one.until(lambda: one.now() > ends)
        fault.times = 0
        await one.until(one.election.may_write)

        assert one.running is not None
        assert not one.running.done()
        assert holder(server) == "one"


@at_once_with_sockets
async def test_a_leader_that_was_replaced_meanwhile_ends() -> None:
    async with serve_lease() as server, leading(server) as one:
        change_lease(server, holderIdentity="two")
        await one.until(lambda: not one.leads)
        assert one.running is not None
        await asyncio.wait([one.running])

        assert not one.election.may_write()
        assert holder(server) == "two"


@at_once_with_sockets
async def test_a_leader_that_was_replaced_ends_though_other_renewals_are_not_answered() -> None:
    async with serve_lease() as server, leading(server) as one:
        server.misbehave("hang", method="PATCH")
        await server.until_asked(is_renewal, times=3)
        change_lease(server, holderIdentity="two")
        await one.until(lambda: not one.leads)
        lost = one.now()
        assert one.running is not None
        await asyncio.wait([one.running])

        assert one.now() - lost < DURATION_SECONDS


@at_once_with_sockets
async def test_a_leader_whose_lease_was_deleted_ends() -> None:
    async with serve_lease() as server, leading(server) as one:
        server.objects.delete("leases", "podline", NAME)
        await one.until(lambda: not one.leads)

        assert one.running is not None
        await asyncio.wait([one.running])


@at_once_with_sockets
async def test_a_renewal_that_arrives_after_the_hand_over_changes_nothing() -> None:
    async with serve_lease() as server, leading(server) as one:
        fault = server.misbehave("wait", method="PATCH")
        # One has taken the Lease, and the next may have been under way before the fault.
        await server.until_asked(is_renewal, times=3)
        await one.election.hand_over()
        released = lease_of(server)
        fault.let_go.set()
        ends = one.now() + DURATION_SECONDS
        await one.until(lambda: one.now() > ends)

        assert lease_of(server) == released
        assert holder(server) == ""


@at_once_with_sockets
async def test_renewals_that_fail_are_logged_once_and_so_is_that_they_succeed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "podline.replicas")
    async with serve_lease() as server, leading(server) as one:
        fault = server.misbehave("refuse", method="PATCH", times=ALWAYS, status=500)
        ends = one.now() + 10
        await one.until(lambda: one.now() > ends)
        fault.times = 0
        await one.until(lambda: one.election.problem() is None)

    assert [each.message for each in caplog.records] == [
        "leading",
        "lease not renewed",
        "lease renewed again",
    ]


@at_once_with_sockets
async def test_the_age_of_the_lease_is_that_of_its_last_renewal() -> None:
    async with serve_lease() as server, leading(server) as one:
        server.misbehave("refuse", method="PATCH", times=ALWAYS, status=500)
        await one.until(lambda: (one.election.renewal_age or 0) > 2 * DURATION_SECONDS)

        assert one.leads


@at_once_with_sockets
async def test_a_drain_that_the_next_leader_would_not_know_of_is_refused() -> None:
    async with serve_lease() as server, leading(server) as one:
        change_lease(server, holderIdentity="two")

        with pytest.raises(RuntimeUnavailable):
            await one.election.keep_draining(is_draining=True)
