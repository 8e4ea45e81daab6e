"""A runtime and rooms that do as a test says and keep what was asked of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from controller.core.errors import (
    ControllerError,
    InvalidRequest,
    NotClaimed,
    RuntimeUnavailable,
    UnknownOutcome,
)
from controller.core.rooms import Room, RoomLoad
from controller.core.runtime import Exit, Launch, Observation
from controller.core.session import Ending, Session
from controller.core.warm import WarmLaunch
from controller.runtimes.observation_queue import ObservationQueue
from podline.contract import environment

INSTALLATION: Final = "0123456789"


class FakeRuntime:
    """Bots that exist by name only. They leave when asked to, unless `stubborn`.

    `refusal` refuses launches, a UnknownOutcome as what it says: with `takes_it_silently` the bot is there.
    `warm_refusal` and `claim_refusal` do so for launches of warm bots and for claims, with
    `takes_it_silently` as for launches; `give_up_refusal` for giving up, which then has no effect.

    Attributes:
        launches: of sessions, claims not among them.
        warm: launches of warm bots.
        claims: the session that each claimed warm bot serves, by launch id.
        given_up: the warm bots that were given up, each time.
    """

    outlives_us = False

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.unseen: dict[str, Session] = {}
        self.stopped: list[str] = []
        self.recorded: list[Session] = []
        self.gone: set[str] = set()
        self.warm: list[WarmLaunch] = []
        self.claims: dict[str, Launch] = {}
        self.given_up: list[str] = []
        self.refusal: Exception | None = None
        self.warm_refusal: RuntimeUnavailable | UnknownOutcome | None = None
        self.claim_refusal: NotClaimed | UnknownOutcome | None = None
        self.give_up_refusal: UnknownOutcome | None = None
        self.takes_it_silently = False
        self.stubborn = False
        self.may_launch = asyncio.Event()
        self.may_launch.set()
        self.may_claim = asyncio.Event()
        self.may_claim.set()
        self._lost = asyncio.Event()
        self._is_watched = False
        self._observations: ObservationQueue[Observation] = ObservationQueue()

    def installation_id(self) -> str:
        return INSTALLATION

    def watch(self) -> AsyncGenerator[Observation, None]:
        self._is_watched = True
        return self._observations.read_during(self._run())

    async def _run(self) -> None:
        await self._lost.wait()
        raise ConnectionError("the runtime is lost")

    def lose(self) -> None:
        """Let watching fail for good."""
        self._lost.set()

    def not_ready_reason(self) -> str | None:
        return None if self._is_watched else "Nobody follows the bots."

    async def look_for(self, launch_id: str) -> None:
        if (unseen := self.unseen.pop(launch_id, None)) is not None:
            await self.observe(Observation(launch_id=launch_id, found=unseen))

    async def launch(self, launch: Launch) -> None:
        await self.may_launch.wait()
        is_there = any(launch.session.launch_id == each.session.launch_id for each in self.launches)
        if not is_there and (self.refusal is None or self.takes_it_silently):
            self.launches.append(launch)
        if self.refusal is not None:
            raise self.refusal

    async def launch_warm(self, launch: WarmLaunch) -> None:
        await self.may_launch.wait()
        launch_id = launch.bot.launch_id
        is_there = any(launch_id == each.bot.launch_id for each in self.warm)
        takes_it = self.warm_refusal is None or self.takes_it_silently
        if not is_there and takes_it and launch_id not in self.given_up:
            self.warm.append(launch)
        if self.warm_refusal is not None:
            raise self.warm_refusal

    async def claim(self, launch: Launch) -> None:
        await self.may_claim.wait()
        session = launch.session
        if self.claim_refusal is not None and not self.takes_it_silently:
            raise self.claim_refusal
        if session.launch_id in self.gone or session.launch_id in self.given_up:
            raise NotClaimed("It is gone.")
        if all(session.launch_id != each.bot.launch_id for each in self.warm):
            raise NotClaimed("There is none.")
        if self.claims.setdefault(session.launch_id, launch).session.id != session.id:
            raise NotClaimed("It is another session's.")
        if self.claim_refusal is not None:
            raise self.claim_refusal

    async def give_up(self, launch_id: str) -> None:
        if self.give_up_refusal is not None:
            raise self.give_up_refusal
        self.given_up.append(launch_id)
        self.claims.pop(launch_id, None)
        is_there = any(launch_id == each.bot.launch_id for each in self.warm)
        if is_there and launch_id not in self.gone and not self.stubborn:
            await self.exit(launch_id)

    async def stop(self, session: Session, intent: Ending) -> None:  # noqa: ARG002
        self.stopped.append(session.launch_id)
        if not self.stubborn:
            await self.exit(session.launch_id)

    def record(self, session: Session) -> None:
        self.recorded.append(session)

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:  # noqa: ARG002
        return _a_line()

    async def exit(self, launch_id: str, **seen: Any) -> None:
        """Let a bot be gone, and return once the supervisor has taken that in."""
        self.gone.add(launch_id)
        await self.observe(Observation(launch_id=launch_id, exit=Exit(at=datetime.now(UTC), **seen)))

    async def observe(self, observation: Observation) -> None:
        """Yield this to the supervisor, and return once it has taken it in."""
        self._observations.put(observation)
        await self._observations.emptied()

    def launch_of(self, session_id: str) -> Launch:
        """Return what a session's bot was launched or claimed with."""
        launches = (*self.launches, *self.claims.values())
        return next(launch for launch in launches if launch.session.id == session_id)


