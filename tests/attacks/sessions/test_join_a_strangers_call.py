"""A stranger who knows or guesses a session's id tries to get into that call."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.core.runtime import Observation
from controller.core.tokens import Signer
from controller.rooms.webrtc import WebRtcRooms
from testing.callers.keys import KEYS, bearer, offer_to_bot
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.served import serve_controller
from testing.fakes.controllers.site import Site, serve_site

OFFER = {"sdp": "v=0", "type": "offer"}
CANDIDATES = {"pc_id": "pc-1", "candidates": []}
VICTIM = "cart-7"


def rooms() -> WebRtcRooms:
    return WebRtcRooms("http://127.0.0.1:7860", SIGNER)


async def token_of(site: Site, session_id: str, **headers: str) -> str:
    body = {"user_id": session_id, "session_id": session_id}
    answer = await site.client.post("/v1/sessions", json=body, headers=bearer("starter") | headers)
    assert answer.status_code in (200, 201), answer.text
    token: str = answer.json()["room"]["token"]
    return token


async def knock(
    client: httpx.AsyncClient, path_id: str, method: str = "POST", token: str | None = None, **more: Any
) -> httpx.Response:
    body = (OFFER if method == "POST" else CANDIDATES) | more
    headers = {} if token is None else bearer(token)
    return await client.request(method, f"/sessions/{path_id}/api/offer", json=body, headers=headers)


@pytest.mark.parametrize("public_start", [True, False])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_nothing_stands_in_for_the_token_of_the_session(method: str, *, public_start: bool) -> None:
    async with serve_site(
        keys=KEYS, rooms=rooms(), public_start=public_start, start_timeout_seconds=15
    ) as site:
        token, other = await token_of(site, VICTIM), await token_of(site, "other")
        launch = site.runtime.launch_of(VICTIM).session
        in_path = [
            VICTIM,
            f"{VICTIM}~",
            f"{VICTIM}~{other}",
            f"{VICTIM}~{token[:-1]}",
            f"{VICTIM}~{token.upper()}",
            f"{VICTIM}~{token}~",
            f"{VICTIM}~{token}~{token}",
            f"{VICTIM}~~{token}",
            f"{VICTIM}%257E{token}",
            f"{VICTIM.upper()}~{token}",
            f"other~{token}",
            f"{VICTIM}~{launch.launch_id}",
            f"{VICTIM}~{SIGNER.launch_token(launch.launch_id)}",
            f"~{token}",
        ]
        bearers = [
            *("starter", "browser", "reader", "stopper", "boss"),
            other,
            token[:32],
            token.upper(),
            f"{VICTIM}~{token}",
            SIGNER.launch_token(launch.launch_id),
        ]
        refused = await asyncio.gather(
            *(knock(site.client, each, method) for each in in_path),
            *(knock(site.client, VICTIM, method, each) for each in bearers),
            # A right bearer does not make up for a wrong token in the path.
            knock(site.client, f"{VICTIM}~{other}", method, token),
            knock(site.client, VICTIM, method, pc_id="pc-1", restart_pc=True),
        )

        assert {answer.status_code for answer in refused} == {401}
        inbox = site.client.get(
            f"/internal/launches/{launch.launch_id}/inbox",
            headers=bearer(SIGNER.launch_token(launch.launch_id)),
        )
        polling = asyncio.create_task(inbox)
        rightful = asyncio.create_task(knock(site.client, f"{VICTIM}%7E{token}", method))
        messages = (await polling).json()["messages"]
        assert len(messages) == 1, "the bot heard of a stranger"
        rightful.cancel()


async def test_a_controller_without_keys_asks_for_the_token_as_well() -> None:
    async with serve_site(rooms=rooms()) as site:
        await site.start(session_id=VICTIM)
        assert (await knock(site.client, VICTIM)).status_code == 401


async def test_a_stranger_can_not_tell_whether_there_is_such_a_session() -> None:
    async with serve_site(keys=KEYS, rooms=rooms(), public_start=True) as site:
        token = await token_of(site, VICTIM)
        for guess in ("", f"~{'0' * 64}"):
            there, nowhere = [await knock(site.client, f"{each}{guess}") for each in (VICTIM, "nowhere")]
            assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)
            assert token not in there.text


async def test_the_token_of_an_earlier_launch_does_not_open_a_later_one_of_the_same_id() -> None:
    async with serve_site(keys=KEYS, rooms=rooms(), keep_ended_seconds=0.05) as site:
        before = await token_of(site, VICTIM)
        await site.runtime.exit(site.runtime.launch_of(VICTIM).session.launch_id)
        path = f"/v1/sessions/{VICTIM}"
        while (await site.client.get(path, headers=bearer("reader"))).status_code != 404:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.02)
        after = await token_of(site, VICTIM)

        assert before != after
        assert (await knock(site.client, f"{VICTIM}~{before}")).status_code == 401
        assert await token_of(site, VICTIM) == after


async def test_who_reads_or_stops_with_a_key_is_refused_with_a_wrong_token_and_never_told_it() -> None:
    async with serve_site(keys=KEYS, rooms=rooms()) as site:
        token, other = await token_of(site, VICTIM), await token_of(site, "other")
        boss = bearer("boss") | {"content-type": "application/json"}
        for method, path in (
            ("GET", "/v1/sessions/{}"),
            ("GET", "/v1/sessions/{}/logs"),
            ("GET", "/v1/sessions/{}/events"),
            ("DELETE", "/v1/sessions/{}"),
            ("POST", "/stop-agent/{}"),
        ):
            wrong = await site.client.request(method, path.format(f"{VICTIM}~{other}"), headers=boss)
            assert (wrong.status_code, wrong.json()["code"]) == (404, "session_not_found")
            assert other not in wrong.text
            without_key = await site.client.request(
                method, path.format(f"{VICTIM}~{token}"), headers={"content-type": "application/json"}
            )
            assert without_key.status_code == 401
            assert token not in without_key.text
        assert site.runtime.stopped == []
        right = await site.client.get(f"/v1/sessions/{VICTIM}~{token}", headers=boss)
        assert right.json()["id"] == VICTIM
        assert token not in right.text


async def test_guessing_is_slowed_down_and_the_rightful_caller_is_not(tmp_path: Path) -> None:
    async with serve_controller(tmp_path, "join", public_start=True, keys=KEYS) as controller:
        started = (await controller.client.post("/start", json={})).json()["sessionId"]
        bare = started.partition("~")[0]
        guesses = [await knock(controller.client, f"{bare}~{number:064x}") for number in range(70)]

        assert {answer.status_code for answer in guesses} == {401, 429}
        assert int(guesses[-1].headers["retry-after"]) >= 1
        assert (await knock(controller.client, started)).status_code == 200


async def test_a_stranger_stays_outside_after_the_controller_was_replaced_and_its_secret_too() -> None:
    """The next controller finds the launch: the caller's token still counts, a stranger's still doesn't."""
    async with serve_site(keys=KEYS, rooms=rooms()) as site:
        token, other = await token_of(site, VICTIM), await token_of(site, "other")
        session = site.runtime.launch_of(VICTIM).session
    ring = Signer(b"the secret that has come after it", b"a secret for tests")
    async with serve_site(keys=KEYS, rooms=rooms(), signer=ring) as site:
        await site.runtime.observe(Observation(launch_id=session.launch_id, found=session))

        assert (await knock(site.client, VICTIM)).status_code == 401
        assert (await knock(site.client, f"{VICTIM}~{other}")).status_code == 401
        assert await offer_to_bot(site.client, session, token, ring) == 200


