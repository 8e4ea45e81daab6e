"""What a bot is called with: Pipecat's runner arguments for the room of this call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipecat.runner.types import (
    DailyRunnerArguments,
    LiveKitRunnerArguments,
    RunnerArguments,
    SmallWebRTCRunnerArguments,
)

from podline.runner.room.grants import granted
from podline.runner.settings import DailyRoomAccess, LiveKitRoomAccess, RunnerSettings

if TYPE_CHECKING:
    from podline.runner.room.webrtc import Peer


async def runner_arguments(settings: RunnerSettings, peer: Peer | None) -> RunnerArguments:
    """Return the arguments of this call's bot; over SmallWebRTC, once the caller has offered.

    Signals and idle time are the runner's, so the bot is asked to handle neither.
    """
    call: dict[str, Any] = {"body": settings.body, "session_id": settings.session_id}
    arguments: RunnerArguments
    match settings.room:
        case DailyRoomAccess(url=url, token=token):
            arguments = DailyRunnerArguments(room_url=url, token=token, **call)
        case LiveKitRoomAccess(url=url, token=token):
            name = str(granted(token).get("room"))
            arguments = LiveKitRunnerArguments(room_name=name, url=url, token=token, **call)
        case None if peer is not None:
            await peer.offered.wait()
            arguments = SmallWebRTCRunnerArguments(webrtc_connection=peer.connection, **call)
        case _:
            raise ValueError("a call without a room needs a peer")
    arguments.pipeline_idle_timeout_secs = None
    return arguments
