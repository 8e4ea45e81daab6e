"""The bot in a LiveKit room: who the caller is there, when they have gone, and when the room is lost."""

import asyncio
import contextlib
import inspect
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pipecat.frames.frames import InputAudioRawFrame, UserAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.transports.base_transport import BaseTransport

from podline.extras import optional
from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.grants import granted, missing_permission, missing_permission_of
from podline.runner.room.membership import Membership
from podline.runner.room.protocols import END_SILENCE_SECONDS, Presence
from podline.runner.settings import LiveKitRoomAccess

if TYPE_CHECKING:
    from livekit import rtc
    from pipecat.transports.livekit import transport as pipecat_livekit
else:
    rtc = optional("livekit", "livekit.rtc")
    pipecat_livekit = optional("livekit", "pipecat.transports.livekit.transport")


JOIN_SECONDS: Final = 10.0
"""How long joining may take; a refusal takes one second. Pipecat stops a setup after 20 s."""

RECOVERY_SECONDS: Final = 10.0
"""How long the connection may be interrupted. LiveKit's client tries for 21 s to reconnect."""

OUT_QUEUE_MILLISECONDS: Final = 100
"""How much of the bot's speech may wait to be played. With Pipecat's 1,000 the bot considers itself silent
0.6 s before the caller has heard the end."""

