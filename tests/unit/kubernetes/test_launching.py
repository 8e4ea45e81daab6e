"""A launch leaves one Job and the Secret it owns, or neither, whatever comes in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from controller.errors import LaunchUnknown, RuntimeUnavailable, SessionConflict
from controller.runtime import Launch
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.launching import Launcher
from controller.runtimes.kubernetes.objects import Job
from controller.runtimes.kubernetes.place import Place
from controller.runtimes.kubernetes.records import progress_patch
from controller.sessions import Ending
from protocol.reasons import Reason
from tests.fakes.api_objects import Change, Thing
from tests.fakes.api_server import ApiServer, How, serve_api
from tests.fakes.clockwork import at_once_with_sockets
from tests.fakes.cluster import Cluster
from tests.unit.kubernetes import made
from tests.unit.kubernetes.serving import api_to

ALWAYS: Final = 10**6
LATER: Final = {"launch_id": "launch-2"}


class Site:
    """A launcher, and the server it launches into."""

    def __init__(self, server: ApiServer, place: Place, dead: set[str]) -> None:
        self.server = server
        self.cluster = Cluster(server.objects)
        self.dead = dead
        self._launcher = Launcher(place, random.Random(1), dead.__contains__)  # noqa: S311 - the same each time

    async def launch(self, launch: Launch | None = None) -> Job:
        launch = launch or made.launch()
        return await self._launcher.launch(launch, made.manifest(launch))

    @property
    def jobs(self) -> list[Thing]:
        return self.server.objects.all("jobs", "podline")

    @property
    def secrets(self) -> list[Thing]:
        return self.server.objects.all("secrets", "podline")

    def assert_launched(self, launch_id: str = "launch-1") -> None:
        """One Job of this launch, and one Secret that is its own."""
        [job], [secret] = self.jobs, self.secrets
        assert job["metadata"]["labels"][names.LAUNCH_ID] == launch_id
        assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]

    def written(self) -> list[tuple[str, str]]:
        """Each write that was asked for: its method and what it was for."""
        writes = (each for each in self.server.asked if each.method != "GET")
        return [(each.method, each.path.rpartition("podline/")[2]) for each in writes]

    def ended(self, launch: Launch) -> None:
        """Leave behind what a session that is over and accounted for leaves: its Job."""
        over = launch.session.ended(Ending(reason=Reason.CALLER_LEFT, message="The caller left."), made.NOW)
        self.server.objects.create("jobs", "podline", made.manifest(launch))
        self.server.objects.patch("jobs", "podline", "cart-7", progress_patch(over))
        self.cluster.end_job("cart-7", "Complete", "CompletionsReached")


@asynccontextmanager
async def launching() -> AsyncIterator[Site]:
    async with serve_api() as server, api_to(server) as api:
        yield Site(server, Place(api, "podline"), set())


def again() -> Launch:
    """Another launch under the same session id."""
    return made.launch(session=made.session(**LATER))


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
        with pytest.raises(LaunchUnknown):
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

        assert not isinstance(caught.value, LaunchUnknown)
        assert str(caught.value) == (
            "The bot's Job could not be made. The API server answered 429: too many requests."
        )
        assert len(site.server.asked) < 50


@at_once_with_sockets
async def test_a_server_that_may_have_taken_it_leaves_it_unknown() -> None:
    async with launching() as site:
        site.server.misbehave("reset_before", times=ALWAYS)
        with pytest.raises(LaunchUnknown):
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
            "The Job cart-7 in namespace podline bears the name of session 'cart-7' and is not its own. "
            "Choose another session_id, or delete it."
        )
        assert site.jobs == [theirs]
        assert site.secrets == []


@at_once_with_sockets
async def test_a_quota_that_is_used_up_refuses_the_launch() -> None:
    message = 'jobs.batch "cart-7" is forbidden: exceeded quota: bots, used: count/jobs.batch=20'
    async with launching() as site:
        site.server.misbehave("refuse", method="POST", status=403, reason="Forbidden", message=message)
        with pytest.raises(RuntimeUnavailable, match=r"^The namespace's quota is used up\. ") as caught:
            await site.launch()

        assert not isinstance(caught.value, LaunchUnknown)
        assert (site.jobs, site.secrets) == ([], [])


@at_once_with_sockets
async def test_a_quota_that_our_own_attempt_may_have_filled_leaves_it_unknown() -> None:
    async with launching() as site:
        site.server.misbehave("reset_after", path="/jobs")
        site.server.misbehave("refuse", path="/jobs", status=403, message="exceeded quota: bots")
        with pytest.raises(LaunchUnknown):
            await site.launch()


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
        with pytest.raises(RuntimeUnavailable, match="The bot's Secret could not be made") as caught:
            await site.launch()

        assert not isinstance(caught.value, LaunchUnknown)
        assert (site.jobs, site.secrets) == ([], [])


@at_once_with_sockets
async def test_a_job_made_by_an_attempt_of_unknown_outcome_is_taken_back_as_well() -> None:
    async with launching() as site:
        site.server.misbehave("reset_after", path="/jobs")
        site.server.misbehave("refuse", path="/secrets", status=403, message="no")
        with pytest.raises(RuntimeUnavailable) as caught:
            await site.launch()

        assert isinstance(caught.value, LaunchUnknown) or site.jobs == []


# --- what is left of an earlier launch ---


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
        site.dead.add("launch-1")
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
