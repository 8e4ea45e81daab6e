"""Whatever goes wrong with its requests, a launch says what is so, and a stop leaves nothing that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.endings import ending_for
from controller.core.errors import RuntimeUnavailable, SessionConflict, UnknownOutcome
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.records import progress_patch
from podline.contract.reasons import Reason
from testing.fakes.controllers.clockwork import WiredClockwork
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.cluster import Cluster, has_ended
from tests.unit.controller.runtimes.kubernetes import made
from tests.unit.controller.runtimes.kubernetes.serving import Followed, following

LONG_SECONDS = 120.0
"""After which every late effect has come, and everything that has no owner is gone."""

TEMPLATE = made.template()
LAUNCH = made.launch()
MANIFEST = made.manifest(LAUNCH)
STOP = ending_for(Reason.STOPPED)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with some of the requests of one kind."""

    how: str
    method: str
    path: str
    status: int
    times: int
    after: int
    watch: bool | None = None


TROUBLES = st.builds(
    Trouble,
    how=st.sampled_from(["refuse", "reset_before", "reset_after", "late", "hang"]),
    method=st.sampled_from(["POST", "POST", "GET", "DELETE"]),
    path=st.sampled_from(["/jobs", "/secrets", "/jobs/cart-7"]),
    status=st.sampled_from([400, 401, 403, 409, 422, 429, 500, 503, 504]),
    times=st.sampled_from([1, 1, 2, 3, 100]),
    after=st.sampled_from([0, 0, 1, 2]),
)
WATCH_TROUBLES = st.builds(
    Trouble,
    how=st.sampled_from(["silent", "cut", "end", "refuse", "reset_before"]),
    method=st.just("GET"),
    path=st.sampled_from(["/jobs", "/pods"]),
    status=st.sampled_from([410, 429, 500]),
    times=st.integers(1, 3),
    after=st.sampled_from([0, 1]),
    watch=st.just(value=True),
)
STOP_TROUBLES = st.builds(
    Trouble,
    how=st.sampled_from(["refuse", "reset_before", "reset_after", "hang"]),
    method=st.sampled_from(["PATCH", "GET", "DELETE"]),
    path=st.just("/cart-7"),
    status=st.sampled_from([401, 403, 409, 429, 500]),
    times=st.integers(1, 3),
    after=st.sampled_from([0, 1]),
)
LEFT_BEHIND = st.sampled_from(["nothing", "an earlier launch", "a foreign Job", "a foreign Secret"])


def leave_behind(server: ApiServer, cluster: Cluster, what: str) -> None:
    if what == "an earlier launch":
        over = made.session(launch_id="launch-0").ended(STOP, made.NOW)
        earlier = made.launch(session=made.session(launch_id="launch-0"))
        job = server.objects.create("jobs", "podline", made.manifest(earlier))
        owner = {"kind": "Job", "name": "cart-7", "uid": job["metadata"]["uid"]}
        server.objects.create(
            "secrets", "podline", {"metadata": {"name": "cart-7", "ownerReferences": [owner]}}
        )
        server.objects.patch("jobs", "podline", "cart-7", progress_patch(over))
        cluster.end_job("cart-7", "Complete", "CompletionsReached")
    if what == "a foreign Job":
        server.objects.create("jobs", "podline", {"metadata": {"name": "cart-7"}})
    if what == "a foreign Secret":
        server.objects.create("secrets", "podline", {"metadata": {"name": "cart-7"}})


def ours(server: ApiServer) -> list[Thing]:
    jobs = server.objects.all("jobs", "podline")
    return [job for job in jobs if job["metadata"].get("labels", {}).get(names.LAUNCH_ID) == "launch-1"]


def owners(server: ApiServer) -> list[str]:
    return [
        owner["uid"]
        for secret in server.objects.all("secrets", "podline")
        for owner in secret["metadata"].get("ownerReferences", ())
    ]


async def outcome(followed: Followed) -> type[Exception] | None:
    try:
        await followed.runtime.launch(LAUNCH)
    except UnknownOutcome:
        return UnknownOutcome
    except (RuntimeUnavailable, SessionConflict) as error:
        return type(error)
    return None


def bring(server: ApiServer, troubles: Sequence[Trouble]) -> None:
    for each in troubles:
        # What takes a 409 for a name that is taken must look at its reason: quotas answer one as well.
        reason = "Conflict" if each.status == 409 else "Asked"
        server.misbehave(**vars(each), reason=reason, message="as asked for")


async def under(
    troubles: Sequence[Trouble],
    left: str,
    watch_troubles: Sequence[Trouble] = (),
    stop_troubles: Sequence[Trouble] = (),
) -> None:
    async with serve_api() as server:
        cluster = Cluster(server.objects)
        cluster.act_alone()
        leave_behind(server, cluster, left)
        bring(server, watch_troubles)
        async with following(server) as followed:
            bring(server, troubles)
            result = await outcome(followed)
            server.behave()
            if result is UnknownOutcome:
                bring(server, stop_troubles)
                await followed.runtime.stop(made.session(), STOP)
                await followed.exit()
            await asyncio.sleep(LONG_SECONDS)

            if result is None:
                [job] = ours(server)
                assert owners(server) == [job["metadata"]["uid"]]
                assert job["spec"]["activeDeadlineSeconds"] > 0
                assert followed.of("launch-1", "exit") == []
            elif result is UnknownOutcome:
                assert all(has_ended(job) for job in ours(server))
                assert len(followed.of("launch-1", "exit")) == 1
            else:
                assert ours(server) == []
                assert followed.of("launch-1", "exit") == []
            if left.startswith("a foreign"):
                kind = "jobs" if left == "a foreign Job" else "secrets"
                theirs = server.objects.find(kind, "podline", "cart-7")
                assert theirs is not None
                assert "ownerReferences" not in theirs["metadata"]


def run(work: Any) -> None:
    with asyncio.Runner(loop_factory=WiredClockwork) as runner:
        runner.run(work)


@settings(max_examples=60)
@given(
    st.lists(TROUBLES, max_size=4),
    LEFT_BEHIND,
    st.lists(WATCH_TROUBLES, max_size=2),
    st.lists(STOP_TROUBLES, max_size=2),
)
def test_a_launch_tells_what_is_so_whatever_goes_wrong(
    troubles: list[Trouble], left: str, of_watches: list[Trouble], of_stops: list[Trouble]
) -> None:
    run(under(troubles, left, of_watches, of_stops))


RESET = Trouble(how="reset_after", method="POST", path="/jobs", status=0, times=1, after=0)
CONTENDED = Trouble(how="refuse", method="POST", path="/secrets", status=409, times=1, after=0)
TAKEN_BACK_UNHEARD = Trouble(
    how="reset_after", method="DELETE", path="/jobs/cart-7", status=0, times=1, after=0
)
REFUSED = Trouble(how="refuse", method="POST", path="/secrets", status=403, times=1, after=0)


@pytest.mark.parametrize(
    ("troubles", "left"),
    [
        ([], "nothing"),
        ([RESET], "nothing"),
        ([REFUSED], "nothing"),
        ([RESET, REFUSED], "nothing"),
        ([CONTENDED], "nothing"),
        ([RESET], "an earlier launch"),
        ([RESET], "a foreign Secret"),
        ([RESET], "a foreign Job"),
        ([REFUSED, TAKEN_BACK_UNHEARD], "nothing"),
    ],
    ids=str,
)
def test_what_has_once_gone_wrong(troubles: list[Trouble], left: str) -> None:
    run(under(troubles, left))
