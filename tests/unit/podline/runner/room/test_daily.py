"""A bot in a Daily room: Pipecat's own transport over a fake of Daily's native client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from pipecat.frames.frames import Frame, InputTransportMessageFrame, UserAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.daily.transport import DailyParams
from pipecat.workers.runner import WorkerRunner

from podline.errors import BotError
from podline.runner.room import daily
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.daily import DailyCallerTransport
from podline.runner.settings import DailyRoomAccess
from testing.callers.client_messages import typed, unhurried_messages
from testing.fakes.bots.daily_native import BOT_ID, NativeRoom, install, participant

PATIENCE_SECONDS: Final = 40.0
"""Pipecat, cancelled in the middle of a join, has been seen to take 13 s, and stops a setup after 20."""
SETTINGS = DailyRoomAccess("https://example.daily.co/room", "bots-token")


class Observed:
    """A presence that records each call."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[str] = asyncio.Queue()

    def joined(self) -> None:
        self._told.put_nowait("joined")

    def caller_joined(self) -> None:
        self._told.put_nowait("caller joined")

    def caller_left(self, *, abruptly: bool) -> None:
        self._told.put_nowait("caller lost" if abruptly else "caller left")

    def room_failed(self, error: BotError) -> None:
        self._told.put_nowait(str(error))

    async def next(self) -> str:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._told.get()

    def rest(self) -> list[str]:
        rest = []
        while not self._told.empty():
            rest.append(self._told.get_nowait())
        return rest


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> NativeRoom:
    return install(monkeypatch)


