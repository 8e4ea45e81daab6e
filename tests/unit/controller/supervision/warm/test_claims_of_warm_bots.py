"""A start takes a warm bot if one is ready, and never two; otherwise it is cold, and never an error."""

from __future__ import annotations

import asyncio

import pytest

from controller.core.agents import AgentDefinition
from controller.core.errors import NotClaimed, UnknownOutcome
from controller.rooms.webrtc import WebRtcRooms
from controller.supervision.warm.claiming import MOST_BOTS
from testing.fakes.bots.reported import batch
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.clockwork import at_once
from testing.fakes.controllers.metered import Scrape
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.site import Site, serve_site
from testing.fakes.controllers.warm_crew import Habit, loop_clock, ready_bots, shop, until


def results(site: Site) -> dict[str, float]:
    """Return how often each result of a claim was counted."""
    scrape = Scrape(site.metrics.registry)
    names = ("claimed", "no_bot", "not_claimed", "not_confirmed", "unknown", "stopped")
    counts = {name: scrape.value("warm_claims_total", agent="clerk", result=name) for name in names}
    return {name: count for name, count in counts.items() if count}


@at_once
async def test_a_start_takes_the_warm_bot_and_no_bot_is_launched_for_it() -> None:
    async with shop() as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        session = await site.start(agent="clerk", session_id="mine", body={"seat": 7})

        assert session["cold_start"] is False
        assert session["phase"] == "starting"
        assert session["timeline"]["launched"] is not None
        assert site.runtime.launches == []
        assert site.runtime.launch_of("mine").session.launch_id == warm
        await until(lambda: warm in crew.serving)
        assert results(site) == {"claimed": 1}


@at_once
async def test_a_warm_bot_receives_exactly_what_a_bot_of_its_own_would_have() -> None:
    async with shop() as (site, crew), shop(Habit.NEVER_READY, ready=0) as (other, _):
        await site.start(agent="clerk", session_id="mine", metadata={"cart": 3}, body="hello")
        await other.start(agent="clerk", session_id="mine", metadata={"cart": 3}, body="hello")
        [cold] = other.runtime.launches
        await until(lambda: len(crew.serving) == 1)
        [(launch_id, variables)] = crew.serving.items()

    expected = {**cold.environment, **secrets_of(cold)}
    assert variables.keys() == expected.keys()
    assert variables["PODLINE_LAUNCH_ID"] == launch_id
    assert variables["PODLINE_LAUNCH_TOKEN"] == SIGNER.launch_token(launch_id)
    own = {"PODLINE_LAUNCH_ID", "PODLINE_LAUNCH_TOKEN"}
    assert {key: variables[key] for key in variables.keys() - own} == {
        key: expected[key] for key in expected.keys() - own
    }


@at_once
async def test_an_agent_without_a_pool_starts_cold_and_nothing_else_happens() -> None:
    async with serve_site(agents=NamedAgents(AgentDefinition(name="clerk")), clock=loop_clock()) as site:
        session = await site.start(agent="clerk")
        await asyncio.sleep(60)

        assert session["cold_start"] is True
        assert len(site.runtime.launches) == 1
        assert (site.runtime.warm, site.runtime.given_up) == ([], [])
        assert results(site) == {}


@at_once
async def test_a_start_is_cold_while_no_bot_is_ready() -> None:
    async with shop(Habit.NEVER_READY, ready=0) as (site, _):
        await until(lambda: len(site.runtime.warm) == 1)
        session = await site.start(agent="clerk")

        assert session["cold_start"] is True
        assert site.runtime.given_up == []
        assert results(site) == {"no_bot": 1}


@at_once
async def test_a_bot_that_does_not_poll_here_is_not_claimed() -> None:
    async with shop(Habit.NEVER_READY, ready=0) as (site, crew):
        await until(lambda: len(site.runtime.warm) == 1)
        report = await crew.post(site.runtime.warm[0].bot.launch_id, "reports", batch())
        session = await site.start(agent="clerk")

        assert (report.status_code, report.json()) == (200, {"ack": 1})
        assert session["cold_start"] is True


