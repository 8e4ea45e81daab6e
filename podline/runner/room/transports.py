"""The caller's room for the bot: Pipecat's transport of its kind is prepared before the bot is imported."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from loguru import logger

from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.settings import DailyRoomAccess, LiveKitRoomAccess, RunnerSettings

if TYPE_CHECKING:
    from podline.runner.room.webrtc import Peer


def prepare_transport(settings: RunnerSettings, meeting: CallerMeeting) -> Peer | None:
    """Prepare Pipecat's transport for this call's room; without a room, return the caller's peer.

    A bot imports the class by its name in Pipecat, so it has to be another before that.

    Raises:
        ConfigInvalid: The extra of Pipecat that the room needs is missing.
    """
    match settings.room:
        case DailyRoomAccess() as daily_room:
            from podline.runner.room.daily import use_daily  # noqa: PLC0415

            use_daily(daily_room, meeting)
            return None
        case LiveKitRoomAccess() as livekit_room:
            from podline.runner.room.livekit import use_livekit  # noqa: PLC0415

            use_livekit(livekit_room, meeting)
            return None
        case None:
            from podline.runner.room.steady_webrtc import keep_steady_time  # noqa: PLC0415
            from podline.runner.room.webrtc import Peer, use_peer  # noqa: PLC0415

            keep_steady_time()
            peer = Peer(
                meeting,
                settings.ice_servers,
                refuse_private_candidates=settings.refuse_private_candidates,
            )
            use_peer(peer, meeting)
            return peer


def expect_any_transport() -> None:
    """Prepare Pipecat's transport of every kind that is installed: the call's room isn't known yet.

    One that can't be imported is left out. If it is the call's, the call ends as if it had been known before.
    """
    for package, expect in (("daily", _daily), ("livekit.rtc", _livekit), ("aiortc", _peer)):
        if _is_installed(package):
            try:
                expect()
            except Exception as error:  # noqa: BLE001 - packages of others may raise anything
                logger.opt(exception=error).warning("a transport can't be prepared", package=package)


def _is_installed(package: str) -> bool:
    # Pipecat logs an error for each that is not.
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _daily() -> None:
    from podline.runner.room.daily import expect_daily  # noqa: PLC0415

    expect_daily()


def _livekit() -> None:
    from podline.runner.room.livekit import expect_livekit  # noqa: PLC0415

    expect_livekit()


def _peer() -> None:
    from podline.runner.room.webrtc import expect_peer  # noqa: PLC0415

    expect_peer()
