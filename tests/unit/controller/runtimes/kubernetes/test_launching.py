"""A launch leaves one Job and the Secret it owns, or neither, whatever comes in between."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from controller.core.errors import RuntimeUnavailable, SessionConflict, UnknownOutcome
from controller.observe.traces import LISTED, Traced
from controller.runtimes.kubernetes import names
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.controllers.spans import Received, attributes_of
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import How
from tests.unit.controller.runtimes.kubernetes.launch_site import launching

ALWAYS: Final = 10**6


@at_once_with_sockets
async def test_the_job_comes_first_and_then_its_secret() -> None:
    async with launching() as site:
        job = await site.launch()

        assert site.written() == [("POST", "jobs"), ("POST", "secrets")]
        assert job.metadata.uid == site.jobs[0]["metadata"]["uid"]
        site.assert_launched()


@at_once_with_sockets
async def test_the_same_launch_again_changes_nothing() -> None:
    async with launching() as site:
        first = await site.launch()
        before = site.server.objects.version
        second = await site.launch()

        assert second.metadata.uid == first.metadata.uid
        assert site.server.objects.version == before


@pytest.mark.parametrize("kind", ["jobs", "secrets"])
@pytest.mark.parametrize("how", ["reset_before", "reset_after", "late", "refuse"])
@at_once_with_sockets
async def test_an_attempt_of_unknown_outcome_is_settled(how: How, kind: str) -> None:
    async with launching() as site:
        site.server.misbehave(how, method="POST", path=f"/{kind}", times=2, status=503)
        await site.launch()
        await asyncio.sleep(60)

        site.assert_launched()


@at_once_with_sockets
async def test_an_answer_that_does_not_come_leaves_it_unknown() -> None:
    async with launching() as site:
        site.server.misbehave("hang", method="POST", path="/jobs")
        with pytest.raises(UnknownOutcome):
            await site.launch()


@at_once_with_sockets
async def test_a_server_that_wants_a_pause_gets_it() -> None:
    async with launching() as site:
        site.server.misbehave("refuse", status=429, reason="TooManyRequests", retry_after=3)
        began = asyncio.get_running_loop().time()
        await site.launch()

        assert asyncio.get_running_loop().time() - began >= 3
        site.assert_launched()


@at_once_with_sockets
async def test_a_server_that_takes_nothing_is_given_up() -> None:
    async with launching() as site:
        site.server.misbehave("refuse", times=ALWAYS, status=429, message="too many requests")
        with pytest.raises(RuntimeUnavailable) as caught:
            await site.launch()

        assert str(caught.value) == (
            "The bot's Job could not be created. The API server answered 429: too many requests."
        )
        assert len(site.server.asked) < 50


@at_once_with_sockets
async def test_a_server_that_may_have_taken_it_leaves_it_unknown() -> None:
    async with launching() as site:
        site.server.misbehave("reset_before", times=ALWAYS)
        with pytest.raises(UnknownOutcome):
            await site.launch()


@pytest.mark.parametrize(
    "foreign",
    [
        {"labels": {}, "annotations": {}},
        {"labels": {names.LAUNCH_ID: "launch-9"}, "annotations": {names.SESSION_ID: "CART-7"}},
        # The session's own, of another launch, not over.
        {"labels": {names.LAUNCH_ID: "launch-9"}, "annotations": {names.SESSION_ID: "cart-7"}},
    ],
)
@at_once_with_sockets
async def test_a_job_of_another_is_a_conflict_and_left_alone(foreign: Thing) -> None:
    async with launching() as site:
        theirs = site.server.objects.create("jobs", "podline", {"metadata": {"name": "cart-7", **foreign}})
        with pytest.raises(SessionConflict) as caught:
            await site.launch()

        assert str(caught.value) == (
            "The Job cart-7 in namespace podline has the name of session 'cart-7' but belongs to something "
            "else. Choose another session_id, or delete the Job."
        )
        assert site.jobs == [theirs]
        assert site.secrets == []


@at_once_with_sockets
async def test_a_quota_that_is_used_up_refuses_the_launch() -> None:
    message = 'jobs.batch "cart-7" is forbidden: exceeded quota: bots, used: count/jobs.batch=20'
    async with launching() as site:
        site.server.misbehave("refuse", method="POST", status=403, reason="Forbidden", message=message)
        with pytest.raises(RuntimeUnavailable, match=r"^The namespace's quota is used up\. "):
            await site.launch()

        assert (site.jobs, site.secrets) == ([], [])


@at_once_with_sockets
async def test_a_quota_that_our_own_attempt_has_filled_hides_no_job() -> None:
    async with launching() as site:
        site.server.misbehave("reset_after", path="/jobs")
        site.server.misbehave("refuse", path="/jobs", status=403, message="exceeded quota: bots")
        await site.launch()

        assert len(site.jobs) == len(site.secrets) == 1


@at_once_with_sockets
async def test_a_launch_that_is_made_again_while_the_quota_is_used_up_leaves_its_bot_alone() -> None:
    async with launching() as site:
        await site.launch()
        site.server.misbehave(
            "refuse", method="POST", times=2, status=403, message="exceeded quota: bots, used: pods=20"
        )
        with pytest.raises(UnknownOutcome):
            await site.launch()

        assert len(site.jobs) == len(site.secrets) == 1


@pytest.mark.parametrize("kind", ["jobs", "secrets"])
@at_once_with_sockets
async def test_a_quota_that_is_written_by_others_at_that_moment_is_asked_again(kind: str) -> None:
    """A 409 as well, and not for a name that is taken."""
    message = (
        'Operation cannot be fulfilled on resourcequotas "bots": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    async with launching() as site:
        site.server.misbehave("refuse", path=f"/{kind}", status=409, reason="Conflict", message=message)
        await site.launch()

        site.assert_launched()


@at_once_with_sockets
async def test_a_job_whose_secret_is_refused_is_taken_back() -> None:
    async with launching() as site:
        site.server.misbehave("refuse", path="/secrets", status=403, message="no")
        with pytest.raises(RuntimeUnavailable, match="The bot's Secret could not be created"):
            await site.launch()

        assert (site.jobs, site.secrets) == ([], [])


@at_once_with_sockets
async def test_a_job_made_by_an_attempt_of_unknown_outcome_is_taken_back_as_well() -> None:
    async with launching() as site:
        site.server.misbehave("reset_after", path="/jobs")
        site.server.misbehave("refuse", path="/secrets", status=403, message="no")
        with pytest.raises(RuntimeUnavailable):
            await site.launch()

        assert site.jobs == []


@at_once_with_sockets
async def test_each_write_of_a_launch_is_a_step_in_its_trace() -> None:
    received = Received(LISTED)
    tracing = Traced(received.provider)
    async with launching(tracing) as site:
        site.server.misbehave("refuse", method="POST", path="/secrets", times=ALWAYS, status=403)
        with pytest.raises(RuntimeUnavailable), tracing.step("launch bot"):
            await site.launch()

    assert received.names == ["create Job", "create Secret", "launch bot"]
    assert received.parent("create Job") == received.parent("create Secret") == "launch bot"
    assert received.one("create Job").status.is_ok
    assert attributes_of(received.one("create Secret"))["error.type"] == "runtime_unavailable"
