"""Bots in the fake pods of a namespace. Each speaks the channel, and writes down which session it was given.

A warm one confirms the session that it is assigned as soon as a test lets it; a cold one has its session from
the beginning. A bot lives as long as its pod.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import aiohttp
import httpx

from testing.cluster.control_plane import MERGE, PATIENCE_SECONDS, ControlPlane
from testing.cluster.paths import NamespacePaths
from testing.cluster.warm.changes import changes
from testing.fakes.bots.reported import batch

LAUNCH: Final = "podline.dev/launch-id"
JOB: Final = "batch.kubernetes.io/job-name"
JOINED: Final = batch(process_up=0.5, joined=1.0)
"""A bot's first report in a call."""

_PAUSE_SECONDS: Final = 0.05
_POLL_SECONDS: Final = 35.0
_GIVEN: Final = 200
_ERRORS: Final = 400
_REFUSED: Final = (401, 409)

Answer: TypeAlias = tuple[int, dict[str, Any]]
"""Status and content."""


@dataclass(eq=False)
class CrewBot:
    """One bot.

    Attributes:
        job: the name of its Job.
        pod: likewise.
        sessions: those that it was given: in its environment, or in the answers to its confirmations.
        asked: how many assignments it has read.
        may_poll: while it is clear, the bot asks for no more messages.
        is_gone: its pod has ended, or is ending.
    """

    launch_id: str
    job: str
    pod: str
    sessions: list[str] = field(default_factory=list)
    asked: int = 0
    may_poll: asyncio.Event = field(default_factory=asyncio.Event)
    is_gone: bool = False

    def __post_init__(self) -> None:
        self.may_poll.set()


async def confirm(_bot: CrewBot) -> None:
    """Confirm at once."""