def secrets_of(something: Launch | Room) -> Mapping[str, str]:
    """The variables that only the bot may read, which are not forgotten yet."""
    assert something.secrets is not None
    return something.secrets


async def _a_line() -> AsyncIterator[bytes]:
    yield b"a line\n"


class FakeRooms:
    """A provider called daily, whose rooms are addresses under rooms.example.

    `busy` is how long one room waits for its turn; several wait as many times as long.
    """

    provider = "daily"
    token_is_of_launch = False

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.times_swept = 0
        self.live_when_swept: set[str] = set()
        self.is_closed = False
        self.refusal: ControllerError | None = None
        self.busy: RoomLoad | None = None
        self.opened = 0
        self.may_open = asyncio.Event()
        self.may_open.set()
        self._tokens = 0

    async def open(self, session: Session, *, lifetime_seconds: float) -> Room:  # noqa: ARG002
        await self.may_open.wait()
        if self.refusal is not None:
            raise self.refusal
        self.opened += 1
        return self._room(f"https://rooms.example/{session.id}", "bot-token", self._token())

    def bring(self, session: Session, url: str, token: str) -> Room:  # noqa: ARG002
        if not url.startswith("https://rooms.example/"):
            raise InvalidRequest("room.url: only rooms of rooms.example can be used.")
        return self._room(url, token, None)

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:  # noqa: ARG002
        room = self._room(session.room_url or "", "bot-token-again", None)
        return replace(room, secrets=None) if session.room_is_brought else room

    async def admit(self, session: Session, *, lifetime_seconds: float) -> str | None:  # noqa: ARG002
        return None if session.room_is_brought else self._token()

    async def close(self, session: Session) -> None:
        self.closed.append(session.room_url or "")

    async def sweep(self, live: Collection[str]) -> int:
        self.times_swept += 1
        self.live_when_swept = set(live)
        return 0

    def load(self, rooms: int) -> RoomLoad | None:
        return self.busy and replace(self.busy, wait_seconds=self.busy.wait_seconds * rooms)

    async def aclose(self) -> None:
        self.is_closed = True

    def _token(self) -> str:
        self._tokens += 1
        return f"caller-token-{self._tokens}"

    @staticmethod
    def _room(url: str, bot_token: str, caller_token: str | None) -> Room:
        return Room(
            name=url,
            url=url,
            caller_token=caller_token,
            environment={environment.DAILY_ROOM_URL: url},
            secrets={environment.DAILY_TOKEN: bot_token},
        )
