"""One WebRTC peer connection with the caller: it waits for their offer, and knows whether they are there."""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from pipecat.transports.base_transport import TransportParams

from podline.contract.candidates import CandidateFilter, why_too_much
from podline.extras import optional, require
from podline.runner.room.caller_meeting import CallerMeeting, replace_transport
from podline.runner.room.client_events import ToldOfCaller
from podline.runner.room.guarded_connection import GuardedConnection
from podline.runner.room.protocols import PARAMS, UnusableOffer
from podline.runner.room.steady_webrtc import SteadyTransport
from podline.runner.settings import PeerIceServer

if TYPE_CHECKING:
    import aiortc
    from aiortc import exceptions as aiortc_exceptions
    from aiortc import sdp
    from pipecat.transports.smallwebrtc import connection as smallwebrtc_connection
    from pipecat.transports.smallwebrtc import transport as smallwebrtc_transport
else:
    aiortc = optional("webrtc", "aiortc")
    aiortc_exceptions = optional("webrtc", "aiortc.exceptions")
    sdp = optional("webrtc", "aiortc.sdp")
    smallwebrtc_connection = optional("webrtc", "pipecat.transports.smallwebrtc.connection")
    smallwebrtc_transport = optional("webrtc", "pipecat.transports.smallwebrtc.transport")


_WATCH_SECONDS: Final = 0.5
_MISSED_SECONDS: Final = 5.0

# aiortc raises these for an SDP or a candidate that it can't parse or use.
_UNREADABLE: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    aiortc.InvalidAccessError,
    aiortc.InvalidStateError,
    aiortc_exceptions.OperationError,
)


