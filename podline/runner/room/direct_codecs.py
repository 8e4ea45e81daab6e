"""Opus without other threads: encoded and decoded where it is needed, which takes less than handing it over.

aiortc encodes each frame in an executor and decodes each in a thread. Waking those, and the event loop again,
costs a bot three times what libopus does (docs/benchmarks.md).
"""

from __future__ import annotations

import queue
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from podline.extras import optional

if TYPE_CHECKING:
    import aiortc
    import av
    from aiortc import codecs as aiortc_codecs
    from aiortc import rtcrtpreceiver
    from av.audio import codeccontext
else:
    aiortc = optional("webrtc", "aiortc")
    aiortc_codecs = optional("webrtc", "aiortc.codecs")
    rtcrtpreceiver = optional("webrtc", "aiortc.rtcrtpreceiver")
    av = optional("webrtc", "av")
    codeccontext = optional("webrtc", "av.audio.codeccontext")

PACKET_SECONDS: Final = 0.02
OPUS_RATES: Final = (8_000, 12_000, 16_000, 24_000, 48_000)
"""The sample rates that libopus takes as they are."""

_TIME_BASE: Final = Fraction(1, 48_000)
"""The clock of Opus in RTP, at any sample rate."""
_BITS_PER_SECOND: Final = 96_000
"""As aiortc has it for two channels. A bot has one voice, and libopus spends next to nothing on a second
channel that equals the first."""
_DECODER_QUEUE: Final = "_RTCRtpReceiver__decoder_queue"


class OpusPackets:
    """Encodes a bot's voice, 20 ms at a time. aiortc sends what a track has encoded as it is."""

    def __init__(self, sample_rate: int) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, codeccontext.AudioCodecContext)  # noqa: S101 - Opus is audio
        codec.bit_rate = _BITS_PER_SECOND
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = sample_rate
        codec.time_base = Fraction(1, sample_rate)
        codec.options = {"application": "voip"}
        self._codec = codec
        self._sample_rate = sample_rate
        self._samples = round(sample_rate * PACKET_SECONDS)

    def encode(self, pcm: bytes, timestamp: int) -> av.Packet[Any]:
        """Return the packet of 20 ms of mono 16-bit audio, which begins at this sample."""
        frame = av.AudioFrame(format="s16", layout="mono", samples=self._samples)
        frame.planes[0].update(pcm)
        frame.sample_rate = self._sample_rate
        frame.pts = timestamp
        frame.time_base = Fraction(1, self._sample_rate)
        [encoded] = self._codec.encode(frame)
        packet = av.Packet(bytes(encoded))
        packet.pts = timestamp * _TIME_BASE.denominator // self._sample_rate
        packet.time_base = _TIME_BASE
        return packet


def sends_opus(transceiver: aiortc.RTCRtpTransceiver) -> bool:
    """Return whether the caller's answer or ours has Opus first: that is what will be sent."""
    codecs = transceiver._codecs  # noqa: SLF001 - aiortc has no other way
    return bool(codecs) and codecs[0].mimeType.lower() == "audio/opus"


class DirectDecoder(queue.Queue[Any]):
    """Decodes what is put into it, in place of the queue of a receiver's decoding thread.

    Only the sign that nothing more will come reaches the thread, which then ends the track.
    """

    def __init__(self, decoded: Any) -> None:
        super().__init__()
        self._decoded = decoded
        self._codec_name = ""
        self._decoder: Any = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - a queue's
        if item is None:
            super().put(item, block, timeout)
            return
        codec, encoded = item
        if codec.name != self._codec_name:
            self._codec_name = codec.name
            self._decoder = aiortc_codecs.get_decoder(codec)
        # What can't be decoded is lost, like a packet that never came.
        with suppress(av.FFmpegError):
            for frame in self._decoder.decode(encoded):
                self._decoded.put_nowait(frame)


def decode_directly(receiver: aiortc.RTCRtpReceiver) -> None:
    """Have a receiver of audio, which does not receive yet, decode where packets arrive."""
    track = receiver.track
    if isinstance(track, rtcrtpreceiver.RemoteStreamTrack) and not isinstance(
        vars(receiver).get(_DECODER_QUEUE), DirectDecoder
    ):
        setattr(receiver, _DECODER_QUEUE, DirectDecoder(track._queue))  # noqa: SLF001 - likewise