@at_once
async def test_a_bot_that_was_taken_is_replaced() -> None:
    async with shop(definition=AgentDefinition(name="clerk", buffer=1)) as (site, _):
        first = await site.start("ana", agent="clerk")
        await ready_bots(site, 1)
        second = await site.start("bo", agent="clerk")

        assert (first["cold_start"], second["cold_start"]) == (False, False)
        claimed = [each.session.launch_id for each in site.runtime.claims.values()]
        assert len(set(claimed)) == 2


@at_once
async def test_ten_callers_at_once_get_ten_different_bots() -> None:
    definition = AgentDefinition(name="clerk", min_agents=10)
    async with shop(definition=definition, ready=10) as (site, crew):
        sessions = await asyncio.gather(*(site.start(f"user-{n}", agent="clerk") for n in range(12)))

        cold = [each for each in sessions if each["cold_start"]]
        assert len(site.runtime.launches) == len(cold)
        await until(lambda: len(crew.serving) == 12 - len(cold))
        served = [each["SESSION_ID"] for each in crew.serving.values()]
        assert sorted(served) == sorted(each["id"] for each in sessions if not each["cold_start"])


@at_once
async def test_a_bot_that_does_not_confirm_in_time_is_given_up_before_another_is_tried() -> None:
    async with shop(Habit.IGNORES, definition=AgentDefinition(name="clerk", min_agents=2), ready=2) as (
        site,
        crew,
    ):
        first, second = (each.bot.launch_id for each in site.runtime.warm[:2])
        session = await site.start(agent="clerk", session_id="mine")

        assert session["cold_start"] is False
        assert site.runtime.launch_of("mine").session.launch_id == second
        await until(lambda: second in crew.serving)
        assert first not in crew.serving
        assert first not in site.runtime.claims


@at_once
async def test_a_late_confirmation_gets_no_session_and_sends_the_bot_away() -> None:
    async with shop(Habit.CONFIRMS_LATE) as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        site.runtime.stubborn = True
        session = await site.start(agent="clerk", session_id="mine")
        assert session["cold_start"] is True
        assert site.runtime.given_up == [warm]
        await until(lambda: warm in crew.answers)

        assert crew.answers[warm] == [409]
        assert crew.serving == {}
        assert results(site) == {"not_confirmed": 1, "no_bot": 1}


@at_once
async def test_a_confirmation_whose_answer_was_lost_is_answered_again_with_the_same() -> None:
    async with shop(Habit.CONFIRMS_TWICE) as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        session = await site.start(agent="clerk")
        await until(lambda: len(crew.answers.get(warm, [])) == 2)

        assert session["cold_start"] is False
        assert crew.answers[warm] == [200, 200]


@at_once
async def test_once_the_bot_has_reported_its_secrets_are_not_kept_for_a_repeat() -> None:
    async with shop() as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        await site.start(agent="clerk", session_id="mine")
        await until(lambda: warm in crew.serving)
        inbox = site.app.state.services.supervisor.registry.get("mine").inbox
        message_id = inbox._assignment[0]
        assert inbox.assignment_for(message_id) is not None
        await crew.post(warm, "reports", batch(seq=2))

        assert inbox.assignment_for(message_id) is None
        assert (await crew.post(warm, f"inbox/{message_id}", {"body": {}})).status_code == 204


@at_once
async def test_a_bot_that_dies_after_its_claim_leaves_the_caller_with_another() -> None:
    async with shop(Habit.DIES) as (site, _):
        warm = site.runtime.warm[0].bot.launch_id
        session = await site.start(agent="clerk", session_id="mine")

        assert session["cold_start"] is True
        assert site.runtime.given_up == [warm]
        assert (await site.read("mine"))["phase"] == "starting"


