"""A bot that meets its caller as the real one does, by the real channel, inbox and peer, and says nothing.

It needs no model and no store, so it is there in the time that its imports take.
"""

import asyncio
import os
import time

import aiohttp
from pipecat.transports.base_transport import TransportParams

from podline.contract import environment as env
from podline.errors import BotError
from podline.runner.channel.client import ControllerClient
from podline.runner.channel.inbox import InboxReader
from podline.runner.channel.outbox import Outbox
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.webrtc import Peer, PeerTransport
from podline.runner.settings import Channel
from testing.callers.client_messages import unhurried_messages


class MeetingPresence:
    """Reports that the caller has come, and takes no notice of more."""

    def __init__(self, ledger: Outbox) -> None:
        self._ledger = ledger

    def joined(self) -> None: ...
    def caller_joined(self) -> None:
        self._ledger.mark("caller_joined")

    def caller_left(self, *, abruptly: bool) -> None: ...
    def room_failed(self, error: BotError) -> None: ...


async def meet() -> None:
    """Answer offers until a stop comes."""
    began = time.monotonic()
    ledger = Outbox(lambda: time.monotonic() - began)
    ledger.mark("process_up")
    channel = Channel(os.environ[env.CONTROLLER_URL], os.environ[env.LAUNCH_ID], os.environ[env.LAUNCH_TOKEN])
    meeting = CallerMeeting(MeetingPresence(ledger), unhurried_messages())
    peer = Peer(meeting, refuse_private_candidates=os.environ.get(env.REFUSE_PRIVATE_CANDIDATES) == "true")
    # It tells the peer at once that a caller has come or gone.
    PeerTransport(
        peer, meeting, peer.connection, TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    )
    await peer.connection.connect()  # as the pipeline does that isn't here
    stopped = asyncio.Event()
    async with aiohttp.ClientSession() as http, ControllerClient(ledger, channel, http) as controller:
        ledger.mark("joined")
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(InboxReader(controller, peer, lambda _stop: stopped.set()).run()),
                tasks.create_task(peer.watch()),
            ]
            await stopped.wait()
            for each in working:
                each.cancel()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(meet())
