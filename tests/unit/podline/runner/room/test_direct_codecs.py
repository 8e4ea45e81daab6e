"""Audio that is encoded and decoded without other threads: both sides hear each other, in Opus or not."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecParameters,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame, Packet

from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.direct_codecs import OPUS_RATES, DirectDecoder, OpusPackets, sends_opus
from podline.runner.room.steady_webrtc import SteadyAudioTrack
from podline.runner.room.webrtc import Peer
from testing.callers.client_messages import unhurried_messages
from testing.callers.nobody import Nobody

PATIENCE_SECONDS = 20
LOUD = 10_000
Samples = npt.NDArray[np.int16]


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Samples:
    moments = np.arange(round(seconds * rate)) / rate
    return (LOUD * np.sin(2 * np.pi * hertz * moments)).astype(np.int16)


def loudness(frame: Any) -> float:
    return float(np.sqrt(np.mean(frame.to_ndarray().astype(float) ** 2)))


def pitch(samples: npt.NDArray[np.float64], rate: int) -> float:
    """The strongest tone, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("rate", OPUS_RATES)
def test_what_is_encoded_sounds_the_same_at_every_rate(rate: int) -> None:
    packets, decoder = OpusPackets(rate), OpusDecoder()
    size = rate // 50
    voice = tone(1.0, rate)

    heard: list[Any] = []
    for number in range(50):
        packet = packets.encode(voice[number * size :][:size].tobytes(), number * size)
        [payload], timestamp = OpusEncoder().pack(packet)
        assert timestamp == number * 960
        heard += decoder.decode(JitterFrame(payload, timestamp))

    left = np.concatenate([frame.to_ndarray()[0, ::2] for frame in heard]).astype(float)
    assert len(left) == 48_000
    settled = left[4_800:]
    assert pitch(settled, 48_000) == pytest.approx(440.0, abs=3)
    assert np.sqrt(np.mean(settled**2)) == pytest.approx(LOUD / np.sqrt(2), rel=0.1)


class Speaking(AudioStreamTrack):
    """A caller's tone, 20 ms at a time."""

    async def recv(self) -> AudioFrame:
        silence: Any = await super().recv()
        frame = AudioFrame.from_ndarray(tone(0.02, 8_000, 400.0)[None, :], layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = silence.sample_rate, silence.pts, silence.time_base
        return frame


@contextlib.asynccontextmanager
async def in_call(codec: str) -> AsyncIterator[tuple[Peer, RTCPeerConnection]]:
    """A bot's peer and a caller who takes only this codec."""
    peer = Peer(CallerMeeting(Nobody(), unhurried_messages()))
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = caller.addTransceiver(Speaking(), direction="sendrecv")
    known = RTCRtpSender.getCapabilities("audio").codecs
    transceiver.setCodecPreferences([each for each in known if each.mimeType == codec])
    await caller.setLocalDescription(await caller.createOffer())
    try:
        answer = await peer.answer({"sdp": caller.localDescription.sdp, "type": "offer"})
        await caller.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield peer, caller
    finally:
        await caller.close()
        await peer.close()


@pytest.mark.parametrize("codec", ["audio/opus", "audio/PCMU"])
async def test_bot_and_caller_hear_each_other(codec: str) -> None:
    async with in_call(codec) as (peer, caller):
        connection = peer.connection
        [transceiver] = connection.pc.getTransceivers()
        microphone = connection.audio_input_track()
        track = SteadyAudioTrack(24_000, auto_silence=True, opus=sends_opus(transceiver))
        connection.replace_audio_track(track)
        spoken = track.add_audio_bytes(tone(0.5, 24_000).tobytes())
        [heard] = caller.getReceivers()

        while loudness(await microphone.recv()) < LOUD / 3:
            pass
        while loudness(await heard.track.recv()) < LOUD / 3:
            pass
        await spoken

        assert sends_opus(transceiver) == (codec == "audio/opus")


async def test_a_callers_audio_is_decoded_without_its_thread_which_ends_with_the_call() -> None:
    async with in_call("audio/opus") as (peer, _caller):
        [transceiver] = peer.connection.pc.getTransceivers()
        microphone = peer.connection.audio_input_track()
        await microphone.recv()
        # If this fails, aiortc decodes elsewhere: look for its seam again.
        decoder = vars(transceiver.receiver)["_RTCRtpReceiver__decoder_queue"]
        assert isinstance(decoder, DirectDecoder)
        assert decoder.empty()
        threads = [each for each in threading.enumerate() if each.name == "audio-decoder"]
        assert threads

    async with asyncio.timeout(PATIENCE_SECONDS):
        for each in threads:
            await asyncio.to_thread(each.join)


async def test_audio_that_cannot_be_decoded_is_lost_and_the_next_is_heard() -> None:
    decoded: asyncio.Queue[AudioFrame] = asyncio.Queue()
    decoder = DirectDecoder(decoded)
    opus = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=96)
    good = bytes(OpusPackets(48_000).encode(tone(0.02, 48_000).tobytes(), 0))

    decoder.put((opus, JitterFrame(b"\xff" * 7, 0)))
    assert decoded.empty()
    decoder.put((opus, JitterFrame(good, 960)))

    assert (await decoded.get()).samples == 960


async def test_a_track_sends_packets_every_20_ms_even_if_the_bot_writes_10_ms_at_a_time() -> None:
    clock = ClockOfWriters()
    track = SteadyAudioTrack(24_000, auto_silence=True, opus=True, clock=clock, sleep=clock.sleep)
    voice = tone(0.4, 24_000)

    async def write() -> None:
        for at in range(0, len(voice), 240):
            await track.add_audio_bytes(voice[at : at + 240].tobytes())

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        await asyncio.sleep(0)
        packets = [await track.recv() for _ in range(20)]
        await writing

    assert all(isinstance(each, Packet) for each in packets)
    assert [each.pts for each in packets] == [960 * number for number in range(20)]
    assert clock.now - clock.began == pytest.approx(19 * 0.02 + 0.01)
    decoder = OpusDecoder()
    heard = [frame for each in packets for frame in decoder.decode(JitterFrame(bytes(each), each.pts or 0))]
    assert min(loudness(frame) for frame in heard[1:]) > LOUD / 3


async def test_a_track_without_silence_waits_for_the_bots_words() -> None:
    clock = ClockOfWriters()
    track = SteadyAudioTrack(24_000, auto_silence=False, opus=True, clock=clock, sleep=clock.sleep)

    async with asyncio.timeout(PATIENCE_SECONDS):
        waiting = asyncio.create_task(track.recv())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        spoken = track.add_audio_bytes(bytes(2 * 480))
        packet = await waiting

    assert isinstance(packet, Packet)
    assert spoken.done()


class ClockOfWriters:
    """A clock that only sleep moves, which lets others run."""

    def __init__(self) -> None:
        self.began = self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(5):
            await asyncio.sleep(0)