_CALLERS: Final = (rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
"""The kinds of participants that are people. Others are recorders, streams and bots."""

_LAST_SENDS_SECONDS: Final = 0.3
"""How long the last messages and sounds may take: LiveKit's client drops unsent ones when it leaves."""

_SEND_SECONDS: Final = 1.0
"""How long a message may wait; on a working connection it takes milliseconds."""

_MOST_UNSENT: Final = 256
"""How many of the latest messages are kept while the client reconnects: a few seconds of a call."""

_connect_once: Final = inspect.unwrap(pipecat_livekit.LiveKitTransportClient.connect)
"""No retries by Pipecat: three take ten seconds, and a refusal stays a refusal."""

_CAUSES: Final = {
    rtc.DisconnectReason.DUPLICATE_IDENTITY: "somebody else joined as the bot, with its identity",
    rtc.DisconnectReason.SERVER_SHUTDOWN: "LiveKit's server shut down",
    rtc.DisconnectReason.PARTICIPANT_REMOVED: "somebody removed the bot",
    rtc.DisconnectReason.ROOM_DELETED: "somebody deleted the room",
    rtc.DisconnectReason.ROOM_CLOSED: "LiveKit closed the room",
}


def livekit_transport(room: LiveKitRoomAccess, presence: Presence, messages: ClientMessages) -> BaseTransport:
    """Return a transport that joins the room when its pipeline is set up and notifies `presence`."""
    call = LiveKitCall(room, presence)
    transport = _LiveKitCallerTransport(room, call, messages)
    transport.add_event_handler("on_before_disconnect", call.leaving)
    return transport


class LiveKitCall:
    """Translates LiveKit's events for `Presence`.

    The first person to join is the caller. Others may join and leave. Once the caller has left, the next to
    join is the caller. A participant who joins with the caller's identity replaces the caller.
    """

    def __init__(self, room: LiveKitRoomAccess, presence: Presence) -> None:
        self._presence = presence
        self._membership = Membership("LiveKit", "LiveKit's server", room.token, presence)
        self._has_joined = False
        self._caller: str | None = None
        self._room: rtc.Room

    def is_caller(self, identity: str | None) -> bool:
        return identity is not None and identity == self._caller

    def is_stranger(self, identity: str | None) -> bool:
        """Return whether this is certainly someone else: a message may arrive before its sender's join."""
        return self._caller is not None and not self.is_caller(identity)

    def follow(self, room: rtc.Room) -> None:
        """Subscribe to the events of a room that is about to be joined."""
        self._room = room
        room.on("participant_connected", self.participant_joined)
        room.on("participant_disconnected", self.participant_left)
        room.on("participant_permissions_changed", self.permissions_changed)
        room.on("connection_state_changed", self.connection_changed)
        room.on("disconnected", self.disconnected)

    def joined(self) -> None:
        if not self._membership.is_over:
            self._has_joined = True
            self._presence.joined()
            for participant in self._room.remote_participants.values():
                self.participant_joined(participant)

    def participant_joined(self, participant: rtc.RemoteParticipant) -> None:
        if self._caller is None and participant.kind in _CALLERS:
            self._caller = participant.identity
            self._presence.caller_joined()

    def participant_left(self, participant: rtc.RemoteParticipant) -> None:
        # During a reconnection LiveKit reports that everybody left, and then that those present joined.
        if self.is_caller(participant.identity) and not self._membership.is_interrupted:
            self._miss_caller(abruptly=_was_lost(participant))

    def permissions_changed(self, participant: rtc.Participant, permissions: Any) -> None:
        if isinstance(participant, rtc.LocalParticipant) and self._has_joined:
            what = missing_permission(
                may_publish=permissions.can_publish,
                may_subscribe=permissions.can_subscribe,
                # A participant's sources are numbers; LiveKit's protocol has their names.
                sources=[str(source) for source in permissions.can_publish_sources],
                microphone=str(rtc.TrackSource.SOURCE_MICROPHONE),
            )
            if what is not None:
                self._membership.lose(f"someone revoked the bot's permission to {what}")

    def connection_changed(self, state: int) -> None:
        if state == rtc.ConnectionState.CONN_RECONNECTING:
            self._membership.interrupted(RECOVERY_SECONDS)
        elif state == rtc.ConnectionState.CONN_CONNECTED and self._membership.is_interrupted:
            self._membership.recovered()
            if self._caller is not None and self._caller not in self._room.remote_participants:
                self._miss_caller(abruptly=True)

    def disconnected(self, reason: Any) -> None:
        if self._has_joined:
            self._membership.lose(_CAUSES.get(reason, "the connection to LiveKit's server ended"))

    def leaving(self, _transport: BaseTransport) -> None:
        self._membership.finish()

    def refused(self, words: str, remedy: str) -> None:
        self._membership.refuse(words, remedy)

    def _miss_caller(self, *, abruptly: bool) -> None:
        self._caller = None
        self._presence.caller_left(abruptly=abruptly)


class _LiveKitCallerTransport(pipecat_livekit.LiveKitTransport):
    """Pipecat's transport, which hears only the caller and joins at once or not at all."""

    def __init__(self, room: LiveKitRoomAccess, call: LiveKitCall, messages: ClientMessages) -> None:
        params = pipecat_livekit.LiveKitParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_end_silence_secs=END_SILENCE_SECONDS,
            audio_out_queue_size_ms=OUT_QUEUE_MILLISECONDS,
        )
        name = str(granted(room.token).get("room"))
        super().__init__(room.url, room.token, name, params)
        self._call = call
        self._messages = messages
        callbacks = self._client._callbacks  # noqa: SLF001 - Pipecat makes its client itself
        self._client = _LiveKitCallClient(call, room.url, room.token, name, params, callbacks, self.name)

    def input(self) -> pipecat_livekit.LiveKitInputTransport:
        if self._input is None:
            self._input = _LiveKitCallerInput(
                self._call, self, self._client, self._params, name=self._input_name
            )
        return self._input

    async def _on_data_received(self, data: bytes, participant_id: str | None) -> None:
        if not self._call.is_stranger(participant_id):
            taken = await self._messages.take(data)
            if taken is not None:
                await super()._on_data_received(taken.encode(), participant_id)


