"""Offers a bot refuses, with the sentence a client gets to see."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from av import VideoFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.protocols import UnusableOffer
from podline.runner.room.webrtc import Peer
from testing.callers.client_messages import unhurried_messages
from testing.callers.nobody import Nobody

SECRETS = ("a=ice-", "a=setup", "a=fingerprint")
ANSWERABLE = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AA"] * 32) + "\r\na=rtpmap:111 opus/48000/2\r\n"
)
CHANNEL = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sctp-port:5000\r\n"
    + "".join(line for line in ANSWERABLE.splitlines(keepends=True) if line.startswith(SECRETS))
)


class Listener(asyncio.DatagramProtocol):
    def __init__(self, heard: asyncio.Event) -> None:
        self._heard = heard

    def datagram_received(self, _data: bytes, _address: object) -> None:
        self._heard.set()


@contextlib.asynccontextmanager
async def listening_at(heard: asyncio.Event) -> AsyncIterator[int]:
    """A port of this machine, and whether a packet came to it."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Listener(heard), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer(CallerMeeting(Nobody(), unhurried_messages()))
    yield peer
    await peer.close()


@pytest.mark.parametrize(
    ("offer", "sentence"),
    [
        ({}, "The offer needs an sdp and the type offer."),
        ({"sdp": 5, "type": "offer"}, "The offer needs an sdp and the type offer."),
        ({"sdp": "v=0", "type": "answer"}, "The offer needs an sdp and the type offer."),
        ({"sdp": "v=0", "type": "offer"}, "The offer has no audio: the microphone's track is missing."),
        ({"sdp": "m=audio nonsense", "type": "offer"}, "The offer's sdp cannot be read."),
    ],
)
async def test_a_malformed_offer_is_refused(peer: Peer, offer: dict[str, object], sentence: str) -> None:
    with pytest.raises(UnusableOffer) as refusal:
        await peer.answer(offer)

    assert str(refusal.value) == sentence


async def test_a_readable_offer_is_answered_after_a_malformed_one(peer: Peer) -> None:
    with pytest.raises(UnusableOffer):
        await peer.answer({"sdp": "m=audio nonsense", "type": "offer"})

    answer = await peer.answer({"sdp": ANSWERABLE, "type": "offer"})

    assert answer["type"] == "answer"
    assert "opus" in answer["sdp"]
    assert answer["pc_id"]


@pytest.mark.parametrize("written_to", ["the first", "all"])
async def test_the_bot_asks_at_the_callers_candidates_where_all_media_share_them(
    peer: Peer, written_to: str
) -> None:
    """Else a caller is found only by packets of theirs, which a relay takes only from whom it was told of."""
    asked = asyncio.Event()
    async with listening_at(asked) as port:
        line = f"a=candidate:1 1 udp 1 127.0.0.1 {port} typ relay raddr 127.0.0.1 rport 9\r\n"
        channel = CHANNEL + (line if written_to == "all" else "")
        offer = ANSWERABLE.replace("BUNDLE 0", "BUNDLE 0 1") + line + channel
        await peer.answer({"sdp": offer, "type": "offer"})
        async with asyncio.timeout(20):
            await asked.wait()


async def test_candidates_for_another_connection_are_refused(peer: Peer) -> None:
    with pytest.raises(UnusableOffer, match="No connection with this pc_id"):
        await peer.add_candidates({"pc_id": "foreign", "candidates": []})


async def test_a_malformed_candidate_is_refused(peer: Peer) -> None:
    pc_id = (await peer.answer({"sdp": ANSWERABLE, "type": "offer"}))["pc_id"]

    with pytest.raises(UnusableOffer, match="A candidate cannot be read"):
        await peer.add_candidates({"pc_id": pc_id, "candidates": [{"candidate": "nonsense"}]})


LINES = ANSWERABLE.splitlines()
MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(LINES) - 1),
        st.sampled_from(["drop", "double", "cut", "swap"]),
        st.text(max_size=12),
    ),
    min_size=1,
    max_size=4,
)


def mutated(mutations: list[tuple[int, str, str]]) -> str:
    lines = list(LINES)
    for index, kind, text in mutations:
        at = index % len(lines)
        match kind:
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "cut":
                lines[at] = lines[at][: len(lines[at]) // 2]
            case _:
                lines[at] = lines[at][:4] + text
    return "\r\n".join(lines) + "\r\n"


@given(MUTATIONS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
async def test_a_damaged_offer_is_refused_or_answered_and_never_crashes(
    mutations: list[tuple[int, str, str]],
) -> None:
    peer = Peer(CallerMeeting(Nobody(), unhurried_messages()))

    with contextlib.suppress(UnusableOffer):
        assert (await peer.answer({"sdp": mutated(mutations), "type": "offer"}))["type"] == "answer"

    await peer.close()


async def test_a_bot_sees_its_caller_and_is_seen(peer: Peer) -> None:
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for track in (AudioStreamTrack(), VideoStreamTrack()):
        caller.addTransceiver(track, direction="sendrecv")
    await caller.setLocalDescription(await caller.createOffer())
    try:
        answer = await peer.answer({"sdp": caller.localDescription.sdp, "type": "offer"})
        await caller.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        camera = peer.connection.video_input_track()
        peer.connection.replace_video_track(VideoStreamTrack())
        _, screen = caller.getReceivers()

        async with asyncio.timeout(20):
            assert isinstance(await camera.recv(), VideoFrame)
            assert isinstance(await screen.track.recv(), VideoFrame)
    finally:
        await caller.close()


async def test_a_camera_at_which_no_bot_looks_is_not_decoded(peer: Peer) -> None:
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind in ("audio", "video", "video", "video"):
        caller.addTransceiver(kind, direction="sendrecv")
    await caller.setLocalDescription(await caller.createOffer())

    await peer.answer({"sdp": caller.localDescription.sdp, "type": "offer"})

    _, *others = peer.connection.pc.getTransceivers()
    assert [each.direction for each in others] == ["sendrecv", "recvonly", "inactive"]
    assert not any(each.receiver._enabled for each in others)
    await caller.close()