@at_once
async def test_a_bot_that_refuses_its_session_is_given_up_at_once() -> None:
    async with shop(Habit.REFUSES) as (site, crew):
        before = asyncio.get_running_loop().time()
        session = await site.start(agent="clerk")

        assert session["cold_start"] is True
        assert asyncio.get_running_loop().time() - before < 0.2
        assert crew.serving == {}


@at_once
async def test_a_bot_that_the_runtime_refuses_to_claim_is_not_asked() -> None:
    async with shop() as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        site.runtime.claim_refusal = NotClaimed("It has changed.")
        session = await site.start(agent="clerk")
        await until(lambda: warm in site.runtime.gone)

        assert session["cold_start"] is True
        assert crew.answers == {}
        assert results(site) == {"not_claimed": 1, "no_bot": 1}


@at_once
async def test_a_start_does_not_try_one_bot_after_the_other_for_ever() -> None:
    definition = AgentDefinition(name="clerk", min_agents=MOST_BOTS + 2)
    habits = [Habit.IGNORES] * 50
    async with shop(*habits, definition=definition, ready=MOST_BOTS + 2) as (site, _):
        session = await site.start(agent="clerk")

        assert session["cold_start"] is True
        assert results(site) == {"not_confirmed": MOST_BOTS}


@pytest.mark.parametrize("takes_it", [False, True])
def test_a_claim_of_unknown_outcome_is_undone_before_the_cold_start(*, takes_it: bool) -> None:
    @at_once
    async def run() -> None:
        async with shop() as (site, crew):
            site.runtime.claim_refusal = UnknownOutcome("No answer.")
            site.runtime.takes_it_silently = takes_it
            warm = site.runtime.warm[0].bot.launch_id
            session = await site.start(agent="clerk", session_id="mine")

            assert session["cold_start"] is True
            assert site.runtime.given_up == [warm]
            assert site.runtime.claims == {}
            assert crew.serving == {}
            assert results(site) == {"unknown": 1, "no_bot": 1}

    run()


async def start_in_doubt(site: Site) -> str:
    """Start a session whose claim can neither be made nor undone for certain. Return the bot's launch id."""
    site.runtime.claim_refusal = site.runtime.give_up_refusal = UnknownOutcome("No answer.")
    site.runtime.takes_it_silently = True
    request = {"user_id": "ana", "agent": "clerk", "session_id": "mine"}
    answer = await site.client.post("/v1/sessions", json=request)
    assert (answer.status_code, answer.json()["code"]) == (503, "runtime_unavailable")
    return site.runtime.warm[0].bot.launch_id


@at_once
async def test_a_repeated_start_settles_the_claim_first_and_then_has_one_bot() -> None:
    async with shop(Habit.FREEZES, capacity=1) as (site, crew):
        warm = await start_in_doubt(site)
        full = await site.client.post("/v1/sessions", json={"user_id": "bo", "agent": "clerk"})
        assert full.status_code == 429
        site.runtime.claim_refusal = site.runtime.give_up_refusal = None
        session = await site.start(agent="clerk", session_id="mine")

        assert session["cold_start"] is True
        assert warm in site.runtime.given_up
        assert site.runtime.claims == {}
        assert crew.serving == {}
        await asyncio.sleep(60)
        assert (await site.read("mine"))["phase"] in ("starting", "live")
        assert site.runtime.stopped == []


@at_once
async def test_a_repeat_that_can_t_settle_it_either_says_so_again() -> None:
    async with shop(Habit.FREEZES) as (site, _):
        await start_in_doubt(site)
        request = {"user_id": "ana", "agent": "clerk", "session_id": "mine"}
        again = await site.client.post("/v1/sessions", json=request)

        assert again.status_code == 503
        assert site.runtime.launches == []


@at_once
async def test_a_claim_in_doubt_that_nobody_repeats_fails_the_session_and_frees_its_slot() -> None:
    async with shop(Habit.FREEZES, capacity=1) as (site, crew):
        warm = await start_in_doubt(site)
        await asyncio.sleep(31)

        session = await site.read("mine")
        assert (session["phase"], session["reason"]) == ("failed", "launch_failed")
        assert warm in site.runtime.gone
        assert crew.serving == {}
        site.runtime.claim_refusal = site.runtime.give_up_refusal = None
        assert (await site.start(session_id="mine", agent="clerk"))["phase"] == "starting"


