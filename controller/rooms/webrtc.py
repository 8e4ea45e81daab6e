"""SmallWebRTC, which needs no provider and no room: the controller relays the caller's offer to the bot."""

from collections.abc import Collection

from controller.core.errors import InvalidRequest
from controller.core.rooms import Room, RoomLoad
from controller.core.session import Session
from controller.core.tokens import Signer
from podline.contract import environment


class WebRtcRooms:
    """Makes each session its own room: an address for its offers, and a bearer token for that address."""

    provider = "webrtc"
    token_is_of_launch = True

    def __init__(self, public_url: str, signer: Signer) -> None:
        self._public_url = public_url.rstrip("/")
        self._signer = signer

    async def open(self, session: Session, *, lifetime_seconds: float) -> Room:  # noqa: ARG002 - nothing to expire
        return self._room(session, self._token(session))

    def bring(self, session: Session, url: str, token: str) -> Room:  # noqa: ARG002 - offers need no bot's token
        """Accept only the session's own address. The caller still needs its token.

        Raises:
            InvalidRequest: it is another address.
        """
        room = self._room(session, self._token(session))
        if url != room.url:
            raise InvalidRequest(
                "This controller meets callers over WebRTC, where a session is its own room. "
                f"Leave the room out, or set its url to {room.url}."
            )
        return room

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:  # noqa: ARG002 - the bot has no token here
        return self._room(session, None)

    async def admit(self, session: Session, *, lifetime_seconds: float) -> str | None:  # noqa: ARG002 - nothing to expire
        return self._token(session)

    async def close(self, session: Session) -> None:
        """Close nothing: the bot was the other end, and it is gone."""

    async def sweep(self, live: Collection[str]) -> int:  # noqa: ARG002 - likewise
        return 0

    def load(self, rooms: int) -> RoomLoad | None:  # noqa: ARG002 - there is no provider
        return None

    async def aclose(self) -> None:
        """Close nothing: there are no connections."""

    def _token(self, session: Session) -> str:
        return self._signer.session_token(session.id, session.launch_id)

    def _room(self, session: Session, caller_token: str | None) -> Room:
        return Room(
            name=session.id,
            url=f"{self._public_url}/sessions/{session.id}/api/offer",
            caller_token=caller_token,
            environment={environment.TRANSPORT: self.provider},
            secrets={},
        )
