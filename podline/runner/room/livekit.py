"""Pipecat's transport for a LiveKit room, which hears only the caller and joins at once or not at all."""

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, cast

from pipecat.frames.frames import InputAudioRawFrame, UserAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessorSetup

from podline.extras import optional, require
from podline.runner.room.caller_meeting import CallerMeeting, replace_transport
from podline.runner.room.client_events import ToldOfCaller
from podline.runner.room.grants import granted, missing_permission_of
from podline.runner.room.livekit_call import LiveKitCall
from podline.runner.room.livekit_tracks import track_to_hear
from podline.runner.room.protocols import PARAMS
from podline.runner.settings import LiveKitRoomAccess

if TYPE_CHECKING:
    from livekit import rtc
    from pipecat.transports.livekit import transport as pipecat_livekit
else:
    rtc = optional("livekit", "livekit.rtc")
    pipecat_livekit = optional("livekit", "pipecat.transports.livekit.transport")


JOIN_SECONDS: Final = 10.0
"""How long joining may take; a refusal takes one second. Pipecat stops a setup after 20 s."""

OUT_QUEUE_MILLISECONDS: Final = 100
"""How much of the bot's speech may wait to be played. With Pipecat's 1,000 the bot considers itself silent
0.6 s before the caller has heard the end."""

_LAST_SENDS_SECONDS: Final = 0.3
"""How long the last messages and sounds may take: LiveKit's client drops unsent ones when it leaves."""

_SEND_SECONDS: Final = 1.0
"""How long a message may wait; on a working connection it takes milliseconds."""

_MOST_UNSENT: Final = 256
"""How many of the latest messages are kept while the client reconnects: a few seconds of a call."""

_connect_once: Final = inspect.unwrap(pipecat_livekit.LiveKitTransportClient.connect)
"""No retries by Pipecat: three take ten seconds, and a refusal stays a refusal."""


def expect_livekit() -> None:
    """Have a bot that is imported before its call is known import the class that will know the call.

    Raises:
        ConfigInvalid: The extra of Pipecat that a LiveKit room needs is missing.
    """
    require(pipecat_livekit)
    replace_transport(pipecat_livekit, "LiveKitTransport", LiveKitCallerTransport)


def use_livekit(room: LiveKitRoomAccess, meeting: CallerMeeting) -> None:
    """Have whoever makes Pipecat's transport for this room get one that knows the call.

    Raises:
        ConfigInvalid: The extra of Pipecat that this room needs is missing.
    """
    require(pipecat_livekit)
    replace_transport(pipecat_livekit, "LiveKitTransport", LiveKitCallerTransport, room, meeting)


class LiveKitCallerTransport(ToldOfCaller, pipecat_livekit.LiveKitTransport):
    """Pipecat's transport, which hears only the caller and joins at once or not at all."""

    def __init__(
        self,
        room: LiveKitRoomAccess,
        meeting: CallerMeeting,
        url: str,
        token: str,
        room_name: str,
        params: pipecat_livekit.LiveKitParams | None = None,
        *names: Any,
        **named: Any,
    ) -> None:
        params = (params or pipecat_livekit.LiveKitParams()).model_copy(
            update={**PARAMS, "audio_out_queue_size_ms": OUT_QUEUE_MILLISECONDS}
        )
        super().__init__(url, token, room_name, params, *names, **named)
        self.client_events = meeting.events
        self._call = LiveKitCall(room, meeting.presence)
        self._messages = meeting.messages
        callbacks = self._client._callbacks  # noqa: SLF001 - Pipecat makes its client itself
        self._client = _LiveKitCallClient(self._call, url, token, room_name, params, callbacks, self.name)

    def input(self) -> pipecat_livekit.LiveKitInputTransport:
        if self._input is None:
            self._input = _LiveKitCallerInput(
                self._call, self, self._client, self._params, name=self._input_name
            )
        return self._input

    def note_event(self, event: str, *_args: Any) -> None:
        if event == "on_before_disconnect":
            self._call.leaving()

    def concerns_caller(self, client: Any) -> bool:
        identity = client.get("id") if isinstance(client, dict) else client
        return not self._call.is_stranger(identity if isinstance(identity, str) else None)

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
        self._hearing = asyncio.Lock()
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

    async def mute_participant(self, participant_id: str) -> None:
        self._call.mute(participant_id)
        await super().mute_participant(participant_id)

    async def unmute_participant(self, participant_id: str) -> None:
        await super().unmute_participant(participant_id)
        self._call.unmute(participant_id)

    async def _async_on_track_subscribed(
        self, track: Any, publication: Any, participant: "rtc.RemoteParticipant"
    ) -> None:
        if publication.kind == rtc.TrackKind.KIND_AUDIO:
            await self._hear(participant.identity)
        else:
            await super()._async_on_track_subscribed(track, publication, participant)

    async def _async_on_track_unsubscribed(
        self, track: Any, publication: Any, participant: "rtc.RemoteParticipant"
    ) -> None:
        if publication.kind == rtc.TrackKind.KIND_AUDIO:
            await self._hear(participant.identity)
        else:
            await super()._async_on_track_unsubscribed(track, publication, participant)

    async def _async_on_participant_disconnected(self, participant: "rtc.RemoteParticipant") -> None:
        await self._hear(participant.identity)
        await super()._async_on_participant_disconnected(participant)

    async def _process_audio_stream(self, audio_stream: "rtc.AudioStream", participant_id: str) -> None:
        await super()._process_audio_stream(
            cast("rtc.AudioStream", self._noted(audio_stream, participant_id)), participant_id
        )

    async def _noted(
        self, audio_stream: "rtc.AudioStream", identity: str
    ) -> "AsyncIterator[rtc.AudioFrameEvent]":
        async for event in audio_stream:
            self._call.heard(identity)
            yield event

    async def _hear(self, identity: str) -> None:
        """Listen to the track that this participant has now, whatever came and went before.

        Pipecat stops listening when any track of a participant ends, even if another has replaced it.
        """
        async with self._hearing:
            participant = self.room.remote_participants.get(identity)
            chosen = track_to_hear(participant)
            if participant is None or chosen is None or chosen.track is None:
                if self._audio_tracks.pop(identity, None) is not None:
                    await self._close_audio_stream(identity)
                    await self._callbacks.on_audio_track_unsubscribed(identity)
            elif chosen.track is not self._audio_tracks.get(identity):
                await super()._async_on_track_subscribed(chosen.track, chosen, participant)

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