@at_once
async def test_a_session_whose_claim_is_in_doubt_can_be_stopped() -> None:
    async with shop(Habit.FREEZES) as (site, _):
        warm = await start_in_doubt(site)
        await site.client.delete("/v1/sessions/mine")

        session = await site.read("mine")
        assert (session["phase"], session["reason"]) == ("ended", "stopped")
        assert site.runtime.stopped == [warm]


@at_once
async def test_a_claim_in_doubt_whose_bot_is_seen_to_be_gone_may_be_started_again() -> None:
    async with shop(Habit.FREEZES) as (site, _):
        warm = await start_in_doubt(site)
        await site.runtime.exit(warm)
        assert (await site.read("mine"))["reason"] == "launch_failed"
        site.runtime.claim_refusal = site.runtime.give_up_refusal = None

        assert (await site.start(agent="clerk", session_id="mine"))["phase"] == "starting"


@at_once
async def test_a_session_that_is_stopped_while_it_claims_gets_no_bot_and_frees_its_slot() -> None:
    async with shop(capacity=1) as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        site.runtime.may_claim.clear()
        starting = asyncio.create_task(site.start(agent="clerk", session_id="mine"))
        await until(lambda: site.app.state.services.supervisor.pool.bots.find(warm).claim is None)
        await asyncio.sleep(0.05)
        await site.client.delete("/v1/sessions/mine")
        site.runtime.may_claim.set()
        session = await starting

        assert (session["phase"], session["reason"]) == ("ended", "stopped")
        assert crew.serving == {}
        assert site.runtime.launches == []
        assert site.runtime.given_up == [warm]
        await site.start("bo", agent="clerk")


@at_once
async def test_a_start_repeated_with_its_key_finds_the_claimed_bot() -> None:
    async with shop() as (site, _):
        first = await site.start(agent="clerk", session_id="mine")
        again = await site.client.post(
            "/v1/sessions", json={"user_id": "ana", "agent": "clerk", "session_id": "mine"}
        )

        assert again.status_code == 200
        assert (again.json()["cold_start"], first["cold_start"]) == (False, False)
        assert (len(site.runtime.claims), site.runtime.launches) == (1, [])


@at_once
async def test_a_call_with_a_warm_bot_goes_on_and_ends_like_any_other() -> None:
    async with shop() as (site, crew):
        warm = site.runtime.warm[0].bot.launch_id
        await site.start(agent="clerk", session_id="mine")
        await until(lambda: warm in crew.serving)
        await crew.post(warm, "reports", batch(seq=2, process_up=0.1, joined=9.9))
        assert (await site.read("mine"))["phase"] == "live"
        assert Scrape(site.metrics.registry).value("claim_seconds_count") == 1
        await site.client.delete("/v1/sessions/mine")

        assert site.runtime.stopped == [warm]
        assert (await site.read("mine"))["reason"] == "stopped"
        assert site.rooms.closed == ["https://rooms.example/mine"]


@at_once
async def test_the_room_of_a_claimed_session_is_not_swept_though_it_is_named_after_another_launch() -> None:
    async with shop(silence_seconds=600) as (site, _):
        await site.start(agent="clerk", session_id="mine")
        await asyncio.sleep(65)

        assert "https://rooms.example/mine" in site.rooms.live_when_swept


@at_once
async def test_the_caller_s_token_for_offers_is_for_the_launch_that_the_session_has() -> None:
    rooms = WebRtcRooms("http://127.0.0.1:7860", SIGNER)
    async with shop(rooms=rooms) as (site, _):
        session = await site.start(agent="clerk", session_id="mine")

        launch_id = site.runtime.launch_of("mine").session.launch_id
        assert session["room"]["token"] == SIGNER.session_token("mine", launch_id)
