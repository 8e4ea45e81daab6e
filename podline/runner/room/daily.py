"""The bot in a Daily room: who the caller is there, when they have gone, and when the room is lost."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipecat.frames.frames import InputAudioRawFrame, UserAudioRawFrame
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.daily.transport import DailyInputTransport, DailyParams, DailyTransport

from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.membership import Membership
from podline.runner.room.presence import END_SILENCE_SECONDS, Presence
from podline.runner.settings import DailyRoomAccess

BOT_NAME: Final = "Podline"
"""What others in the room read beside the bot."""

JOIN_SECONDS: Final = 15.0
"""How long joining may take. Daily's client itself tries for 19 s without a network, and Pipecat stops a
setup after 20 s without saying whose it was."""

RECOVERY_SECONDS: Final = 15.0
"""How long a connection to Daily may be interrupted. Its client makes it again by itself, or never says."""


def daily_transport(room: DailyRoomAccess, presence: Presence, messages: ClientMessages) -> BaseTransport:
    """A transport that joins the room when its pipeline is set up and tells `presence` what happens there."""
    transport = _CallersTransport(room, messages)
    call = DailyCall(room, presence, lambda: transport.last_error)
    transport.is_caller, transport.is_stranger = call.is_caller, call.is_stranger
    events: dict[str, Callable[..., None]] = {
        "on_joined": call.joined,
        "on_participant_joined": call.participant_joined,
        "on_participant_left": call.participant_left,
        "on_participant_updated": call.participant_updated,
        "on_network_connection_status_updated": call.connection_changed,
        "on_call_state_updated": call.state_changed,
        "on_before_leave": call.leaving,
        "on_error": call.failed,
    }
    for name, handler in events.items():
        transport.add_event_handler(name, handler)
    return transport


class DailyCall:
    """Turns what Daily tells into what `Presence` wants to know.

    The first to come is the caller, whatever their role, since a room of one's own may give everybody an
    owner's token. Others may come and go. Once the caller has gone, the next to come is the caller: who
    comes back is a new participant to Daily.

    Each method that takes a transport is an event handler of Pipecat's `DailyTransport`.
    """

    def __init__(self, room: DailyRoomAccess, presence: Presence, last_error: Callable[[], str]) -> None:
        self._room = room
        self._presence = presence
        self._last_error = last_error
        self._membership = Membership("Daily", "Daily", room.token, presence)
        self._has_joined = False
        self._caller: str | None = None
        self._interrupted: set[str] = set()
        self._joining = asyncio.get_running_loop().call_later(JOIN_SECONDS, self._give_up_joining)

    def is_caller(self, participant_id: str) -> bool:
        return participant_id == self._caller

    def is_stranger(self, participant_id: str) -> bool:
        """Whether this is surely someone else. Who comes may say something before their coming is told."""
        return self._caller is not None and not self.is_caller(participant_id)

    def joined(self, _transport: BaseTransport, data: Mapping[str, Any]) -> None:
        if self._membership.is_over:
            return
        self._joining.cancel()
        self._has_joined = True
        if _may_speak(data.get("participants", {}).get("local", {})):
            self._presence.joined()
        else:
            self._membership.refuse(
                "the token does not allow it to send audio", "make DAILY_TOKEN one that does"
            )

    def participant_joined(self, _transport: BaseTransport, participant: Mapping[str, Any]) -> None:
        if self._caller is None:
            self._caller = participant["id"]
            self._presence.caller_joined()

    def participant_left(
        self, _transport: BaseTransport, participant: Mapping[str, Any], reason: str
    ) -> None:
        if self.is_caller(participant["id"]):
            self._caller = None
            self._presence.caller_left(abruptly=_was_lost(participant, reason))

    def participant_updated(self, _transport: BaseTransport, participant: Mapping[str, Any]) -> None:
        if participant.get("info", {}).get("isLocal") and not _may_speak(participant):
            self._membership.lose("someone took the bot's permission to speak")

    def connection_changed(self, _transport: BaseTransport, status: Mapping[str, Any]) -> None:
        """Signalling and the transports of either direction are told of one by one."""
        connection = str(status.get("connection"))
        if status.get("event") == "interrupted":
            self._interrupted.add(connection)
        else:
            self._interrupted.discard(connection)
        if self._interrupted:
            self._membership.interrupted(RECOVERY_SECONDS)
        else:
            self._membership.recovered()

    def state_changed(self, _transport: BaseTransport, state: str) -> None:
        """The call is left without our leaving when the bot is ejected, or the room or meeting ends."""
        if state == "left":
            self._membership.lose(self._last_error() or "Daily ended the call for the bot")

    def leaving(self, _transport: BaseTransport) -> None:
        self._joining.cancel()
        self._membership.finish()

    def failed(self, _transport: BaseTransport, error: str) -> None:
        """Before the bot has joined, an error is a refusal; later the call's state tells what it means."""
        if not self._has_joined:
            words = self._last_error() or error.removeprefix(f"Error joining {self._room.url}: ")
            self._membership.refuse(
                words, "check DAILY_ROOM_URL and DAILY_TOKEN, and whether they have expired"
            )

    def _give_up_joining(self) -> None:
        words = f"it did not answer within {JOIN_SECONDS:g} seconds"
        self._membership.refuse(words, "check the network and DAILY_ROOM_URL")


