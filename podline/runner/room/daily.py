"""The bot in a Daily room: who the caller is there, when they have gone, and when the room is lost."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pipecat.frames.frames import InputAudioRawFrame, UserAudioRawFrame

from podline.extras import optional, require
from podline.runner.room.caller_meeting import CallerMeeting, replace_transport
from podline.runner.room.client_events import ToldOfCaller
from podline.runner.room.membership import Membership
from podline.runner.room.protocols import PARAMS, Presence
from podline.runner.settings import DailyRoomAccess

if TYPE_CHECKING:
    from pipecat.transports.daily import transport as pipecat_daily
else:
    pipecat_daily = optional("daily", "pipecat.transports.daily.transport")


JOIN_SECONDS: Final = 15.0
"""How long joining may take. Daily's client itself tries for 19 s without a network, and Pipecat stops a
processor's setup after 20 s without naming the processor."""

RECOVERY_SECONDS: Final = 15.0
"""How long a connection to Daily may be interrupted. Its client reconnects by itself, or never reports."""


def expect_daily() -> None:
    """Have a bot that is imported before its call is known import the class that will know the call.

    Raises:
        ConfigInvalid: The extra of Pipecat that a Daily room needs is missing.
    """
    require(pipecat_daily)
    replace_transport(pipecat_daily, "DailyTransport", DailyCallerTransport)


def use_daily(room: DailyRoomAccess, meeting: CallerMeeting) -> None:
    """Have whoever makes Pipecat's transport for this room get one that knows the call.

    Raises:
        ConfigInvalid: The extra of Pipecat that this room needs is missing.
    """
    require(pipecat_daily)
    replace_transport(pipecat_daily, "DailyTransport", DailyCallerTransport, room, meeting)


class DailyCall:
    """Translates Daily's events for `Presence`.

    The first to join is the caller, whatever their role, because in a brought room everybody may have an
    owner's token. Others may join and leave. Once the caller has left, the next to join is the caller: to
    Daily, a returning caller is a new participant.

    Its methods take what Pipecat's `DailyTransport` gives the handlers of its events.
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
        """Return whether this is certainly someone else: a message may arrive before its sender's join."""
        return self._caller is not None and not self.is_caller(participant_id)

    def joined(self, data: Mapping[str, Any]) -> None:
        if self._membership.is_over:
            return
        self._joining.cancel()
        self._has_joined = True
        if _may_speak(data.get("participants", {}).get("local", {})):
            self._presence.joined()
        else:
            self._membership.refuse(
                "the token does not allow it to send audio", "set DAILY_TOKEN to one that does"
            )

    def participant_joined(self, participant: Mapping[str, Any]) -> None:
        if self._caller is None:
            self._caller = participant["id"]
            self._presence.caller_joined()

    def participant_left(self, participant: Mapping[str, Any], reason: str) -> None:
        if self.is_caller(participant["id"]):
            self._caller = None
            self._presence.caller_left(abruptly=_was_lost(participant, reason))

    def participant_updated(self, participant: Mapping[str, Any]) -> None:
        if participant.get("info", {}).get("isLocal") and not _may_speak(participant):
            self._membership.lose("someone revoked the bot's permission to speak")

    def connection_changed(self, status: Mapping[str, Any]) -> None:
        """Note the state of one connection: signalling and each direction's transport report separately."""
        connection = str(status.get("connection"))
        if status.get("event") == "interrupted":
            self._interrupted.add(connection)
        else:
            self._interrupted.discard(connection)
        if self._interrupted:
            self._membership.interrupted(RECOVERY_SECONDS)
        else:
            self._membership.recovered()

    def state_changed(self, state: str) -> None:
        """Note the call's state: `left` without our leaving means ejection, or the end of the room."""
        if state == "left":
            self._membership.lose(self._last_error() or "Daily ended the call for the bot")

    def leaving(self) -> None:
        self._joining.cancel()
        self._membership.finish()

    def failed(self, error: str) -> None:
        """Treat an error before the join as a refusal; later the call's state shows what it means."""
        if not self._has_joined:
            words = self._last_error() or error.removeprefix(f"Error joining {self._room.url}: ")
            self._membership.refuse(
                words, "check DAILY_ROOM_URL and DAILY_TOKEN, and whether they have expired"
            )

    def _give_up_joining(self) -> None:
        words = f"it did not answer within {JOIN_SECONDS:g} seconds"
        self._membership.refuse(words, "check the network and DAILY_ROOM_URL")