async def test_the_token_is_left_in_no_log_metric_record_or_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve_controller(tmp_path, "join") as controller:
        given = (await controller.client.post("/start", json={})).json()["sessionId"]
        bare, _, token = given.partition("~")
        client, offers = controller.client, f"/sessions/{given}/api/offer"
        await controller.until_live(bare)
        answers = [
            await client.post(offers, json=OFFER),
            await client.post(offers, json={"sdp": 7}),
            await client.patch(offers, json={}),
            await client.put(offers, json={}),
            await client.post(offers, content=b"x" * 70_000),
            await client.post(f"{offers}/more", json=OFFER),
            await client.get(f"/v1/sessions/{given}"),
            await client.get(f"/v1/sessions/{given}", headers=bearer(token)),
            await client.get(f"/v1/sessions/{given}~{token}"),
            await client.get(f"/v1/sessions/nobody~{token}"),
            await client.get(f"/v1/sessions/{given}/logs?follow={token}"),
            await client.post(f"/stop-agent/{given}", json={}),
            await client.get("/metrics", headers={"accept": "application/openmetrics-text"}),
            await client.get("/v1/sessions"),
        ]
        ended = await controller.until_over(given)

    assert (ended["id"], ended["reason"]) == (bare, "stopped")
    disclosed = [answer.text for answer in answers] + [str(answer.headers) for answer in answers]
    logged = [
        f"{record.getMessage()} {vars(record)}"
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))  # the caller's own
    ]
    assert logged
    assert [each for each in (*disclosed, *logged, str(ended)) if token in each] == []
