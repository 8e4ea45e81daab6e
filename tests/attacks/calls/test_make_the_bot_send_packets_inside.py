"""A caller names addresses inside as their own, so that the bot sends packets there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from podline.runner.channel.outbox import Outbox
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.webrtc import Peer
from testing.callers.client_messages import unhurried_messages
from testing.fakes.bots.meeting_bot import MeetingPresence
from testing.fakes.controllers.served import ServeController
from tests.attacks.offers import (
    MEETING_BOT,
    candidate,
    listening,
    offer_with,
    own_address,
    patch_of,
    send,
)


async def test_private_candidates_get_no_packet_where_the_operator_refuses_them(
    serve: ServeController,
) -> None:
    """The packets that a bot without the setting sends meanwhile show that there was time to send some."""
    address = own_address()
    async with (
        listening(3) as inside,
        serve(command=MEETING_BOT, refuse_private_candidates=True) as careful,
        serve(command=MEETING_BOT) as careless,
    ):
        [offered, trickled, control] = inside.ports
        session = await careful.start()
        answer = await send(careful, session, offer_with([candidate(address, offered)]))
        assert answer.status_code == 200, answer.text
        patch = patch_of(answer.json()["pc_id"], [candidate(address, trickled)])
        assert (await send(careful, session, patch, "PATCH")).status_code == 200

        session = await careless.start()
        await send(careless, session, offer_with([candidate(address, control)]))
        await inside.until(1, packets=3)

    assert set(inside.heard) == {control}


async def test_one_connection_sends_to_twenty_addresses_at_most(serve: ServeController) -> None:
    address = own_address()
    async with listening(60) as inside, serve(command=MEETING_BOT) as controller:
        session = await controller.start()
        batches = [inside.ports[:15], inside.ports[15:35], inside.ports[35:55], inside.ports[55:]]
        answer = await send(
            controller, session, offer_with([candidate(address, port) for port in batches[0]])
        )
        for batch in batches[1:]:
            patch = patch_of(answer.json()["pc_id"], [candidate(address, port) for port in batch])
            assert (await send(controller, session, patch, "PATCH")).status_code == 200
        await inside.until(20, packets=2)

    assert set(inside.heard) == set(inside.ports[:20])


@pytest.mark.parametrize("count", [21, 350])
async def test_more_candidates_than_a_caller_has_never_reach_the_bot(
    serve: ServeController, count: int
) -> None:
    many = [candidate("198.51.100.7", port) for port in range(1, count + 1)]
    async with serve("silent") as controller:
        session = await controller.start()
        offered = await send(controller, session, offer_with(many))
        patched = await send(controller, session, patch_of("p", many), "PATCH")

    for refused in (offered, patched):
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert "at most 20 candidates" in refused.json()["detail"]


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer(CallerMeeting(MeetingPresence(Outbox(lambda: 0.0)), unhurried_messages()))
    yield peer
    await peer.close()


def remote(peer: Peer) -> list[str]:
    """Where the bot's own connection would send packets to."""
    [transceiver] = peer.connection.pc.getTransceivers()
    ice = transceiver.receiver.transport.transport
    return [each.ip for each in ice.getRemoteCandidates()]


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "fe80::1%eth0",
        "metadata.google.internal",
        "kubernetes.default.svc",
        "printer.local",
        "2852039166",
        "0251.0376.0251.0376",
    ],
)
async def test_what_no_caller_can_be_at_is_nobodys_candidate(peer: Peer, host: str) -> None:
    answer = await peer.answer(offer_with([candidate(host, 80), candidate("198.51.100.7", 9)]))
    await peer.add_candidates(patch_of(answer["pc_id"], [candidate(host, 53), candidate("198.51.100.8", 9)]))

    assert remote(peer) == ["198.51.100.7", "198.51.100.8"]


MALFORMED = [
    "m=audio",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 9,
    "m=audio 9 UDP/TLS/RTP/SAVPF " + "1" * 4000,
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:sha-256\r\n",
    "v=" + "9" * 5000 + "\r\nm=audio 9 X 1",
    "m=audio \N{ARABIC-INDIC DIGIT NINE} RTP/AVP 0\r\na=setup:nonsense",
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" + "a=ssrc:1 cname:x\r\n" * 3000,
    offer_with([], "a=extmap:99999999999999999999 urn:x", "a=rtcp-fb:* nack", "a=ssrc:x")["sdp"],
    offer_with([], "a=sctp-port:99999999", "a=max-message-size:-1", "a=ptime:1e999")["sdp"],
    offer_with([], "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:\x00")["sdp"],
    offer_with(["candidate:"])["sdp"].replace("a=mid:0", "a=mid:" + "0" * 3000),
    "m=audio\u2028m=audio\x85\x1c" * 1000,
]


async def test_no_malformed_offer_ends_a_bot_or_keeps_it_busy(serve: ServeController) -> None:
    async with serve(command=MEETING_BOT) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        for sdp in MALFORMED:
            async with asyncio.timeout(10):
                answer = await send(controller, session, {"sdp": sdp, "type": "offer"})
            assert answer.status_code in (200, 409, 422), (sdp[:60], answer.text)
        assert (await send(controller, session, offer_with([]))).status_code == 200