class Crew(NamespacePaths):
    """All bots of a namespace.

    Attributes:
        urls: of controllers' listeners for bots. A bot asks the next one after one that doesn't answer.
        bots: by launch id, also those that are gone.
        before_confirming: what a warm bot does between its assignment and its confirmation.
    """

    def __init__(self, plane: ControlPlane, namespace: str, url: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self.urls = [url]
        self.bots: dict[str, CrewBot] = {}
        self.before_confirming: Callable[[CrewBot], Awaitable[None]] = confirm
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._whole_ones: set[asyncio.Task[Any]] = set()
        self._requests: set[asyncio.Task[Answer]] = set()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Crew]:
        limit = aiohttp.ClientTimeout(total=_POLL_SECONDS)
        async with aiohttp.ClientSession(timeout=limit) as self._client:
            following = asyncio.create_task(self._follow())
            try:
                yield self
            finally:
                tasks = [following, *self._lives.values()]
                for each in tasks:
                    each.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.gather(*self._whole_ones, return_exceptions=True)
                for error in ends:
                    if error is not None and not isinstance(error, asyncio.CancelledError):
                        raise error

    def serving(self, session_id: str) -> Sequence[CrewBot]:
        """Return the bots that were given this session and live."""
        return [each for each in self.given(session_id) if not each.is_gone]

    def given(self, session_id: str) -> Sequence[CrewBot]:
        """Return the bots that were ever given this session."""
        return [each for each in self.bots.values() if session_id in each.sessions]

    def alive(self) -> set[str]:
        """Return the launch ids of those that live."""
        return {each.launch_id for each in self.bots.values() if not each.is_gone}

    def change_controllers(self, *urls: str) -> None:
        """Have all bots speak to other controllers, those that wait for an answer included."""
        self.urls = [*urls]
        for request in self._requests:
            request.cancel()

    async def request(self, method: str, url: str, **request: Any) -> Answer | None:
        """Ask a controller once; None if it did not answer, or another one is to be asked."""
        sending = asyncio.create_task(self._send(method, url, **request))
        self._requests.add(sending)
        try:
            await asyncio.wait([sending])
        finally:
            self._requests.discard(sending)
            sending.cancel()
        if sending.cancelled():
            return None
        try:
            return sending.result()
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _send(self, method: str, url: str, **request: Any) -> Answer:
        async with self._client.request(method, url, **request) as answer:
            has_content = answer.ok and await answer.read()
            return answer.status, await answer.json() if has_content else {}

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until that is so of the bots."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not what():
                await self._changed.wait()

    def changed(self) -> None:
        """Let everyone who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self) -> None:
        async with aclosing(changes(self.plane, self.pods)) as seen:
            async for change in seen:
                self._pod_seen(change.thing, is_gone=change.is_gone)

    def _pod_seen(self, pod: dict[str, Any], *, is_gone: bool) -> None:
        metadata, phase = pod["metadata"], pod["status"].get("phase")
        launch_id = metadata["labels"][LAUNCH]
        bot = self.bots.get(launch_id)
        if is_gone or "deletionTimestamp" in metadata or phase in ("Succeeded", "Failed"):
            if bot is not None:
                self._gone(bot)
        elif phase == "Running" and bot is None:
            bot = CrewBot(launch_id, metadata["labels"][JOB], metadata["name"])
            self.bots[launch_id] = bot
            self._lives[launch_id] = asyncio.create_task(self._live(bot, pod))
            self.changed()

    def _gone(self, bot: CrewBot) -> None:
        if not bot.is_gone:
            bot.is_gone = True
            self._lives[bot.launch_id].cancel()
            self.changed()

    async def _live(self, bot: CrewBot, pod: dict[str, Any]) -> None:
        [container] = pod["spec"]["containers"]
        variables = {each["name"]: each.get("value", "") for each in container["env"]}
        token = await self._token(container["envFrom"][-1]["secretRef"]["name"])
        is_cold = "SESSION_ID" in variables
        if is_cold:
            bot.sessions.append(variables["SESSION_ID"])
        self.changed()
        asking = Asking(self, bot, token)
        await asking("POST", "reports", JOINED if is_cold else batch(process_up=0.5))
        after = ""
        while True:
            await bot.may_poll.wait()
            _, page = await asking("GET", f"inbox?after={after}" if after else "inbox")
            for message in page["messages"]:
                after = message["id"]
                if message["type"] == "assignment":
                    await self._assigned(bot, asking, message)

    async def _assigned(self, bot: CrewBot, asking: Asking, message: dict[str, Any]) -> None:
        bot.asked += 1
        self.changed()
        await self.before_confirming(bot)
        status, answer = await asking("POST", f"inbox/{message['id']}", {"body": {}})
        if status == _GIVEN:
            session_id = answer["environment"]["SESSION_ID"]
            if session_id not in bot.sessions:
                bot.sessions.append(session_id)
                self.changed()
            await asking("POST", "reports", {**JOINED, "seq": 2})

    async def _token(self, secret: str) -> str:
        """Return the bot's token once there is its Secret, for which a kubelet waits."""
        path = f"{self.secrets}?fieldSelector=metadata.name={secret}"
        while True:
            with suppress(httpx.HTTPError):
                listed = await self._whole(self.plane.api("GET", path))
                for found in listed["items"]:
                    return base64.b64decode(found["data"]["PODLINE_LAUNCH_TOKEN"]).decode()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def leave(self, bot: CrewBot) -> None:
        """Let a bot's process end."""
        end = {"metadata": {"annotations": {"fate.test/end": "exit-0"}}}
        with suppress(httpx.HTTPError):
            await self._whole(self.plane.api("PATCH", f"{self.pods}/{bot.pod}", end, MERGE))

    async def _whole(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await a request that goes on if its bot ends: one that is cancelled may leave its socket."""
        request = asyncio.create_task(work)
        self._whole_ones.add(request)
        request.add_done_callback(self._whole_ones.discard)
        return await asyncio.shield(request)


@dataclass(eq=False)
class Asking:
    """A bot's requests, each repeated until a controller answers; one that is refused ends its process."""

    crew: Crew
    bot: CrewBot
    token: str
    _turn: int = 0

    async def __call__(self, method: str, path: str, json: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"}
        path = f"/internal/launches/{self.bot.launch_id}/{path}"
        while True:
            url = self.crew.urls[self._turn % len(self.crew.urls)]
            answer = await self.crew.request(method, f"{url}{path}", json=json, headers=headers)
            if answer is None:
                self._turn += 1
            if answer is not None and answer[0] in _REFUSED:
                await self.crew.leave(self.bot)
                # Until its pod has ended, and its life with it.
                await asyncio.Event().wait()
            if answer is not None and answer[0] < _ERRORS:
                return answer
            await asyncio.sleep(_PAUSE_SECONDS)
