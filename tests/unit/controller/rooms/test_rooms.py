"""What sessions do with rooms: made, brought, closed, and swept up."""

import asyncio
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.admission import SessionAdmission, SessionLimits
from controller.core.errors import RoomsUnavailable
from controller.core.rooms import Room
from controller.core.runtime import Observation
from controller.core.session import Session
from controller.rooms.names import RoomNames
from controller.runtimes.local.programs import bot_variables
from controller.supervision import launcher
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from controller.supervision.room_keeper import RoomKeeper
from testing.fakes.controllers.runtimes_and_rooms import FakeRooms, secrets_of
from testing.fakes.controllers.sessions import some_session
from testing.fakes.controllers.site import Serve, Site

BROUGHT = {"url": "https://rooms.example/web", "token": "bots-own"}


async def test_a_second_bot_is_not_let_into_a_room_that_has_one(site: Site) -> None:
    await site.start("ana", session_id="first", room=BROUGHT)
    refused = await site.client.post("/v1/sessions", json={"user_id": "bo", "room": BROUGHT})
    older = await site.client.post(
        "/start-agent",
        json={"room_url": BROUGHT["url"], "token": "t", "user_id": "bo", "session_id": "second"},
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "session_conflict")
    assert refused.json()["detail"] == (
        "The bot of session 'first' is already in this room. End that session first, or use another room."
    )
    assert older.status_code == 409
    assert len(site.runtime.launches) == 1


async def test_two_requests_at_once_for_one_room_launch_one_bot(site: Site) -> None:
    answers = await asyncio.gather(
        *(
            site.client.post("/v1/sessions", json={"user_id": user, "room": BROUGHT})
            for user in ("ana", "bo", "cem")
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_the_next_bot_may_come_into_the_room_when_the_former_has_gone(site: Site) -> None:
    await site.start("ana", session_id="first", room=BROUGHT)
    await site.client.delete("/v1/sessions/first")

    session = await site.start("ana", session_id="second", room=BROUGHT)

    assert session["room"] == {"provider": "daily", "url": BROUGHT["url"], "token": None}


async def test_a_brought_room_is_never_closed_and_a_made_one_is(site: Site) -> None:
    await site.start("ana", session_id="brought", room=BROUGHT)
    await site.start("bo", session_id="made")
    for session_id in ("brought", "made"):
        await site.client.delete(f"/v1/sessions/{session_id}")
    await asyncio.sleep(0)

    assert site.rooms.closed == ["https://rooms.example/made"]


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/room",
        "<script>alert(1)</script>",
        "https://rooms.example.evil.example/",
        "x" * 5000,
        "https://rooms.example/\x00",
    ],
)
async def test_a_room_that_is_not_the_providers_gets_no_bot(url: str, site: Site) -> None:
    room = {"url": url, "token": "t"}
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "room": room})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert site.runtime.launches == []


async def test_a_token_as_large_as_a_bomb_gets_no_bot(site: Site) -> None:
    room = {"url": BROUGHT["url"], "token": "t" * 5000}
    answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "room": room})

    assert answer.status_code == 422
    assert "t" * 50 not in answer.text


async def test_daily_callers_are_told_their_room_by_the_names_of_pipecats_client(site: Site) -> None:
    answer = (await site.client.post("/start", json={"transport": "daily"})).json()

    session_id = answer["sessionId"].partition("~")[0]
    assert answer["dailyRoom"] == f"https://rooms.example/{session_id}"
    assert answer["dailyToken"].startswith("caller-token")
    assert set(answer) == {"sessionId", "dailyRoom", "dailyToken"}


async def test_livekit_callers_likewise(serve: Serve) -> None:
    rooms = FakeRooms()
    rooms.provider = "livekit"
    async with serve(rooms=rooms) as site:
        answer = (await site.client.post("/start", json={"transport": "livekit"})).json()

    assert set(answer) == {"sessionId", "url", "token"}


class AwayRooms(FakeRooms):
    """Away when it is first asked for a token to enter again."""

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:
        if self.refusal is None:
            self.refusal = RoomsUnavailable("The provider is away.")
            raise self.refusal
        return await super().enter_again(session, lifetime_seconds=lifetime_seconds)


