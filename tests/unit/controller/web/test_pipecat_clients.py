"""What Pipecat's own clients and the page at / send."""

import asyncio
import re

import pytest

from controller.rooms.webrtc import WebRtcRooms
from testing.callers.keys import offer_to_bot
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.site import Serve

OFFER = {"sdp": "v=0", "type": "offer", "pc_id": "p", "restart_pc": True, "requestData": {"a": [1]}}


def webrtc() -> WebRtcRooms:
    return WebRtcRooms("http://127.0.0.1:7860", SIGNER)


@pytest.mark.parametrize(
    "body",
    [
        {"createDailyRoom": False, "enableDefaultIceServers": True, "transport": "webrtc"},
        {"transport": "webrtc", "body": None},
        {"body": {"user_id": "anonymous", "colour": "red"}, "unheard": "of"},
        {},
    ],
)
async def test_a_start_is_answered_with_the_session_and_no_more(serve: Serve, body: object) -> None:
    async with serve(rooms=webrtc()) as site:
        answer = await site.client.post("/start", json=body)

        assert answer.status_code == 200
        assert set(answer.json()) == {"sessionId"}
        session = await site.read(answer.json()["sessionId"])
        assert re.fullmatch("anonymous-[0-9a-f]{16}", session["user_id"])
        assert session["room"]["provider"] == "webrtc"


async def test_a_page_may_name_its_user(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        started = await site.client.post("/start", json={"body": {"user_id": "ana"}})
        assert (await site.read(started.json()["sessionId"]))["user_id"] == "ana"


async def test_callers_without_a_name_share_no_limit(serve: Serve) -> None:
    async with serve(rooms=webrtc(), sessions_per_user=1) as site:
        answers = [await site.client.post("/start", json={}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_another_transport_is_refused(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        answer = await site.client.post("/start", json={"transport": "daily"})

    assert answer.status_code == 422
    assert answer.json()["detail"] == "transport: this controller supports only 'webrtc'."


async def test_ice_servers_are_given_where_the_operator_has_some(serve: Serve) -> None:
    async with serve(rooms=webrtc(), ice_servers=("stun:stun.example.com",)) as site:
        answer = await site.client.post("/start", json={})

    assert answer.json()["iceConfig"] == {"iceServers": [{"urls": "stun:stun.example.com"}]}


async def test_an_offer_is_held_until_the_bot_answers_and_reaches_it_field_for_field(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        given = (await site.client.post("/start", json={})).json()["sessionId"]
        session, path = given.partition("~")[0], f"/sessions/{given}/api/offer"
        offering = asyncio.create_task(site.client.post(path, json=OFFER))
        [message] = (await site.as_bot(session, "GET", "inbox")).json()["messages"]
        assert (message["type"], message["offer"]) == ("offer", OFFER)
        assert not offering.done()

        body = {"sdp": "v=0", "type": "answer", "pc_id": "p"}
        answered = await site.as_bot(session, "POST", f"inbox/{message['id']}", json={"body": body})
        assert answered.status_code == 204
        assert (await offering).json() == body

        sent = {"pc_id": "p", "candidates": [{"candidate": "c", "sdp_mid": "0", "sdp_mline_index": 0}]}
        patching = asyncio.create_task(site.client.patch(path, json=sent))
        [message] = (await site.as_bot(session, "GET", f"inbox?after={message['id']}")).json()["messages"]
        assert (message["type"], message["candidates"]) == ("candidates", sent)
        await site.as_bot(session, "POST", f"inbox/{message['id']}", json={"body": {}})
        assert (await patching).json() == {}


async def test_an_offer_the_bot_does_not_answer_in_time_may_be_tried_again(serve: Serve) -> None:
    async with serve(rooms=webrtc(), start_timeout_seconds=0.05) as site:
        session = (await site.client.post("/start", json={})).json()["sessionId"]
        answer = await site.client.post(f"/sessions/{session}/api/offer", json=OFFER)

    assert (answer.status_code, answer.json()["code"]) == (503, "bot_unavailable")


async def test_an_offer_to_no_session_is_final(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        answer = await site.client.post("/sessions/ghost/api/offer", json=OFFER)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_the_token_of_a_room_opens_its_offers_as_a_bearer_too(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        room = (await site.start(session_id="mine"))["room"]
        again = (await site.start(session_id="mine"))["room"]
        session = site.runtime.launch_of("mine").session

        assert again == room
        assert await offer_to_bot(site.client, session, room["token"], SIGNER) == 200


async def test_whoever_names_the_sessions_own_address_as_the_room_is_given_its_token(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        room = {"url": "http://127.0.0.1:7860/sessions/mine/api/offer", "token": "t"}
        answers = [await site.start(session_id="mine", room=room) for _ in range(2)]

        tokens = {answer["room"]["token"] for answer in answers}
        assert tokens == {site.offers_of("mine").split("~")[1].split("/")[0]}


async def test_the_older_contract_may_name_the_address_for_offers_as_its_room(serve: Serve) -> None:
    async with serve(rooms=webrtc()) as site:
        url = "http://127.0.0.1:7860/sessions/s-1/api/offer"
        body = {"room_url": url, "token": "t", "user_id": "ana", "session_id": "s-1"}
        assert (await site.client.post("/start-agent", json=body)).status_code == 200

        refused = await site.client.post("/start-agent", json={**body, "session_id": "s-2", "user_id": "bo"})
        assert refused.status_code == 422
        assert (
            "Leave the room out, or set its url to http://127.0.0.1:7860/sessions/s-2"
            in refused.json()["detail"]
        )
