"""The bot's presence in a LiveKit room: who the caller is, when they have gone, and when the room is lost."""

from typing import TYPE_CHECKING, Any, Final

from podline.extras import optional
from podline.runner.room.grants import missing_permission
from podline.runner.room.livekit_tracks import CallerReception
from podline.runner.room.membership import Membership
from podline.runner.room.protocols import Presence
from podline.runner.settings import LiveKitRoomAccess

if TYPE_CHECKING:
    from livekit import rtc
else:
    rtc = optional("livekit", "livekit.rtc")

RECOVERY_SECONDS: Final = 10.0
"""How long the connection may be interrupted. LiveKit's client tries for 21 s to reconnect."""

_CALLERS: Final = (rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD, rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
"""The kinds of participants that are people. Others are recorders, streams and bots."""

_CAUSES: Final = {
    rtc.DisconnectReason.DUPLICATE_IDENTITY: "somebody else joined as the bot, with its identity",
    rtc.DisconnectReason.SERVER_SHUTDOWN: "LiveKit's server shut down",
    rtc.DisconnectReason.PARTICIPANT_REMOVED: "somebody removed the bot",
    rtc.DisconnectReason.ROOM_DELETED: "somebody deleted the room",
    rtc.DisconnectReason.ROOM_CLOSED: "LiveKit closed the room",
}


class LiveKitCall:
    """Translates LiveKit's events for `Presence`.

    The first person to join is the caller. Others may join and leave. Once the caller has left, the next to
    join is the caller. A participant who joins with the caller's identity replaces the caller.
    """

    def __init__(self, room: LiveKitRoomAccess, presence: Presence) -> None:
        self._presence = presence
        self._membership = Membership("LiveKit", "LiveKit's server", room.token, presence)
        self._reception = CallerReception(self._heard_caller, self._membership.lose)
        self._unheard: set[str] = set()
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
            self._reception.start()
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
        self._reception.stop()
        if self._has_joined:
            self._membership.lose(_CAUSES.get(reason, "the connection to LiveKit's server ended"))

    def mute(self, identity: str) -> None:
        """Note that the bot itself does not want to hear this participant."""
        self._unheard.add(identity)

    def unmute(self, identity: str) -> None:
        self._unheard.discard(identity)

    def heard(self, identity: str) -> None:
        """Note that a frame of this participant's has arrived."""
        if self.is_caller(identity):
            self._reception.heard()

    def leaving(self) -> None:
        self._reception.stop()
        self._membership.finish()

    def refused(self, words: str, remedy: str) -> None:
        self._membership.refuse(words, remedy)

    def _heard_caller(self) -> "rtc.RemoteParticipant | None":
        """Return the caller, whose tracks the bot should receive; None if it should receive none now."""
        if self._caller is None or self._caller in self._unheard:
            return None
        if self._membership.is_over or self._membership.is_interrupted:
            return None
        return self._room.remote_participants.get(self._caller)

    def _miss_caller(self, *, abruptly: bool) -> None:
        self._caller = None
        self._presence.caller_left(abruptly=abruptly)


def _was_lost(participant: rtc.RemoteParticipant) -> bool:
    """Return whether a participant may return: their connection died, or a web app removed it.

    Apps remove a connection that they take for dead, then the caller joins again with another token.
    """
    return participant.disconnect_reason != rtc.DisconnectReason.CLIENT_INITIATED
