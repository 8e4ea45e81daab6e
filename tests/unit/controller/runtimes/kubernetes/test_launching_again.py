"""What an earlier launch, or somebody else, has left under a session's name holds nobody up for long."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from controller.core.errors import RuntimeUnavailable, SessionConflict
from controller.core.runtime import Launch
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_objects import Change
from testing.fakes.kubernetes.api_server import How
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.launch_site import again, launching

ALWAYS: Final = 10**6


@at_once_with_sockets
async def test_a_job_that_is_over_and_accounted_for_makes_room() -> None:
    async with launching() as site:
        site.ended(made.launch())
        await site.launch(again())

        site.assert_launched("launch-2")


@at_once_with_sockets
async def test_a_job_of_a_launch_that_nobody_waits_for_makes_room() -> None:
    async with launching() as site:
        site.server.objects.create("jobs", "podline", made.manifest(made.launch()))
        site.abandoned.add("launch-1")
        await site.launch(again())

        site.assert_launched("launch-2")


@at_once_with_sockets
async def test_a_job_that_is_over_and_not_accounted_for_is_kept() -> None:
    async with launching() as site:
        site.server.objects.create("jobs", "podline", made.manifest(made.launch()))
        site.cluster.end_job("cart-7", "Complete", "CompletionsReached")
        with pytest.raises(SessionConflict):
            await site.launch(again())


@pytest.mark.parametrize("how", [None, "reset_after"])
@at_once_with_sockets
async def test_the_secret_of_an_earlier_launch_goes_first(how: How | None) -> None:
    async with launching() as site:
        await site.launch()
        site.server.objects.delete("jobs", "podline", "cart-7")
        site.ended(made.launch())
        if how is not None:
            site.server.misbehave(how, method="POST", path="/jobs", after=1)
        launching_again = asyncio.create_task(site.launch(again()))
        await asyncio.sleep(3)
        site.cluster.collect()
        await launching_again

        site.assert_launched("launch-2")


@at_once_with_sockets
async def test_a_secret_of_another_is_in_nobodys_way_and_left_alone() -> None:
    async with launching() as site:
        theirs = site.server.objects.create("secrets", "podline", {"metadata": {"name": "cart-7"}})
        await site.launch()

        assert theirs in site.secrets
        assert len(site.secrets) == 2


@at_once_with_sockets
async def test_no_bot_ever_finds_the_secret_of_another() -> None:
    """A Job's pod starts as soon as there is a Secret of the name it asks for, whosever it is."""
    async with launching() as site:
        theirs = {"metadata": {"name": "cart-7"}, "stringData": {"PODLINE_SECRET": "the controller's own"}}
        site.server.objects.create("secrets", "podline", theirs)
        open_to_others: list[Any] = []

        def look(change: Change) -> None:
            if change.kind == "jobs" and change.after is not None:
                [bot] = change.after["spec"]["template"]["spec"]["containers"]
                wanted = {each["secretRef"]["name"] for each in bot["envFrom"]}
                open_to_others.extend(each for each in site.secrets if each["metadata"]["name"] in wanted)

        site.server.objects.reactions.append(look)
        await asyncio.gather(site.launch(), return_exceptions=True)

        assert open_to_others == []


@at_once_with_sockets
async def test_an_earlier_job_that_is_slow_to_go_is_not_asked_for_without_a_pause() -> None:
    async with launching() as site:
        site.ended(made.launch())
        held = {"metadata": {"finalizers": ["foregroundDeletion"]}}
        site.server.objects.patch("jobs", "podline", "cart-7", held)
        launching_again = asyncio.create_task(site.launch(again()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await site.server.until_asked(lambda _: True, times=100)
        site.server.objects.patch("jobs", "podline", "cart-7", {"metadata": {"finalizers": None}})
        await launching_again

        site.assert_launched("launch-2")


# --- a token that only the caller had ---


def without_token() -> Launch:
    return made.launch(secrets=None)


@at_once_with_sockets
async def test_a_bot_that_has_its_secret_needs_no_token_again() -> None:
    async with launching() as site:
        await site.launch()
        before = site.server.objects.version
        await site.launch(without_token())

        assert site.server.objects.version == before
        assert site.server.asked[-1].query == {"dryRun": "All"}


@at_once_with_sockets
async def test_a_bot_whose_token_is_lost_is_not_launched() -> None:
    async with launching() as site:
        site.server.objects.create("jobs", "podline", made.manifest(made.launch()))
        with pytest.raises(RuntimeUnavailable) as caught:
            await site.launch(without_token())

        assert str(caught.value) == "The token of the caller's own room is lost. Start another session."
        assert site.secrets == []