class DailyCallerTransport(ToldOfCaller, pipecat_daily.DailyTransport):
    """Pipecat's transport, which hears only the caller and keeps Daily's error messages."""

    def __init__(
        self,
        room: DailyRoomAccess,
        meeting: CallerMeeting,
        room_url: str,
        token: str | None,
        bot_name: str,
        params: pipecat_daily.DailyParams | None = None,
        *names: Any,
        **named: Any,
    ) -> None:
        params = (params or pipecat_daily.DailyParams()).model_copy(update=PARAMS)
        super().__init__(room_url, token, bot_name, params, *names, **named)
        self.last_error = ""
        self.client_events = meeting.events
        self.call = call = DailyCall(room, meeting.presence, lambda: self.last_error)
        self._messages = meeting.messages
        self._noted: dict[str, Callable[..., None]] = {
            "on_joined": call.joined,
            "on_participant_joined": call.participant_joined,
            "on_participant_left": call.participant_left,
            "on_participant_updated": call.participant_updated,
            "on_network_connection_status_updated": call.connection_changed,
            "on_call_state_updated": call.state_changed,
            "on_before_leave": call.leaving,
            "on_error": call.failed,
        }
        # Daily's client reports here why it ends a call, but Pipecat's client does not listen.
        self._client.on_error = self._keep_error  # type: ignore[method-assign]

    def input(self) -> pipecat_daily.DailyInputTransport:
        if self._input is None:
            self._input = _DailyCallerInput(self, self._client, self._params, name=self._input_name)
        return self._input

    def note_event(self, event: str, *args: Any) -> None:
        note = self._noted.get(event)
        if note is not None:
            note(*args)

    def concerns_caller(self, client: Any) -> bool:
        return not isinstance(client, Mapping) or not self.call.is_stranger(str(client.get("id")))

    async def _on_app_message(self, message: Any, sender: str) -> None:
        if not self.call.is_stranger(sender):
            taken = await self._messages.take_parsed(message)
            if taken is not None:
                await super()._on_app_message(taken, sender)

    def _keep_error(self, message: str) -> None:
        # Called from one of Daily's threads; a failed request is reported again, as Rust prints it.
        if not message.startswith("Error handling "):
            self.last_error = message


class _DailyCallerInput(pipecat_daily.DailyInputTransport):
    """Passes on only the caller's audio: interleaved frames of two speakers are not intelligible."""

    _transport: DailyCallerTransport

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        if isinstance(frame, UserAudioRawFrame) and self._transport.call.is_caller(frame.user_id):
            await super().push_audio_frame(frame)


def _may_speak(participant: Mapping[str, Any]) -> bool:
    """Return whether a participant may send audio: `canSend` is a boolean or a list of what may be sent."""
    can_send = participant.get("info", {}).get("permissions", {}).get("canSend")
    return "microphone" in can_send if isinstance(can_send, list) else can_send is not False


def _was_lost(participant: Mapping[str, Any], reason: str) -> bool:
    """Return whether a participant's connection died, as opposed to hanging up.

    Daily's only other reason is `hidden`: a participant without presence, who may be shown again. It also
    reports `leftCall` for those whose connection timed out; their audio was interrupted before.
    """
    microphone = participant.get("media", {}).get("microphone", {})
    return reason != "leftCall" or microphone.get("state") == "interrupted"
