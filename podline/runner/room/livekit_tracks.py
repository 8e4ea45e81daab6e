"""The caller's tracks in a LiveKit room: the one that the bot hears, and what happens if it hears none."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from loguru import logger

from podline.extras import optional
from podline.timer import Timer

if TYPE_CHECKING:
    from livekit import rtc
else:
    rtc = optional("livekit", "livekit.rtc")

RECEPTION_SECONDS: Final = 2.0
"""How long no frame of a published track may arrive. On a working connection the first takes 0.2 s, and then
one arrives every 10 ms, even if the caller is silent."""

MOST_REQUESTS: Final = 3
"""How often LiveKit may leave a requested track undelivered before the room counts as lost."""


def track_to_hear(participant: "rtc.RemoteParticipant | None") -> "rtc.RemoteTrackPublication | None":
    """Return the latest audio track that is delivered, a microphone rather than another; None without one."""
    delivered = [each for each in _audio(participant) if each.track is not None]
    microphones = [each for each in delivered if each.source == rtc.TrackSource.SOURCE_MICROPHONE]
    return next(reversed(microphones or delivered), None)


class CallerReception:
    """Watches that sound arrives from a caller who sends it. If none does, it subscribes again, or gives up.

    LiveKit reports a failed subscription in several ways, and one that the caller's permissions end not at
    all. So what counts is whether frames arrive. If LiveKit delivers a track again without any frame, the
    caller's own network is gone, which LiveKit notices; if it does not deliver the track, the room is lost.
    """

    def __init__(
        self,
        caller: "Callable[[], rtc.RemoteParticipant | None]",
        lost: Callable[[str], None],
        seconds: float = RECEPTION_SECONDS,
    ) -> None:
        """Watch nothing yet.

        Args:
            caller: returns the caller; None while nobody has to be heard.
            lost: is called with the cause, as part of a sentence, if the caller can't be heard.
            seconds: how long nothing may arrive, and how long each request may take.
        """
        self._caller = caller
        self._lost = lost
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._check = Timer()
        self._has_heard = False
        self._silent_since: float | None = None
        self._undelivered = 0

    def heard(self) -> None:
        """Note that a frame of the caller's has arrived."""
        self._has_heard = True

    def start(self) -> None:
        """Look at regular intervals from now on."""
        self._check.start(self._seconds / 4, self._look)

    def stop(self) -> None:
        self._check.cancel()

    def _look(self) -> None:
        self.start()
        tracks = [each for each in _audio(self._caller()) if not each.muted]
        if self._has_heard or not tracks:
            self._has_heard = False
            self._silent_since = None
            self._undelivered = 0
        elif self._silent_since is None:
            self._silent_since = self._loop.time()
        elif self._loop.time() - self._silent_since >= self._seconds:
            self._silent_since = self._loop.time()
            self._request_again(tracks)

    def _request_again(self, tracks: "list[rtc.RemoteTrackPublication]") -> None:
        if all(each.track is None for each in tracks):
            self._undelivered += 1
            if self._undelivered > MOST_REQUESTS:
                self.stop()
                self._lost("LiveKit's server does not deliver the caller's microphone to the bot")
                return
        logger.warning("caller's track not received, requested again")
        for each in tracks:
            each.set_subscribed(False)
            each.set_subscribed(True)


def _audio(participant: "rtc.RemoteParticipant | None") -> "list[rtc.RemoteTrackPublication]":
    """Return a participant's audio tracks, the latest last."""
    if participant is None:
        return []
    tracks = participant.track_publications.values()
    return [each for each in tracks if each.kind == rtc.TrackKind.KIND_AUDIO]
