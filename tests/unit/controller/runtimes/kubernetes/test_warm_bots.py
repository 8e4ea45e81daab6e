"""A warm bot waits for a session, is claimed by one at most with one write, or is given up for good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.core.endings import ending_for
from controller.core.errors import NotClaimed, RuntimeUnavailable, UnknownOutcome
from controller.core.runtime import Observation
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.records import progress_patch
from controller.runtimes.kubernetes.job.warm_manifests import (
    KEEPS_ITS_NODE,
    SAFE_TO_EVICT,
    claim_patch,
    give_up_patch,
)
from controller.runtimes.kubernetes.job_claimer import MARKED_AT_ONCE
from podline.contract.reasons import Reason
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import Followed, following, job_of

NAME = names.warm_job_name("shop", "warm-1")


def warm_job(server: ApiServer) -> Thing:
    return job_of(server, NAME)


def pool(server: ApiServer) -> str:
    return str(warm_job(server)["metadata"]["labels"][names.POOL])


def session_on(server: ApiServer) -> str | None:
    """The session that the next controller would find on the Job."""
    found: str | None = warm_job(server)["metadata"]["annotations"].get(names.SESSION_ID)
    return found


def writes(server: ApiServer) -> list[tuple[str, str]]:
    """Each write that was asked for, dry runs left out."""
    asked = (each for each in server.asked if each.method != "GET" and "dryRun" not in each.query)
    return [(each.method, each.path.rpartition("podline/")[2]) for each in asked]


async def launched(server: ApiServer, followed: Followed) -> str:
    """A warm bot that runs. Return its pod."""
    cluster = Cluster(server.objects)
    cluster.act_alone()
    await followed.runtime.launch_warm(made.warm_launch())
    pod = cluster.run(NAME)
    await asyncio.sleep(1)
    return pod


def leave_warm_job(server: ApiServer, **patch: Any) -> Cluster:
    """What an earlier controller has left in the cluster of a warm bot."""
    server.objects.create("jobs", "podline", made.warm_manifest(made.warm_launch()))
    if patch:
        server.objects.patch("jobs", "podline", NAME, patch)
    cluster = Cluster(server.objects)
    cluster.act_alone()
    return cluster


def leave_claimed_job(server: ApiServer) -> Cluster:
    job = made.job(made.warm_manifest(made.warm_launch()))
    return leave_warm_job(server, **claim_patch(job, made.claim(), made.NOW))


# --- launching ---


@at_once_with_sockets
async def test_a_warm_bot_is_one_job_and_one_secret() -> None:
    async with serve_api() as server, following(server) as followed:
        await followed.runtime.launch_warm(made.warm_launch())
        await followed.runtime.launch_warm(made.warm_launch())

        [secret] = server.objects.all("secrets", "podline")
        assert secret["metadata"]["ownerReferences"][0]["uid"] == warm_job(server)["metadata"]["uid"]
        assert [job["metadata"]["name"] for job in server.objects.all("jobs", "podline")] == [NAME]
        await asyncio.sleep(1)
        assert followed.of("warm-1", "warm") == []


@at_once_with_sockets
async def test_a_warm_bot_that_fails_to_start_has_an_exit() -> None:
    async with serve_api() as server, following(server) as followed:
        pod = await launched(server, followed)
        Cluster(server.objects).end(pod, 67)

        assert (await followed.exit("warm-1")).exit_code == 67
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim())


@at_once_with_sockets
async def test_a_quota_that_is_used_up_leaves_no_warm_bot() -> None:
    async with serve_api() as server, following(server) as followed:
        server.misbehave("refuse", method="POST", path="/jobs", status=403, message="exceeded quota: podline")
        with pytest.raises(RuntimeUnavailable, match="quota is used up"):
            await followed.runtime.launch_warm(made.warm_launch())

        assert server.objects.all("jobs", "podline") == []


@pytest.mark.parametrize("how", ["late", "hang"])
@at_once_with_sockets
async def test_giving_up_a_launch_of_unknown_outcome_leaves_no_bot(how: Any) -> None:
    async with serve_api() as server, following(server) as followed:
        Cluster(server.objects).act_alone()
        server.misbehave(how, method="POST", path="/jobs", times=100)
        with pytest.raises(UnknownOutcome):
            await followed.runtime.launch_warm(made.warm_launch())
        server.behave()
        await followed.runtime.give_up("warm-1")
        await followed.exit("warm-1")
        await asyncio.sleep(60)

        assert server.objects.all("secrets", "podline") == []
        jobs = server.objects.all("jobs", "podline")
        assert all(job["metadata"]["labels"][names.POOL] == "given-up" for job in jobs)
        with pytest.raises(RuntimeUnavailable):
            await followed.runtime.launch_warm(made.warm_launch())


# --- a claim ---


@at_once_with_sockets
async def test_a_claim_is_one_write() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.asked.clear()
        await followed.runtime.claim(made.claim())

        assert [(each.method, each.path.rpartition("podline/")[2]) for each in server.asked] == [
            ("PATCH", f"jobs/{NAME}")
        ]
        assert (pool(server), session_on(server)) == ("claimed", "cart-7")
        await followed.runtime.claim(made.claim())
        assert len(writes(server)) == 1


@at_once_with_sockets
async def test_the_pod_of_a_claimed_bot_keeps_its_node_soon_after() -> None:
    async with serve_api() as server, following(server) as followed:
        pod = await launched(server, followed)
        server.misbehave("refuse", method="PATCH", path=f"/{pod}", status=503, times=2)
        before = server.objects.get("pods", "podline", pod)
        assert before["metadata"]["annotations"][SAFE_TO_EVICT] == "true"
        await followed.runtime.claim(made.claim())
        await asyncio.sleep(30)

        after = server.objects.get("pods", "podline", pod)
        assert after["metadata"]["annotations"].keys() >= set(KEEPS_ITS_NODE)
        assert after["metadata"]["annotations"][SAFE_TO_EVICT] == "false"
        assert after["metadata"]["labels"][names.SESSION_LABEL] == "cart-7"
        assert after["metadata"]["labels"][names.POOL] == "claimed"
        assert after["spec"] == before["spec"]
        assert len(writes(server)) == 2 + 1 + 3


@at_once_with_sockets
async def test_a_controller_that_may_not_label_pods_serves_the_call_all_the_same() -> None:
    async with serve_api() as server, following(server) as followed:
        pod = await launched(server, followed)
        server.misbehave("refuse", method="PATCH", path=f"/{pod}", status=403, times=100)
        await followed.runtime.claim(made.claim())
        await asyncio.sleep(300)

        assert session_on(server) == "cart-7"
        assert [path for _, path in writes(server)].count(f"pods/{pod}") == 1
        assert followed.runtime.not_ready_reason() is None


@at_once_with_sockets
async def test_claims_in_a_burst_come_before_the_labels_of_pods() -> None:
    launch_ids = [f"warm-{number}" for number in range(5)]
    async with serve_api() as server, following(server) as followed:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        for each in launch_ids:
            await followed.runtime.launch_warm(made.warm_launch(bot=made.warm_bot(launch_id=each)))
            cluster.run(names.warm_job_name("shop", each))
        await asyncio.sleep(1)
        slow = server.misbehave("wait", method="PATCH", path="-x2x9k", times=5)
        for each in launch_ids:
            await followed.runtime.claim(made.claim(each, id=f"cart-{each}"))
        await asyncio.sleep(5)

        labelled = [path for _, path in writes(server) if path.startswith("pods/")]
        assert len(labelled) == MARKED_AT_ONCE
        slow.let_go.set()
        await asyncio.sleep(5)
        pods = server.objects.all("pods", "podline")
        assert [pod["metadata"]["labels"][names.POOL] for pod in pods] == ["claimed"] * 5


@at_once_with_sockets
async def test_a_bot_that_a_session_has_is_not_another_sessions() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        results = await asyncio.gather(
            followed.runtime.claim(made.claim(id="cart-7")),
            followed.runtime.claim(made.claim(id="cart-8")),
            return_exceptions=True,
        )
        assert results[0] is None
        assert isinstance(results[1], NotClaimed)
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim(id="cart-8"))

        assert session_on(server) == "cart-7"


@at_once_with_sockets
async def test_a_bot_that_nobody_knows_is_not_claimed() -> None:
    async with serve_api() as server, following(server) as followed:
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim("another"))
        await followed.runtime.give_up("another")

        assert writes(server) == []


@at_once_with_sockets
async def test_a_claim_of_a_job_that_has_changed_unseen_has_no_effect() -> None:
    """The watch is late, as it may be by seconds."""
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        late = server.misbehave("wait", method="PATCH", path=f"/{NAME}")
        claiming = asyncio.create_task(followed.runtime.claim(made.claim()))
        await server.until_asked(lambda asked: asked.method == "PATCH")
        Cluster(server.objects).end_job(NAME, "Failed", "BackoffLimitExceeded")
        late.let_go.set()
        with pytest.raises(NotClaimed):
            await claiming

        assert pool(server) == "waiting"
        assert session_on(server) is None


@at_once_with_sockets
async def test_a_bot_whose_job_was_only_written_to_is_claimed_all_the_same() -> None:
    """The Job controller counts ready pods a moment after the bot has said that it is ready."""
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        late = server.misbehave("wait", method="PATCH", path=f"/{NAME}")
        claiming = asyncio.create_task(followed.runtime.claim(made.claim()))
        await server.until_asked(lambda asked: asked.method == "PATCH")
        server.objects.patch("jobs", "podline", NAME, {"status": {"ready": 1}})
        late.let_go.set()
        await claiming

        assert session_on(server) == "cart-7"


@pytest.mark.parametrize("how", ["reset_after", "hang"])
@at_once_with_sockets
async def test_a_claim_whose_answer_is_lost_is_settled_by_repeating_it(how: Any) -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.misbehave(how, method="PATCH", path=f"/{NAME}")
        try:
            await followed.runtime.claim(made.claim())
        except UnknownOutcome:
            await followed.runtime.claim(made.claim())

        assert session_on(server) == "cart-7"
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim(id="cart-8"))


@at_once_with_sockets
async def test_a_claim_that_is_still_under_way_may_come_to_nothing_or_not() -> None:
    """It has its effect seconds later. Until it is known, no other session gets the bot."""
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.misbehave("late", method="PATCH", path=f"/{NAME}")
        with pytest.raises(UnknownOutcome):
            await followed.runtime.claim(made.claim())
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim(id="cart-8"))
        await asyncio.sleep(10)
        assert session_on(server) == "cart-7"
        assert followed.of("warm-1", "found") == [], "the start that has claimed it knows it"

        await followed.runtime.claim(made.claim())


@at_once_with_sockets
async def test_a_claim_that_certainly_had_no_effect_says_so() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.misbehave("refuse", method="PATCH", path=f"/{NAME}", status=429)
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim())
        await followed.runtime.claim(made.claim(id="cart-8"))

        assert session_on(server) == "cart-8"


@at_once_with_sockets
async def test_a_controller_that_does_not_lead_claims_nothing() -> None:
    may_write = True
    async with serve_api() as server, following(server, may_write=lambda: may_write) as followed:
        await launched(server, followed)
        may_write = False
        with pytest.raises(NotClaimed, match="not the leader"):
            await followed.runtime.claim(made.claim())

        assert pool(server) == "waiting"


@at_once_with_sockets
async def test_a_claimed_session_lives_and_ends_as_any_other() -> None:
    async with serve_api() as server, following(server) as followed:
        pod = await launched(server, followed)
        launch = made.claim()
        await followed.runtime.claim(launch)
        live = launch.session.marked(joined=made.NOW)
        followed.runtime.record(live)
        await asyncio.sleep(1)
        assert warm_job(server)["metadata"]["labels"][names.PHASE_LABEL] == "live"
        Cluster(server.objects).end(pod, 0)

        assert (await followed.exit("warm-1")).exit_code == 0


@at_once_with_sockets
async def test_launching_the_session_of_a_claimed_bot_again_starts_no_second_one() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        await followed.runtime.claim(made.claim())
        await followed.runtime.launch(made.claim())

        assert len(server.objects.all("jobs", "podline")) == 1


# --- giving up ---


@at_once_with_sockets
async def test_a_bot_that_is_given_up_is_gone_and_is_nobodys() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.asked.clear()
        await followed.runtime.give_up("warm-1")
        assert writes(server) == [("PATCH", f"jobs/{NAME}")]
        await followed.runtime.give_up("warm-1")
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(made.claim())
        await followed.exit("warm-1")

        assert [path for method, path in writes(server) if method == "PATCH"] == [f"jobs/{NAME}"]
        assert followed.of("warm-1", "intent") == []
        assert followed.of("warm-1", "exit")[0].diagnostics is None


@at_once_with_sockets
async def test_giving_up_takes_a_claim_back_even_one_of_unknown_outcome() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.misbehave("hang", method="PATCH", path=f"/{NAME}")
        late = server.misbehave("wait", method="GET", path=f"/{NAME}")
        with pytest.raises(UnknownOutcome):
            await followed.runtime.claim(made.claim())
        job = made.job(warm_job(server))
        server.objects.patch("jobs", "podline", NAME, claim_patch(job, made.claim(), made.NOW))
        late.let_go.set()
        await followed.runtime.give_up("warm-1")

        assert (pool(server), session_on(server)) == ("given-up", None)
        await followed.exit("warm-1")
        assert followed.of("warm-1", "found") == []


@at_once_with_sockets
async def test_a_claim_that_comes_after_giving_up_has_no_effect() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.misbehave("late", method="PATCH", path=f"/{NAME}")
        with pytest.raises(UnknownOutcome):
            await followed.runtime.claim(made.claim())
        await followed.runtime.give_up("warm-1")
        await asyncio.sleep(60)

        assert (pool(server), session_on(server)) == ("given-up", None)


@at_once_with_sockets
async def test_a_claim_on_a_bot_that_has_ended_meanwhile_is_taken_back_too() -> None:
    async with serve_api() as server, following(server) as followed:
        pod = await launched(server, followed)
        await followed.runtime.claim(made.claim())
        Cluster(server.objects).end(pod, 1)
        await followed.exit("warm-1")
        await followed.runtime.give_up("warm-1")

        assert (pool(server), session_on(server)) == ("given-up", None)


@at_once_with_sockets
async def test_giving_up_that_can_t_be_ensured_in_time_goes_on_until_it_is() -> None:
    async with serve_api() as server, following(server) as followed:
        await launched(server, followed)
        server.misbehave("refuse", method="PATCH", path=f"/{NAME}", status=503, times=10**6)
        with pytest.raises(UnknownOutcome):
            await followed.runtime.give_up("warm-1")
        assert pool(server) == "waiting"
        server.behave()

        await followed.exit("warm-1")
        assert pool(server) == "given-up"


# --- the next controller ---


@at_once_with_sockets
async def test_a_warm_bot_that_waits_is_found_and_can_be_claimed() -> None:
    async with serve_api() as server:
        leave_warm_job(server).run(NAME)
        async with following(server) as followed:
            assert followed.of("warm-1", "warm") == [made.warm_bot()]
            assert followed.of("warm-1", "found") == []
            await followed.runtime.claim(made.claim())

            assert session_on(server) == "cart-7"


@at_once_with_sockets
async def test_a_claimed_bot_is_found_as_its_session_and_its_pod_is_labelled() -> None:
    async with serve_api() as server:
        pod = leave_claimed_job(server).run(NAME)
        async with following(server) as followed:
            await asyncio.sleep(5)

            assert followed.of("warm-1", "found") == [made.claim().session]
            assert followed.of("warm-1", "warm") == []
            assert server.objects.get("pods", "podline", pod)["metadata"]["labels"][names.POOL] == "claimed"
        async with following(server) as followed:
            await asyncio.sleep(5)

            assert [path for _, path in writes(server)] == [f"pods/{pod}"]


@at_once_with_sockets
async def test_a_bot_that_was_given_up_is_nobodys_and_still_ended() -> None:
    """Its node is dead, and the controller that gave it up is gone."""
    async with serve_api() as server:
        cluster = leave_warm_job(server)
        pod = cluster.run(NAME)
        server.objects.reactions.clear()
        server.objects.patch("jobs", "podline", NAME, give_up_patch())
        async with following(server) as followed:
            await followed.exit("warm-1")

            assert [each for each in followed.observations if each.found or each.warm or each.intent] == []
            assert server.objects.find("pods", "podline", pod) is None


@at_once_with_sockets
async def test_a_warm_bot_that_ended_while_nobody_looked_is_nobodys() -> None:
    async with serve_api() as server:
        cluster = leave_warm_job(server)
        cluster.end(cluster.run(NAME), 1)
        async with following(server) as followed:
            await asyncio.sleep(60)

            assert followed.observations == []


@at_once_with_sockets
async def test_a_claim_of_a_former_leader_that_comes_late_is_seen() -> None:
    async with serve_api() as server:
        leave_warm_job(server).run(NAME)
        async with following(server) as followed:
            assert followed.of("warm-1", "warm")
            job = made.job(warm_job(server))
            server.objects.patch("jobs", "podline", NAME, claim_patch(job, made.claim(), made.NOW))
            await followed.until(lambda: followed.of("warm-1", "found"))

            assert followed.of("warm-1", "found") == [made.claim().session]
            with pytest.raises(NotClaimed):
                await followed.runtime.claim(made.claim(id="cart-8"))


@at_once_with_sockets
async def test_a_late_claim_of_a_former_leader_has_no_effect_on_a_bot_that_has_a_session() -> None:
    async with serve_api() as server, following(server) as former:
        await launched(server, former)
        late = server.misbehave("wait", method="PATCH", path=f"/{NAME}")
        claiming = asyncio.create_task(former.runtime.claim(made.claim(id="cart-6")))
        await server.until_asked(lambda asked: asked.method == "PATCH")
        async with following(server) as followed:
            await followed.runtime.claim(made.claim())
            late.let_go.set()
            with pytest.raises(NotClaimed):
                await claiming
            await asyncio.sleep(5)

            assert session_on(server) == "cart-7"
            assert Observation(launch_id="warm-1", warm=made.warm_bot()) in followed.observations
            assert followed.of("warm-1", "found") == []


@at_once_with_sockets
async def test_a_recorded_end_stays_when_its_bot_is_given_up() -> None:
    async with serve_api() as server:
        leave_claimed_job(server).run(NAME)
        async with following(server) as followed:
            live = made.claim().session.marked(joined=made.NOW)
            over = live.ended(ending_for(Reason.CALLER_LEFT), made.NOW)
            server.objects.patch("jobs", "podline", NAME, progress_patch(over))
            await followed.runtime.give_up("warm-1")

            assert warm_job(server)["metadata"]["labels"][names.REASON_LABEL] == "caller_left"
            assert session_on(server) == "cart-7"