class _LiveKitCallClient(pipecat_livekit.LiveKitTransportClient):
    """Pipecat's client, which reports the room's events to the call, and why a join failed.

    It reports a failed join to the call instead of raising: the call ends for that reason, while Pipecat
    would only say that a processor could not be set up.
    """

    def __init__(self, call: LiveKitCall, *of_pipecat: Any) -> None:
        super().__init__(*of_pipecat)
        self._call = call
        self._joining = asyncio.Lock()
        self._was_tried = False
        self._unsent: deque[tuple[bytes, str | None]] = deque(maxlen=_MOST_UNSENT)

    async def setup(self, setup: FrameProcessorSetup) -> None:
        is_first = self._room is None
        await super().setup(setup)
        if is_first:
            self._call.follow(self.room)

    async def connect(self) -> None:
        """Join once. Input and output each request it, and Pipecat counts them, to leave with the last."""
        async with self._joining:
            if self._connected:
                await _connect_once(self)
            elif not self._was_tried:
                self._was_tried = True
                await self._join()

    async def _join(self) -> None:
        what = missing_permission_of(granted(self._token))
        if what is not None:
            self._call.refused(f"the token does not allow it to {what}", "set LIVEKIT_TOKEN to one that does")
            return
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await _connect_once(self)
        except TimeoutError:
            self._call.refused(
                f"it did not finish within {JOIN_SECONDS:g} seconds", "check the network and LIVEKIT_URL"
            )
        except rtc.ConnectError as error:
            self._call.refused(*explain_failed_join(error.message))
        except Exception as error:  # noqa: BLE001 - the SDK may raise anything, and any error means that we are not in
            self._call.refused(type(error).__name__, "see the bot's log")
        else:
            self._call.joined()

    async def send_data(self, data: bytes, participant_id: str | None = None) -> None:
        """Send the waiting messages, or keep them for the next time during a reconnection.

        LiveKit's client would wait for its connection, and the pipeline with it.
        """
        self._unsent.append((data, participant_id))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEND_SECONDS):
                while self._unsent and self.room.connection_state == rtc.ConnectionState.CONN_CONNECTED:
                    await super().send_data(*self._unsent.popleft())

    async def disconnect(self) -> None:
        is_last = self._connected and self._disconnect_counter == 1
        if is_last and self.room.connection_state == rtc.ConnectionState.CONN_RECONNECTING:
            # LiveKit's client would leave only once it has given up reconnecting, up to 21 s later.
            self._connected = False
        elif is_last and self.room.remote_participants:
            await asyncio.sleep(_LAST_SENDS_SECONDS)
        await super().disconnect()  # type: ignore[no-untyped-call]


class _LiveKitCallerInput(pipecat_livekit.LiveKitInputTransport):
    """Passes on only the caller's audio: interleaved frames of two speakers are not intelligible."""

    def __init__(
        self,
        call: LiveKitCall,
        transport: pipecat_livekit.LiveKitTransport,
        client: pipecat_livekit.LiveKitTransportClient,
        params: pipecat_livekit.LiveKitParams,
        **options: Any,
    ) -> None:
        super().__init__(transport, client, params, **options)
        self._call = call

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        if isinstance(frame, UserAudioRawFrame) and self._call.is_caller(frame.user_id):
            await super().push_audio_frame(frame)


def explain_failed_join(words: str) -> tuple[str, str]:
    """Return the SDK's cause of a failed join as part of a sentence, and what to do about it."""
    if "401 Unauthorized" in words:
        return "the token was not accepted", "check LIVEKIT_TOKEN, who signed it, and whether it has expired"
    if "404 Not Found" in words:
        return "there is no such room", "create the room first, and a token for it"
    if "500 Internal Server Error" in words:
        # LiveKit 1.11 answers this if a room is full.
        return (
            "the room is full, or the server failed",
            "set LIVEKIT_TOKEN to an agent's, because agents are not counted",
        )
    return f"there was no connection ({words})", "check the network and LIVEKIT_URL"


def _was_lost(participant: rtc.RemoteParticipant) -> bool:
    """Return whether a participant's connection died, as opposed to hanging up or being removed."""
    return participant.disconnect_reason not in (
        rtc.DisconnectReason.CLIENT_INITIATED,
        rtc.DisconnectReason.PARTICIPANT_REMOVED,
    )