class _CallersTransport(DailyTransport):
    """Pipecat's transport, made to hear the caller alone and to keep what Daily says of its errors."""

    def __init__(self, room: DailyRoomAccess, messages: ClientMessages) -> None:
        super().__init__(
            room.url,
            room.token,
            BOT_NAME,
            DailyParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_out_end_silence_secs=END_SILENCE_SECONDS,
                camera_out_enabled=False,
            ),
        )
        self.last_error = ""
        self._messages = messages
        self.is_caller: Callable[[str], bool] = lambda _participant_id: False
        self.is_stranger: Callable[[str], bool] = lambda _participant_id: False
        # Daily's client tells here why it ends a call, and Pipecat's does not listen.
        self._client.on_error = self._keep_error  # type: ignore[method-assign]

    def input(self) -> DailyInputTransport:
        if self._input is None:
            self._input = _CallersInput(self, self._client, self._params, name=self._input_name)
        return self._input

    async def _on_app_message(self, message: Any, sender: str) -> None:
        if not self.is_stranger(sender):
            taken = await self._messages.take_parsed(message)
            if taken is not None:
                await super()._on_app_message(taken, sender)

    def _keep_error(self, message: str) -> None:
        # Called from a thread of Daily's; a request that fails is told a second time, as Rust prints it.
        if not message.startswith("Error handling "):
            self.last_error = message


class _CallersInput(DailyInputTransport):
    """Passes on what the caller says: audio of two, frame by frame in turn, is speech to nobody."""

    _transport: _CallersTransport

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        if isinstance(frame, UserAudioRawFrame) and self._transport.is_caller(frame.user_id):
            await super().push_audio_frame(frame)


def _may_speak(participant: Mapping[str, Any]) -> bool:
    """Whether a participant may send audio: `canSend` is a yes, a no, or the list of what may be sent."""
    can_send = participant.get("info", {}).get("permissions", {}).get("canSend")
    return "microphone" in can_send if isinstance(can_send, list) else can_send is not False


def _was_lost(participant: Mapping[str, Any], reason: str) -> bool:
    """Whether a participant's connection died rather than that they hung up.

    Daily's only other reason is `hidden`: present without presence, who may be shown again. It says
    `leftCall` of those whose connection timed out as well; their audio was interrupted before.
    """
    microphone = participant.get("media", {}).get("microphone", {})
    return reason != "leftCall" or microphone.get("state") == "interrupted"
