"""This release and the one before it, which share a cluster during an upgrade and after it is taken back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

import httpx
import pytest

from podline.contract.version import VERSION
from testing.builds.checkouts import OURS, Checkout
from testing.builds.previous_release import ensure_previous_release
from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.controller_process import ControllerProcess
from testing.cluster.site import BASE, NamespaceSite, PlayedBot, serve, write_template
from testing.fakes.controllers.served import PATIENCE_SECONDS, WebApp
from tests.cluster.test_agents import AGENT, DEPLOY, until_stored

TIMELINE: Final = "podline.dev/timeline"
RELEASES: Final = ("this", "previous")


@pytest.fixture(scope="module")
def checkouts() -> dict[str, Checkout]:
    return {"this": OURS, "previous": ensure_previous_release()}


class ReleaseSite(NamespaceSite):
    """One controller after another, of either release."""

    def __init__(
        self, controller: ControllerProcess, client: httpx.AsyncClient, plane: ControlPlane, namespace: str
    ) -> None:
        self.controller = controller
        self.plane = plane
        self.namespace = namespace
        self._app = WebApp(client)

    @property
    def app(self) -> WebApp:
        return self._app

    @property
    def url_for_bots(self) -> str:
        return self.controller.url_for_bots

    async def run(self, checkout: Checkout) -> None:
        """Let the controller of a release take over."""
        await self.controller.end(SIGTERM)
        await self.controller.start(checkout)
        await self.controller.ready()

    async def sessions(self) -> dict[str, dict[str, Any]]:
        """All records, by id."""
        found = (await self.client.get("/v1/sessions?limit=100")).json()["sessions"]
        return {each["id"]: each for each in found}

    async def counted(self, metric: str) -> float:
        """The sum of a counter's series."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith((f"{metric} ", f"{metric}{{"))
        )

    async def version(self) -> dict[str, Any]:
        """The active version of the agent `clerk`."""
        [clerk] = [
            each for each in (await self.client.get("/v1/agents")).json()["agents"] if each["name"] == "clerk"
        ]
        return {"id": clerk["version"]["id"], "serial": clerk["version"]["serial"]}

    async def until_deployed(self, serial: int) -> dict[str, Any]:
        """Its version of this number, once it is active and stored."""
        await until_stored(self.plane, self.namespace, serial)
        return await self.version()

    async def leave(self, session_id: str, bot: PlayedBot, reason: str) -> None:
        """Let a bot end, with its final report."""
        word = json.dumps(bot.final_report(reason))
        await self.fate(session_id, end="exit-0", final_report=word)


@pytest.fixture
async def site(plane: ControlPlane, namespace: str, tmp_path: Path) -> AsyncIterator[ReleaseSite]:
    async with release_site(plane, namespace, tmp_path) as made:
        yield made


@asynccontextmanager
async def release_site(plane: ControlPlane, namespace: str, directory: Path) -> AsyncIterator[ReleaseSite]:
    await plane.kubectl("apply", f"--namespace={namespace}", f"--filename={BASE / 'agents.yaml'}")
    template = write_template(directory, {})
    controller = ControllerProcess(
        plane.kubeconfig,
        namespace,
        template,
        PODLINE_SESSIONS_PER_USER="100",
        PODLINE_GRACE_SECONDS="3",
    )
    try:
        async with httpx.AsyncClient(base_url=controller.url, timeout=PATIENCE_SECONDS * 2) as client:
            yield ReleaseSite(controller, client, plane, namespace)
    finally:
        await controller.end()


def common(one: Any, other: Any) -> Any:
    """What both releases say of one record, at any depth."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: common(one[name], other[name]) for name in one.keys() & other.keys()}
    return one


UNLIKE: Final = {"room", "caller_message"}
"""A room's token is made anew, and a release may say another sentence to callers."""
NOT_WRITTEN_YET: Final = {
    "starting": {"usage", "cost", "timeline"},
    "live": {"usage", "cost"},
    "stopping": {"usage", "cost"},
}
"""By phase: what is known again after the bot's next batch, or from the cluster, in whole seconds."""


