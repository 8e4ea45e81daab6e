"""Somebody keeps a token, an identity or a secret, and uses it when it should count no more."""

import time
from pathlib import Path
from typing import Any

import pytest

from controller.core.runtime import Observation
from controller.core.tokens import Signer
from controller.rooms.webrtc import WebRtcRooms
from testing.callers.keys import IDENTITIES, KEYS, bearer, identity, offer_to_bot
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.served import serve_controller
from testing.fakes.controllers.site import serve_site

OFFER = {"sdp": "v=0", "type": "offer"}
REPORT = {"seq": 1, "acked": 0, "events": [], "totals": {}, "timeline": {"now": 1.0}}
FORMER, LATER = b"a secret for tests", b"the secret that has come after it"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -31},
        {"iat": -3600, "exp": -300},
        {"iat": 120, "exp": 300},
        {"nbf": 120},
        {"iat": 0, "exp": 3601},
        {"iat": -7200, "exp": 60},
        {"exp": None},
        {"iat": None},
    ],
)
async def test_an_identity_counts_in_its_hour_only(changes: dict[str, Any]) -> None:
    now = time.time()
    times = {name: None if offset is None else now + offset for name, offset in changes.items()}
    async with serve_site(keys=KEYS, identities=IDENTITIES, public_start=True) as site:
        answer = await site.client.post("/start", json={}, headers=bearer(identity("ana", now, **times)))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert site.runtime.launches == []


@pytest.mark.parametrize("exp", ["tomorrow", True, 1e400, float("nan"), [], {}])
async def test_an_identity_without_a_real_end_does_not_count(exp: object) -> None:
    async with serve_site(keys=KEYS, identities=IDENTITIES) as site:
        token = identity("ana", time.time(), exp=exp)
        answer = await site.client.post("/start", json={}, headers=bearer(token))
        assert answer.status_code == 401


async def test_the_token_of_an_ended_call_reaches_no_bot(tmp_path: Path) -> None:
    async with serve_controller(tmp_path, "join leave") as controller:
        session = await controller.start()
        await controller.offer(session, OFFER)
        await controller.until_over(session["id"])
        assert (await controller.offer(session, OFFER)).status_code == 410


async def test_a_secret_that_was_given_up_opens_nothing() -> None:
    async with serve_site(keys=KEYS, rooms=WebRtcRooms("http://127.0.0.1:7860", SIGNER)) as site:
        body = {"user_id": "ana", "session_id": "mine"}
        await site.client.post("/v1/sessions", json=body, headers=bearer("starter"))
        session = site.runtime.launch_of("mine").session
    async with serve_site(keys=KEYS, signer=Signer(LATER)) as site:
        await site.runtime.observe(Observation(launch_id=session.launch_id, found=session))
        as_caller = bearer(SIGNER.session_token("mine", session.launch_id))
        as_bot = bearer(SIGNER.launch_token(session.launch_id))
        offered = await site.client.post("/sessions/mine/api/offer", json=OFFER, headers=as_caller)
        path = f"/internal/launches/{session.launch_id}/reports"
        reported = await site.client.post(path, json=REPORT, headers=as_bot)

        assert [offered.status_code, reported.status_code] == [401, 401]


async def test_a_secret_that_is_being_replaced_lets_calls_go_on() -> None:
    """Not an attack: what the rotation is for. The former secret's tokens count, the later one signs."""
    async with serve_site(keys=KEYS, rooms=WebRtcRooms("http://127.0.0.1:7860", SIGNER)) as site:
        body = {"user_id": "ana", "session_id": "mine"}
        await site.client.post("/v1/sessions", json=body, headers=bearer("starter"))
        launch = site.runtime.launch_of("mine")
        session = launch.session
    ring = Signer(LATER, FORMER)
    rooms = WebRtcRooms("http://127.0.0.1:7860", ring)
    async with serve_site(keys=KEYS, rooms=rooms, signer=ring) as site:
        await site.runtime.observe(Observation(launch_id=session.launch_id, found=session))
        as_bot = bearer(secrets_of(launch)["PODLINE_LAUNCH_TOKEN"])
        path = f"/internal/launches/{session.launch_id}"
        assert (await site.client.post(f"{path}/reports", json=REPORT, headers=as_bot)).status_code == 200

        again = await site.client.post("/v1/sessions", json=body, headers=bearer("starter"))
        minted = again.json()["room"]["token"]
        assert Signer(LATER).is_session_token(minted, "mine", session.launch_id)
        for token in (minted, SIGNER.session_token("mine", session.launch_id)):
            assert await offer_to_bot(site.client, session, token, ring) == 200
