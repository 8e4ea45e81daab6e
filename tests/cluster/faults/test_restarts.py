"""A controller that leaves or is killed, and the next one that finds all sessions as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.core.rooms import Room
from controller.core.session import Session
from controller.observe.traces import LISTED, Traced
from controller.rooms.webrtc import WebRtcRooms
from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import ClusterSite, secret_of, serve, site_signer, until_ready
from testing.fakes.controllers.spans import (
    PARENT,
    TRACE,
    Received,
    attributes_of,
    context_of,
    header,
    parent_of,
)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """The same record; a room's address follows the controller's."""
    return {**one, "room": None} == {**other, "room": None}


async def test_bots_go_on_when_their_controller_leaves_and_the_next_one_knows_the_call(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        before, bot = await site.live(session_id="one", metadata={"cart": "7f3a"})

    async with serve(plane, namespace, tmp_path) as site:
        found = (await site.client.get("/v1/sessions/one")).json()
        bot.speak_to(site)
        answer = await bot.report(turns=4)
        reported = (await site.client.get("/v1/sessions/one")).json()

    assert (found["phase"], found["metadata"], found["user_id"]) == ("live", {"cart": "7f3a"}, "ana")
    assert found["timeline"] == before["timeline"]
    assert answer.status_code == 200
    assert reported["usage"]["turns"] == 5


async def test_an_end_that_came_while_the_controller_was_away_is_found_with_its_final_report(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        _, bot = await site.live(session_id="one")
        bot.turns = 3
        word = json.dumps(bot.final_report("caller_left"))
        pod = await site.pod("one")
    marks = {"fate.test/end": "exit-0", "fate.test/final-report": word}
    await plane.annotate(f"{site.pods}/{pod['metadata']['name']}", marks)
    await plane.until(f"{site.jobs}/one", lambda job: job["status"].get("succeeded"))

    async with serve(plane, namespace, tmp_path) as site:
        ended = await site.until_over("one")
        await site.until_recorded("one")

    assert (ended["reason"], ended["usage"]["turns"]) == ("caller_left", 3)
    assert ended["usage"]["partial"] is False


async def test_an_end_that_is_on_record_is_told_as_it_was_and_not_counted_again(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path, fate={"fate.test/end": "exit-67"}) as site:
        await site.start(session_id="one", user_id="bo")
        ended = await site.until_over("one")
        await site.until_recorded("one")
        # The Job controller may write the Job's end after our record.
        recorded = await plane.until(
            f"{site.jobs}/one",
            lambda job: any(each["type"] == "Failed" for each in job["status"].get("conditions", [])),
        )

    async with serve(plane, namespace, tmp_path) as site:
        found = (await site.client.get("/v1/sessions/one")).json()
        listed = (await site.client.get("/v1/sessions")).json()["sessions"]
        job = await site.job("one")

    assert same(found, ended)
    assert len(listed) == 1
    assert job["metadata"]["resourceVersion"] == recorded["metadata"]["resourceVersion"]


async def test_a_session_stays_in_the_trace_that_it_began_in(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    before, after = Received(LISTED), Received(LISTED)
    body = {"user_id": "ana", "session_id": "one"}
    other = f"00-{'1' * 32}-{'2' * 16}-01"
    async with serve(plane, namespace, tmp_path, tracing=Traced(before.provider)) as site:
        await site.client.post("/v1/sessions", json=body, headers={"traceparent": PARENT})
        again = await site.client.post("/v1/sessions", json=body, headers={"traceparent": other})
        job = await site.job("one")
    async with serve(plane, namespace, tmp_path, tracing=Traced(after.provider)) as site:
        await site.client.delete("/v1/sessions/one")
        await site.until_over("one")

    assert again.status_code == 200
    [container] = job["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value") for each in container["env"]}
    assert given["TRACEPARENT"] == header(before.one("launch bot"))
    assert before.parent("create Job") == before.parent("create Secret") == "launch bot"
    assert f"{after.one('session').context.trace_id:032x}" == TRACE
    request = next(
        span for span in before.spans if attributes_of(span).get("http.response.status_code") == 201
    )
    assert parent_of(after.one("session")).span_id == context_of(request).span_id


async def test_a_stop_goes_on_where_the_last_controller_left_it(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path, grace_seconds=1) as site:
        await site.live(session_id="one")
        await site.fate("one", end="deaf")
        await site.client.delete("/v1/sessions/one")
        await plane.until(f"{site.jobs}/one", lambda job: job["spec"]["activeDeadlineSeconds"] == 0)

    async with serve(plane, namespace, tmp_path, grace_seconds=1) as site:
        found = (await site.client.get("/v1/sessions/one")).json()
        ended = await site.until_over("one")

    assert found["phase"] in ("stopping", "ended")
    assert (ended["phase"], ended["reason"]) == ("ended", "stopped")


async def test_the_same_request_finds_its_session_after_a_restart(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    request = {"user_id": "ana", "session_id": "one", "metadata": {"a": 1}}
    async with serve(plane, namespace, tmp_path) as site:
        await site.client.post("/v1/sessions", json=request)

    async with serve(plane, namespace, tmp_path) as site:
        again = await site.client.post("/v1/sessions", json=request)
        other = await site.client.post("/v1/sessions", json={**request, "metadata": {"a": 2}})
        jobs = await plane.api("GET", site.jobs)

    assert again.status_code == 200
    assert again.json()["room"]["token"]
    assert (other.status_code, other.json()["code"]) == (409, "session_conflict")
    assert len(jobs["items"]) == 1


async def lose_secret(site: ClusterSite, name: str) -> None:
    """As a controller leaves it that is killed between its two writes."""
    await site.plane.api("DELETE", f"{site.secrets}/{secret_of(await site.job(name))}")


async def test_a_job_without_its_secret_gets_it_from_the_next_controller(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.start(session_id="one")
        await lose_secret(site, "one")

    async with serve(plane, namespace, tmp_path) as site:
        secret = await plane.until(site.secrets, lambda secrets: len(secrets["items"]) == 1)
        job = await site.job("one")
        answer = await (await site.bot("one")).report()

    assert secret["items"][0]["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert answer.status_code == 200


class RoomsOfTheirOwn(WebRtcRooms):
    """A provider whose rooms callers bring, with a token that is given once."""

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:
        return replace(await super().enter_again(session, lifetime_seconds=lifetime_seconds), secrets=None)


async def test_a_brought_room_whose_token_is_lost_ends_the_session_with_a_sentence(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.start(session_id="one")
        await lose_secret(site, "one")

    rooms = RoomsOfTheirOwn("http://127.0.0.1", site_signer())
    async with serve(plane, namespace, tmp_path, rooms=rooms) as site:
        failed = await site.until_over("one")

    assert (failed["phase"], failed["reason"]) == ("failed", "launch_failed")
    assert failed["message"] == "The token of the caller's own room is lost. Start another session."


async def test_a_brought_room_whose_secret_is_there_goes_on(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.start(session_id="one")

    rooms = RoomsOfTheirOwn("http://127.0.0.1", site_signer())
    async with serve(plane, namespace, tmp_path, rooms=rooms) as site:
        answer = await (await site.bot("one")).report()
        live = await site.controller.until_live("one")

    assert answer.status_code == 200
    assert live["phase"] == "live"


async def test_a_bot_that_calls_before_its_session_is_found_again_is_asked_to_wait(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        _, bot = await site.live(session_id="one")
    await plane.stop_apiserver()
    try:
        async with serve(plane, namespace, tmp_path, is_ready=False) as site:
            bot.speak_to(site)
            too_early = await bot.report()
            await plane.start_apiserver()
            await until_ready(site.client)
            in_time = await bot.report()
    finally:
        await plane.start_apiserver()

    assert (too_early.status_code, too_early.json()["code"]) == (503, "runtime_unavailable")
    assert in_time.status_code == 200