def exact(sessions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The part of records that has to be the same."""
    return {
        name: without(each, UNLIKE | NOT_WRITTEN_YET.get(each["phase"], set()))
        for name, each in sessions.items()
    }


def without(record: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def assert_same(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    found, expected = exact(found), exact(expected)
    assert found.keys() == expected.keys()
    assert common(found, expected) == common(expected, found)


@pytest.mark.parametrize(("first", "second"), [RELEASES, RELEASES[::-1]], ids=["rollback", "upgrade"])
async def test_sessions_are_taken_over_and_back_with_exact_records(
    site: ReleaseSite, checkouts: dict[str, Checkout], first: str, second: str
) -> None:
    request = {"user_id": "ana", "session_id": "starting", "metadata": {"cart": "7f3a"}}
    await site.run(checkouts[first])
    await site.client.post("/v1/sessions", json=request)
    bots = {}
    for session_id in ("stopped", "left", "gone"):
        _, bots[session_id] = await site.live(session_id=session_id, max_duration_seconds=600)
        await bots[session_id].report(turns=2)
    await site.leave("gone", bots["gone"], "idle")
    await site.until_over("gone")
    gone = await site.until_recorded("gone")
    before = await site.sessions()
    for session_id in bots:
        assert before[session_id]["usage"]["turns"] == 3

    await site.run(checkouts[second])
    assert_same(await site.sessions(), before)

    # Repeats of what was sent to the first, and news.
    repeated = await site.client.post("/v1/sessions", json=request)
    started = await (await site.bot("starting")).report()
    for session_id in ("stopped", "left"):
        assert (await bots[session_id].report(turns=4)).status_code == 200
    await site.client.delete("/v1/sessions/stopped")
    stopped = await site.until_over("stopped")
    await site.until_recorded("stopped")
    counted = await site.counted("podline_turns_total")
    at_hand_over = await site.sessions()

    assert (repeated.status_code, started.status_code) == (200, 200)
    assert (stopped["reason"], stopped["usage"]["turns"]) == ("stopped", 7)
    assert at_hand_over["left"]["usage"]["turns"] == 7
    assert at_hand_over["starting"]["phase"] == "live"
    assert counted == 9, "one batch of `starting`, and one each of the two others"

    await site.run(checkouts[first])
    assert_same(await site.sessions(), at_hand_over)
    await site.leave("left", bots["left"], "caller_left")
    left = await site.until_over("left")
    await site.until_recorded("left")

    assert (left["reason"], left["usage"]["turns"], left["usage"]["partial"]) == ("caller_left", 7, False)
    assert left["usage"]["models"]["gemini"]["prompt_tokens"] == 70
    assert marks(await site.job("gone")) == marks(gone), "an end on record is not written again"


@pytest.mark.parametrize(("first", "second"), [RELEASES, RELEASES[::-1]], ids=["rollback", "upgrade"])
async def test_an_agent_keeps_its_versions(
    site: ReleaseSite, checkouts: dict[str, Checkout], first: str, second: str
) -> None:
    config_maps = f"{site.core}/configmaps"
    await site.run(checkouts[first])
    await site.plane.api("POST", config_maps, AGENT)
    one = await site.until_deployed(1)
    await site.run(checkouts[second])
    taken_over = await site.version()
    await site.plane.api(
        "PATCH", f"{config_maps}/agent-clerk", {"data": {"pcc-deploy.toml": DEPLOY % 2}}, MERGE
    )
    two = await site.until_deployed(2)
    await site.run(checkouts[first])

    assert taken_over == one
    assert await site.version() == two
    assert (one["serial"], two["serial"]) == (1, 2)


async def test_what_only_a_later_release_knows_of_a_session_is_kept(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as former:
        await former.live(session_id="one")
        job = await former.until_marked("one", TIMELINE)
    timeline = {**json.loads(marks(job)[TIMELINE]), "recorded": "2030-01-01T00:00:00Z"}
    news = {TIMELINE: json.dumps(timeline), "podline.dev/of-a-later-release": "kept"}
    await plane.annotate(f"{former.jobs}/one", news)

    async with serve(plane, namespace, tmp_path) as site:
        await site.client.delete("/v1/sessions/one")
        ended = await site.until_over("one")
        written = marks(await site.until_recorded("one"))

    kept = json.loads(written[TIMELINE])
    assert ended["reason"] == "stopped"
    assert kept["recorded"] == "2030-01-01T00:00:00Z"
    assert kept.keys() > timeline.keys(), "and the end was added"
    assert written["podline.dev/of-a-later-release"] == "kept"


async def test_a_session_in_a_contract_that_is_not_spoken_is_left_alone(
    plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(plane, namespace, tmp_path) as former:
        await former.live(session_id="one")
        job = await former.until_marked("one", TIMELINE)
    assert marks(job)["podline.dev/contract"] == "1"
    await plane.annotate(f"{former.jobs}/one", {"podline.dev/contract": "9"})

    async with serve(plane, namespace, tmp_path) as site:
        unknown = await site.client.get("/v1/sessions/one")
        again = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
        pod = await site.pod("one")

    assert (unknown.status_code, again.status_code) == (404, 409)
    assert "deletionTimestamp" not in pod["metadata"]
    [said] = [each for each in caplog.records if each.message == "session of another contract left alone"]
    assert vars(said)["problem"] == f"podline.dev/contract is contract 9, but Podline {VERSION} speaks 1"


def marks(job: dict[str, Any]) -> dict[str, str]:
    """Annotations and labels of a Job."""
    meta = job["metadata"]
    return {**meta["annotations"], **meta["labels"]}
