"""Which of a caller's tracks the bot hears in a LiveKit room, and what it does when it hears none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.rtc import TrackKind, TrackSource

from podline.runner.room.livekit_call import LiveKitCall
from podline.runner.room.livekit_tracks import MOST_REQUESTS, CallerReception, track_to_hear
from podline.runner.settings import LiveKitRoomAccess
from testing.fakes.controllers.clockwork import at_once, at_once_with_sockets
from tests.unit.podline.runner.room.test_daily import Observed
from tests.unit.podline.runner.room.test_livekit import FakeRoom, Somebody


@dataclass
class Publication:
    """A track in a room. It is delivered when it is requested, unless `is_refused`."""

    name: str
    kind: int = TrackKind.KIND_AUDIO
    source: int = TrackSource.SOURCE_MICROPHONE
    muted: bool = False
    is_refused: bool = False
    track: object | None = None
    requests: int = 0

    def __post_init__(self) -> None:
        self._deliver()

    def set_subscribed(self, is_wanted: bool) -> None:  # noqa: FBT001 - LiveKit's
        self.track = None
        if is_wanted:
            self.requests += 1
            self._deliver()

    def _deliver(self) -> None:
        self.track = None if self.is_refused else f"track of {self.name}"


class Someone(Somebody):
    """A participant of a room, who publishes these tracks."""

    def __init__(self, identity: str, *published: Publication) -> None:
        super().__init__(identity)
        self.track_publications = {each.name: each for each in published}


def heard_of(*published: Publication) -> str | None:
    chosen = track_to_hear(cast("rtc.RemoteParticipant", Someone("ana", *published)))
    return None if chosen is None else cast("Publication", chosen).name


@pytest.mark.parametrize(
    ("published", "heard"),
    [
        ([], None),
        ([Publication("first"), Publication("second")], "second"),
        ([Publication("first"), Publication("second", is_refused=True)], "first"),
        ([Publication("mic"), Publication("screen", source=TrackSource.SOURCE_SCREENSHARE_AUDIO)], "mic"),
        ([Publication("phone", source=TrackSource.SOURCE_UNKNOWN)], "phone"),
        ([Publication("camera", kind=TrackKind.KIND_VIDEO)], None),
        ([Publication("first", is_refused=True)], None),
    ],
)
def test_the_latest_microphone_that_is_delivered_is_heard(
    published: list[Publication], heard: str | None
) -> None:
    assert heard_of(*published) == heard


def test_without_a_participant_there_is_no_track() -> None:
    assert track_to_hear(None) is None


class Listening:
    """A watch over a caller's tracks, and what it gave up for."""

    def __init__(self, *published: Publication) -> None:
        self.caller: Someone | None = Someone("ana", *published)
        self.lost: list[str] = []
        self.reception = CallerReception(
            lambda: cast("rtc.RemoteParticipant | None", self.caller), self.lost.append
        )
        self.reception.start()


@at_once
async def test_a_track_that_is_never_delivered_is_requested_again_and_then_the_room_is_lost() -> None:
    refused = Publication("mic", is_refused=True)
    listening = Listening(refused)
    await asyncio.sleep(60)

    assert refused.requests == MOST_REQUESTS
    assert listening.lost == ["LiveKit's server does not deliver the caller's microphone to the bot"]


@at_once
async def test_a_track_that_falls_silent_is_requested_again_and_lost_if_it_is_refused_then() -> None:
    track = Publication("mic")
    listening = Listening(track)
    for _ in range(20):
        listening.reception.heard()
        await asyncio.sleep(0.5)
    assert track.requests == 0
    track.is_refused = True
    await asyncio.sleep(12)

    assert track.requests == 1 + MOST_REQUESTS
    assert len(listening.lost) == 1


@at_once
async def test_a_track_that_is_delivered_without_a_sound_is_the_callers_trouble_and_loses_nothing() -> None:
    track = Publication("mic")
    listening = Listening(track)
    await asyncio.sleep(60)

    assert 10 < track.requests < 40
    assert listening.lost == []


@at_once
async def test_a_track_that_is_delivered_at_last_is_lost_only_after_as_many_requests_again() -> None:
    track = Publication("mic", is_refused=True)
    listening = Listening(track)
    await asyncio.sleep(8)
    assert track.requests == MOST_REQUESTS
    track.is_refused = False
    listening.reception.heard()
    await asyncio.sleep(1)
    track.track, track.is_refused = None, True
    await asyncio.sleep(5)
    assert listening.lost == []

    await asyncio.sleep(10)
    assert len(listening.lost) == 1


@pytest.mark.parametrize(
    "quiet",
    [
        lambda listening: setattr(listening, "caller", None),
        lambda listening: listening.caller.track_publications.clear(),
        lambda listening: setattr(listening.caller.track_publications["mic"], "muted", True),
        lambda listening: setattr(listening.caller.track_publications["mic"], "kind", TrackKind.KIND_VIDEO),
        lambda listening: listening.reception.stop(),
    ],
    ids=["nobody", "no track", "muted", "video only", "stopped"],
)
@at_once_with_sockets
async def test_nothing_is_missed_of_a_caller_who_sends_no_sound(quiet: Callable[[Listening], None]) -> None:
    track = Publication("mic", is_refused=True)
    listening = Listening(track)
    quiet(listening)
    await asyncio.sleep(60)

    assert (track.requests, listening.lost) == (0, [])


def call_with(publication: Publication) -> tuple[LiveKitCall, Observed]:
    """Return a bot's call with a caller who publishes this track."""
    presence = Observed()
    call = LiveKitCall(LiveKitRoomAccess("ws://livekit", "h.p.s"), presence)
    room = FakeRoom({"ana": cast("Any", Someone("ana", publication))})
    call.follow(cast("rtc.Room", room))
    call.joined()
    return call, presence


@at_once
async def test_a_caller_whom_the_bot_itself_does_not_want_to_hear_is_not_missed() -> None:
    call, presence = call_with(Publication("mic", is_refused=True))
    call.mute("ana")
    await asyncio.sleep(60)
    assert presence.rest() == ["joined", "caller joined"]

    call.unmute("ana")
    await asyncio.sleep(60)
    [lost] = presence.rest()
    assert lost.startswith("room_lost: ")
    assert lost.endswith("LiveKit's server does not deliver the caller's microphone to the bot.")


@at_once
async def test_nobody_is_missed_while_the_bot_leaves() -> None:
    publication = Publication("mic", is_refused=True)
    call, presence = call_with(publication)
    call.leaving()
    await asyncio.sleep(60)

    assert presence.rest() == ["joined", "caller joined"]
    assert publication.requests == 0