async def test_a_start_taken_over_waits_for_a_provider_that_is_away(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_PAUSE_SECONDS", 0.0)
    found = some_session(room_url="https://rooms.example/one")
    async with serve(rooms=AwayRooms()) as site:
        await site.runtime.observe(Observation(launch_id=found.launch_id, found=found))
        async with asyncio.timeout(10):
            while not site.runtime.launches:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0)

        assert secrets_of(site.runtime.launch_of(found.id))["DAILY_TOKEN"] == "bot-token-again"
        assert (await site.read(found.id))["phase"] == "starting"


def test_a_bots_process_is_given_no_key_of_a_provider() -> None:
    keys = {"LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s", "DAILY_API_KEY": "d", "LIVEKIT_URL": "ws://a"}

    assert bot_variables(keys) == {}


class SweptRooms(FakeRooms):
    """Keeps what was live at each sweep; `failures` sweeps and closings fail."""

    def __init__(self) -> None:
        super().__init__()
        self.sweeps: asyncio.Queue[set[str]] = asyncio.Queue()
        self.failures = 0

    async def sweep(self, live: Collection[str]) -> int:
        self.sweeps.put_nowait(set(live))
        self._fail()
        return 1

    async def close(self, session: Session) -> None:
        self._fail()
        await super().close(session)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise RoomsUnavailable("The provider is away.")


async def test_rooms_are_swept_again_and_again_but_only_while_all_sessions_are_known() -> None:
    rooms, registry = SweptRooms(), SessionRegistry(SessionAdmission(SessionLimits(capacity=5, per_user=5)))
    reason: list[str] = ["Not all Jobs are listed yet."]
    registry.add(Record(some_session("live", room_url="https://rooms.example/live"), 0.0), now=0.0)
    keeper = RoomKeeper(rooms, registry, lambda: reason[0] if reason else None, sweep_seconds=0.001)
    running = asyncio.create_task(keeper.run())
    rooms.failures = 1

    await asyncio.sleep(0.05)
    assert rooms.sweeps.empty()
    reason.clear()
    async with asyncio.timeout(10):
        assert [await rooms.sweeps.get() for _ in range(3)] == [{"live"}] * 3
    running.cancel()
    await asyncio.wait([running])

    assert rooms.is_closed


async def test_a_room_that_can_not_be_closed_takes_nothing_along(caplog: pytest.LogCaptureFixture) -> None:
    rooms = SweptRooms()
    registry = SessionRegistry(SessionAdmission(SessionLimits(capacity=5, per_user=5)))
    keeper = RoomKeeper(rooms, registry, lambda: None)
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(0)
    rooms.failures = 1

    keeper.close(some_session("one", room_url="https://rooms.example/one"))
    await keeper.finish()
    keeper.close(some_session("two", room_url="https://rooms.example/two"))
    await keeper.finish()
    running.cancel()
    await asyncio.wait([running])

    assert rooms.closed == ["https://rooms.example/two"]
    assert "room not closed, it will be swept up" in caplog.text


@given(st.text(alphabet="abcdef0123456789-", min_size=1, max_size=36), st.text(max_size=60))
def test_a_room_is_told_by_its_name_to_be_ours_and_whose(launch_id: str, other: str) -> None:
    ours, theirs = RoomNames(lambda: "0123456789"), RoomNames(lambda: "abcdef0123")

    assert ours.launch(ours.of(launch_id)) == launch_id
    assert theirs.launch(ours.of(launch_id)) is None
    assert ours.launch(other) is None or other.startswith("podline-0123456789-")
    assert all(each.is_of_any_session(ours.of(launch_id)) for each in (ours, theirs))
    assert not ours.is_of_any_session(other) or other.startswith("podline-")


@pytest.mark.parametrize(
    "name", ["podline", "podline-0123456789", "podline-0123456789-", "podline-shop-1", "x-0123456789-1", ""]
)
def test_a_room_of_someone_elses_making_is_no_sessions(name: str) -> None:
    names = RoomNames(lambda: "0123456789")

    assert names.launch(name) is None
    assert not names.is_of_any_session(name)