class Ears(FrameProcessor):
    """Keeps the audio that the pipeline hears, and the messages it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.read: asyncio.Queue[object] = asyncio.Queue()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, UserAudioRawFrame):
            self.heard.put_nowait(frame.audio)
        if isinstance(frame, InputTransportMessageFrame):
            self.read.put_nowait(frame.message)
        await self.push_frame(frame, direction)


class Bot:
    """A pipeline that does nothing but be in the room."""

    def __init__(self) -> None:
        self.presence = Observed()
        self.ears = Ears()
        transport = DailyCallerTransport(
            SETTINGS,
            CallerMeeting(self.presence, unhurried_messages()),
            SETTINGS.url,
            SETTINGS.token,
            "Bot",
            DailyParams(audio_in_enabled=True, audio_out_enabled=True),
        )
        self.worker = PipelineWorker(Pipeline([transport.input(), self.ears, transport.output()]))

    async def run(self) -> None:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        await runner.run()


@asynccontextmanager
async def running_bot() -> AsyncIterator[Bot]:
    bot = Bot()
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        tasks.create_task(bot.run())
        yield bot
        await bot.worker.cancel()


@asynccontextmanager
async def bot_with_caller(room: NativeRoom) -> AsyncIterator[Bot]:
    """A bot that a caller named Ana has come to."""
    async with running_bot() as bot:
        assert await bot.presence.next() == "joined"
        room.enter("ana")
        assert await bot.presence.next() == "caller joined"
        yield bot


async def test_a_caller_who_waits_in_the_room_is_met_when_the_bot_joins(room: NativeRoom) -> None:
    room.present.append("ana")
    async with running_bot() as bot:
        assert [await bot.presence.next(), await bot.presence.next()] == ["joined", "caller joined"]


async def test_a_refused_join_is_told_at_once_in_dailys_own_words(room: NativeRoom) -> None:
    room.refusal = "Room does not exist."
    async with running_bot() as bot:
        assert await bot.presence.next() == (
            "room_refused: Daily did not let the bot in: Room does not exist; "
            "check DAILY_ROOM_URL and DAILY_TOKEN, and whether they have expired."
        )
    assert bot.presence.rest() == []


async def test_a_refusal_that_repeats_the_token_keeps_it_from_the_message(room: NativeRoom) -> None:
    room.refusal = f"Meeting token {SETTINGS.token}\nhas expired"
    async with running_bot() as bot:
        assert "Meeting token ... has expired; check" in await bot.presence.next()


async def test_a_join_that_is_never_answered_is_given_up(
    room: NativeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "JOIN_SECONDS", 0.05)
    room.answers = False
    async with running_bot() as bot:
        assert await bot.presence.next() == (
            "room_refused: Daily did not let the bot in: it did not answer within 0.05 seconds; "
            "check the network and DAILY_ROOM_URL."
        )


@pytest.mark.parametrize("can_send", [True, None, ["camera", "microphone"]])
async def test_a_token_that_lets_the_bot_speak_is_taken(room: NativeRoom, can_send: object) -> None:
    room.can_send = can_send
    async with running_bot() as bot:
        assert await bot.presence.next() == "joined"


@pytest.mark.parametrize("can_send", [False, [], ["camera"]])
async def test_a_token_that_leaves_the_bot_mute_is_refused(room: NativeRoom, can_send: object) -> None:
    room.can_send = can_send
    async with running_bot() as bot:
        assert await bot.presence.next() == (
            "room_refused: Daily did not let the bot in: the token does not allow it to send audio; "
            "set DAILY_TOKEN to one that does."
        )


async def test_a_caller_who_hangs_up_has_left(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        room.leave("ana")
        assert await bot.presence.next() == "caller left"


@pytest.mark.parametrize(("reason", "microphone"), [("leftCall", "interrupted"), ("hidden", "playable")])
async def test_a_caller_whose_connection_died_is_lost_and_may_come_back(
    room: NativeRoom, reason: str, microphone: str
) -> None:
    async with bot_with_caller(room) as bot:
        room.leave("ana", reason, microphone=microphone)
        assert await bot.presence.next() == "caller lost"
        room.enter("ana again")
        assert await bot.presence.next() == "caller joined"
        room.leave("ana again")
        assert await bot.presence.next() == "caller left"


async def test_others_in_the_room_come_and_go_without_ending_the_call(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        room.enter("bo")
        room.leave("bo")
        room.leave("ana")
        assert await bot.presence.next() == "caller left"


async def test_only_the_caller_is_heard_also_after_coming_back(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        room.enter("bo")
        room.leave("ana", microphone="interrupted")
        room.enter("ana again")
        assert [await bot.presence.next(), await bot.presence.next()] == ["caller lost", "caller joined"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            room.speak("bo", b"bo" * 320)
            room.speak("ana again", b"an" * 320)
            assert await bot.ears.heard.get() == b"an" * 320


async def test_what_others_type_is_not_the_callers(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        room.enter("bo")
        room.notify("on_app_message", typed("of bo"), "bo")
        room.notify("on_app_message", typed("of ana"), "ana")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await bot.ears.read.get() == typed("of ana")


async def test_what_no_client_of_ours_sends_goes_no_further(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        for message in (
            {"type": "raw-audio"},
            typed("x" * 2_001),
            "text",
            None,
            [typed("in a list")],
            {"a": {1}},
        ):
            room.notify("on_app_message", message, "ana")
        room.notify("on_app_message", {**typed("tea"), "more": "of it"}, "ana")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await bot.ears.read.get() == typed("tea")


@pytest.mark.parametrize("words", ["Meeting has ended", "Meeting token has expired", "You were removed."])
async def test_a_bot_that_daily_puts_out_has_lost_the_room(room: NativeRoom, words: str) -> None:
    async with bot_with_caller(room) as bot:
        room.end(words)
        assert await bot.presence.next() == f"room_lost: The Daily room was lost: {words.rstrip('.')}."
    assert bot.presence.rest() == []


async def test_a_call_that_ends_without_a_word_is_lost_as_well(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        room.notify("on_call_state_updated", "left")
        assert await bot.presence.next() == (
            "room_lost: The Daily room was lost: Daily ended the call for the bot."
        )


async def test_a_bot_that_may_no_longer_speak_has_lost_the_room(room: NativeRoom) -> None:
    async with bot_with_caller(room) as bot:
        room.notify("on_participant_updated", participant("ana", can_send=False))
        room.notify("on_participant_updated", participant(BOT_ID, local=True, can_send=["camera"]))
        assert await bot.presence.next() == (
            "room_lost: The Daily room was lost: someone revoked the bot's permission to speak."
        )


async def test_a_network_that_stays_away_loses_the_room(
    room: NativeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "RECOVERY_SECONDS", 0.1)
    async with bot_with_caller(room) as bot:
        room.network("signalling", "interrupted")
        room.network("recvTransport", "interrupted")
        room.network("signalling", "connected")
        assert await bot.presence.next() == (
            "room_lost: The Daily room was lost: the connection to Daily was interrupted for 0.1 seconds."
        )


async def test_a_network_that_comes_back_loses_nothing(
    room: NativeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "RECOVERY_SECONDS", 0.3)
    async with bot_with_caller(room) as bot:
        room.network("signalling", "interrupted")
        room.network("signalling", "connected")
        await asyncio.sleep(0.6)  # that nothing happens shows only after the time it would have taken
        assert bot.presence.rest() == []


async def test_a_bot_that_has_left_of_its_own_loses_nothing_more(
    room: NativeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "RECOVERY_SECONDS", 0.3)
    async with bot_with_caller(room) as bot:
        room.network("signalling", "interrupted")
        await bot.worker.stop_when_done()
        await asyncio.to_thread(room.bot_has_left.wait)
        await asyncio.sleep(0.6)  # likewise
    assert bot.presence.rest() == []
