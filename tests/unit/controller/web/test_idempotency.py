"""The same request again, whatever became of the first: never a second bot, never a slot lost."""

import asyncio
from dataclasses import dataclass, field

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.errors import RuntimeUnavailable, UnknownOutcome
from testing.fakes.controllers.clockwork import Clockwork, at_once
from testing.fakes.controllers.site import Site, serve_site

BODY: dict[str, object] = {"user_id": "ana", "session_id": "mine"}
OTHER = {"user_id": "ana", "session_id": "mine", "max_duration_seconds": 60}


async def ask(site: Site, body: dict[str, object] = BODY) -> httpx.Response:
    return await site.client.post("/v1/sessions", json=body)


async def until_done() -> None:
    """Let all that can be done be done; on a Clockwork this takes no time."""
    await asyncio.sleep(0.01)


@at_once
async def test_a_repeat_while_the_first_is_under_way_waits_for_it_and_gets_its_session() -> None:
    async with serve_site() as site:
        site.runtime.may_launch.clear()
        asking = [asyncio.create_task(ask(site)) for _ in range(5)]
        await until_done()
        site.runtime.may_launch.set()
        answers = [await each for each in asking]

        assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
        assert {answer.json()["id"] for answer in answers} == {"mine"}
        assert len(site.runtime.launches) == 1


@at_once
async def test_of_ten_parallel_starts_of_one_user_two_are_taken() -> None:
    async with serve_site() as site:
        answers = await asyncio.gather(
            *(site.client.post("/v1/sessions", json={"user_id": "ana"}) for _ in range(10))
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 2 + [429] * 8
        assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {
            "user_limit_reached"
        }
        assert len(site.runtime.launches) == 2


@at_once
async def test_a_launch_of_unknown_outcome_keeps_its_place_and_tells_how_to_have_it() -> None:
    async with serve_site(capacity=1) as site:
        site.runtime.refusal = UnknownOutcome()
        answer = await ask(site)

        assert (answer.status_code, answer.json()["code"]) == (503, "runtime_unavailable")
        assert answer.headers["retry-after"] == "5"
        assert "Repeat the request with the same session_id" in answer.json()["detail"]
        full = await site.client.post("/v1/sessions", json={"user_id": "bo"})
        assert full.json()["code"] == "capacity_reached"


@at_once
async def test_a_retry_adopts_a_bot_that_was_launched_unnoticed() -> None:
    async with serve_site() as site:
        site.runtime.refusal, site.runtime.takes_it_silently = UnknownOutcome(), True
        await ask(site)
        site.runtime.refusal = None
        adopted = await ask(site)

        assert (adopted.status_code, adopted.json()["phase"]) == (200, "starting")
        assert adopted.json()["room"]["token"] is not None
        assert len(site.runtime.launches) == 1
        await asyncio.sleep(60)
        assert site.runtime.stopped == []


@at_once
async def test_a_retry_launches_a_bot_that_was_not_launched() -> None:
    async with serve_site() as site:
        site.runtime.refusal = UnknownOutcome()
        await ask(site)
        site.runtime.refusal = None

        assert (await ask(site)).status_code == 200
        assert len(site.runtime.launches) == 1


@at_once
async def test_a_launch_of_unknown_outcome_that_nobody_asks_for_again_is_stopped() -> None:
    async with serve_site(capacity=1) as site:
        site.runtime.refusal, site.runtime.takes_it_silently = UnknownOutcome(), True
        await ask(site)
        site.runtime.refusal = None
        await asyncio.sleep(31)

        session = await site.read("mine")
        assert (session["phase"], session["reason"]) == ("failed", "launch_failed")
        assert site.runtime.stopped == [site.runtime.launches[0].session.launch_id]
        await site.start("bo")


@at_once
async def test_a_launch_of_unknown_outcome_that_nobody_can_ask_for_again_is_stopped_at_once() -> None:
    async with serve_site() as site:
        site.runtime.refusal, site.runtime.takes_it_silently = UnknownOutcome(), True
        await site.client.post("/v1/sessions", json={"user_id": "ana"})
        await until_done()

        assert len(site.runtime.stopped) == 1


@at_once
async def test_a_stop_of_a_launch_of_unknown_outcome_reaches_what_may_be_there() -> None:
    async with serve_site() as site:
        site.runtime.refusal, site.runtime.takes_it_silently = UnknownOutcome(), True
        await ask(site)
        await site.client.delete("/v1/sessions/mine")

        assert site.runtime.stopped == [site.runtime.launches[0].session.launch_id]
        again = await ask(site)
        assert (again.status_code, again.json()["reason"]) == (200, "stopped")


@dataclass
class Interleaving:
    """Requests for one session, all that can become of its launches, and what must hold at each moment."""

    site: Site
    asking: list[asyncio.Task[httpx.Response]] = field(default_factory=list)
    answers: list[httpx.Response] = field(default_factory=list)

    async def take(self, step: str) -> None:  # noqa: C901 - one case for each step
        runtime = self.site.runtime
        match step:
            case "ask":
                self.asking.append(asyncio.create_task(ask(self.site)))
            case "ask for something else":
                self.asking.append(asyncio.create_task(ask(self.site, OTHER)))
            case "hold":
                runtime.may_launch.clear()
            case "let go":
                runtime.may_launch.set()
            case "succeed":
                runtime.refusal = None
            case "refuse":
                runtime.refusal = RuntimeUnavailable("The cluster is on fire.")
            case "lose the request" | "lose the answer":
                runtime.refusal, runtime.takes_it_silently = UnknownOutcome(), step == "lose the answer"
            case "stop":
                await self.site.client.delete("/v1/sessions/mine")
            case "exit":
                for launch in self._there():
                    await runtime.exit(launch)
            case "wait":
                await asyncio.sleep(31)
        await until_done()
        self._collect()

    async def finish(self) -> None:
        self.site.runtime.may_launch.set()
        self.answers += [await each for each in self.asking]

    async def check(self) -> None:
        there = self._there()
        agents = (await self.site.client.get("/agents")).json()["agents"]
        assert len(there) <= 1
        assert len(there) <= len(agents) <= 1

    def _there(self) -> set[str]:
        """Launches whose bots were started and have not been seen to be gone."""
        return {each.session.launch_id for each in self.site.runtime.launches} - self.site.runtime.gone

    def _collect(self) -> None:
        self.answers += [each.result() for each in self.asking if each.done()]
        self.asking = [each for each in self.asking if not each.done()]


STEPS = (
    "ask",
    "ask for something else",
    "hold",
    "let go",
    "succeed",
    "refuse",
    "lose the request",
    "lose the answer",
    "stop",
    "exit",
    "wait",
)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(STEPS), max_size=16))
def test_in_every_interleaving_there_is_one_bot_at_most_and_its_place_is_taken(steps: list[str]) -> None:
    async def run() -> None:
        async with serve_site(capacity=1) as site:
            way = Interleaving(site)
            for step in ("ask", *steps):
                await way.take(step)
                await way.check()
            await way.finish()
            await way.check()

            allowed = {(200, None), (201, None), (409, "session_conflict"), (503, "runtime_unavailable")}
            for answer in way.answers:
                assert (answer.status_code, answer.json().get("code")) in allowed
            first_answers = sum(answer.status_code == 201 for answer in way.answers)
            assert first_answers <= len(site.runtime.launches)
            # Whatever happened, the slot is free again.
            site.runtime.refusal = None
            await site.client.delete("/v1/sessions/mine")
            await until_done()
            assert (await ask(site, {"user_id": "bo"})).status_code == 201

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())
