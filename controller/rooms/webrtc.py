"""SmallWebRTC: no provider and no room. The caller's offer goes by the controller to the bot."""

from controller.errors import InvalidRequest
from controller.rooms import Room
from controller.tokens import Signer
from protocol import environment


class WebRtcRooms:
    """Each session is its own room: the address for its offers, and a bearer token for that address."""

    provider = "webrtc"

    def __init__(self, public_url: str, signer: Signer) -> None:
        self._public_url = public_url.rstrip("/")
        self._signer = signer

    async def open(self, session_id: str, *, lifetime_seconds: float) -> Room:  # noqa: ARG002 - nothing to expire
        return self._room(session_id, self._signer.offer_token(session_id))

    def bring(self, session_id: str, url: str, token: str) -> Room:  # noqa: ARG002 - offers need no bot's token
        """A caller can only bring the address that the session has anyway.

        Raises:
            InvalidRequest: it is another address.
        """
        room = self._room(session_id, None)
        if url != room.url:
            raise InvalidRequest(
                "This controller meets callers over WebRTC, where a session is its own room. "
                f"Leave the room out, or give {room.url} as its url."
            )
        return room

    async def enter_again(self, session_id: str, url: str | None, *, is_brought: bool) -> Room:  # noqa: ARG002 - the bot has no token here
        return self._room(session_id, None)

    async def admit(self, session_id: str, url: str) -> str | None:  # noqa: ARG002 - there is one url
        return self._signer.offer_token(session_id)

    async def close(self, session_id: str, url: str) -> None:
        """Nothing to close: the bot was the other end, and it is gone."""

    def _room(self, session_id: str, caller_token: str | None) -> Room:
        return Room(
            url=f"{self._public_url}/sessions/{session_id}/api/offer",
            caller_token=caller_token,
            environment={environment.TRANSPORT: self.provider},
            secrets={},
        )