class Peer:
    """The caller's end of the call, over SmallWebRTC.

    Attributes:
        connection: Pipecat's connection, for the bot.
        offered: Set once the caller has offered, so that the bot can build its pipeline.
    """

    def __init__(
        self,
        meeting: CallerMeeting,
        ice_servers: Sequence[PeerIceServer] = (),
        *,
        refuse_private_candidates: bool = False,
    ) -> None:
        self._presence = meeting.presence
        self._candidates = CandidateFilter(refuse_private=refuse_private_candidates)
        self.connection: smallwebrtc_connection.SmallWebRTCConnection = GuardedConnection(
            meeting.messages, [aiortc.RTCIceServer(**asdict(each)) for each in ice_servers]
        )
        self.offered = asyncio.Event()
        self._away = asyncio.Event()
        self._away.set()

    async def answer(self, offer: dict[str, Any], withdrawn: asyncio.Event | None = None) -> dict[str, Any]:
        """Take the caller's offer: their first, a renegotiation, or a new one after they were lost.

        Args:
            offer: What the client sent. Only one at a time: await the answer before passing the next.
            withdrawn: Set once the answer is no longer wanted. Then the offer changes nothing.

        Raises:
            UnusableOffer: It is malformed or withdrawn, or another caller is in the call.
        """
        withdrawn = withdrawn or asyncio.Event()
        sdp, pc_id = offer.get("sdp"), offer.get("pc_id")
        if not isinstance(sdp, str) or offer.get("type") != "offer":
            raise UnusableOffer("The offer needs an sdp and the type offer.")
        if (too_much := why_too_much(sdp)) is not None:
            raise UnusableOffer(f"The offer's sdp is too large: {too_much}.")
        if "m=audio" not in sdp:
            raise UnusableOffer("The offer has no audio: the microphone's track is missing.")
        wants_restart = bool(offer.get("restart_pc"))
        if wants_restart and pc_id is None:
            # A client that lost its connection may have forgotten its id, and return before the bot notices.
            await _first_within(_MISSED_SECONDS, self._away, withdrawn)
        if withdrawn.is_set():
            raise UnusableOffer("The offer was withdrawn.")
        if self._is_here and pc_id != self.connection.pc_id:
            raise UnusableOffer("Another caller is in this call.")
        is_anew = wants_restart or not self._is_here
        if is_anew:
            self._candidates.begin()
        usable = self._candidates.sdp(sdp)
        try:
            if self.offered.is_set():
                await self.connection.renegotiate(usable, "offer", restart_pc=is_anew)
            else:
                await self.connection.initialize(usable, "offer")
                self.offered.set()
        except _UNREADABLE as error:
            raise UnusableOffer("The offer's sdp cannot be read.") from error
        return dict(self.connection.get_answer() or {})

    async def add_candidates(self, patch: dict[str, Any]) -> None:
        """Add the caller's ICE candidates, except forbidden ones.

        Raises:
            UnusableOffer: They are malformed or for another connection.
        """
        if patch.get("pc_id") != self.connection.pc_id:
            raise UnusableOffer("No connection with this pc_id.")
        for item in patch.get("candidates") or []:
            try:
                await self._add_candidate(item)
            except _UNREADABLE as error:
                raise UnusableOffer("A candidate cannot be read.") from error

    async def _add_candidate(self, item: dict[str, Any]) -> None:
        candidate = sdp.candidate_from_sdp(item["candidate"]) if item["candidate"] else None
        if candidate is not None:
            candidate.sdpMid = item["sdp_mid"]
            candidate.sdpMLineIndex = item["sdp_mline_index"]
            if not self._candidates.takes(item["candidate"], candidate.sdpMid):
                return
        elif self._candidates.has_dropped:
            return
        await self.connection.add_ice_candidate(candidate)

    async def close(self) -> None:
        """Hang up; a transport closes only what was connected."""
        await self.connection.disconnect()

    async def watch(self) -> None:
        """Notice a caller whose browser or network died: aiortc itself takes 30 s.

        The client pings every second; Pipecat's connection counts 3 s without as not connected.
        """
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._is_here and not self.connection.is_connected():
                self.leave(abruptly=True)
            elif not self._is_here and self.connection.is_connected():
                self.arrive()

    @property
    def _is_here(self) -> bool:
        return not self._away.is_set()

    def arrive(self) -> None:
        """Note that the caller's connection works."""
        self._away.clear()
        self._presence.caller_joined()

    def leave(self, *, abruptly: bool) -> None:
        """Note that the caller's connection has ended, or works no more."""
        if self._is_here:
            self._away.set()
            self._presence.caller_left(abruptly=abruptly)


def expect_peer() -> None:
    """Have a bot that is imported before its call is known import the class that will know the call.

    Raises:
        ConfigInvalid: The extra of Pipecat that a peer needs is missing.
    """
    require(smallwebrtc_transport)
    replace_transport(smallwebrtc_transport, "SmallWebRTCTransport", PeerTransport)


def use_peer(peer: Peer, meeting: CallerMeeting) -> None:
    """Have whoever makes Pipecat's transport for this peer's connection get one that knows the call."""
    replace_transport(smallwebrtc_transport, "SmallWebRTCTransport", PeerTransport, peer, meeting)


class PeerTransport(ToldOfCaller, SteadyTransport):
    """Pipecat's transport, on a steady clock, which reports the caller's coming and going to the peer."""

    def __init__(
        self,
        peer: Peer,
        meeting: CallerMeeting,
        webrtc_connection: "smallwebrtc_connection.SmallWebRTCConnection",
        params: TransportParams,
        *names: str | None,
        **named: str | None,
    ) -> None:
        self.client_events = meeting.events
        self._peer = peer
        super().__init__(webrtc_connection, params.model_copy(update=PARAMS), *names, **named)

    def note_event(self, event: str, *_args: Any) -> None:
        if event == "on_client_connected":
            self._peer.arrive()
        elif event == "on_client_disconnected":
            self._peer.leave(abruptly=False)


async def _first_within(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of these is set, at most this long."""
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(event.wait()) for event in events]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
