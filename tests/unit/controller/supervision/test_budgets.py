"""When a session has used up its budget, and what happens then."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.runtime import Observation
from controller.core.session import NO_BUDGET, Budget
from controller.core.start_request import StartRequest
from controller.observe.prices import ModelPrices, PerModality, PriceList
from controller.supervision.budgets import spent
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import ModelUsage, Usage
from testing.fakes.bots.reported import PRICES, batch, gone, until
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.sessions import some_session
from testing.fakes.controllers.site import Site, serve_site

DAY = date(2026, 6, 1)


def used(**models: int) -> Usage:
    return Usage(models={name: ModelUsage(prompt_tokens=count) for name, count in models.items()})


def tokens(count: int, model: str = "gemini") -> dict[str, Any]:
    return {"type": "tokens", "model": model, "tokens": {"prompt_tokens": count}}


def totals(count: int, model: str = "gemini") -> dict[str, Any]:
    return {"models": {model: {"prompt_tokens": count}}}


@pytest.mark.parametrize(
    ("budget", "usage", "message"),
    [
        (NO_BUDGET, used(gemini=2**53), None),
        (Budget(tokens=100), used(gemini=60, other=39), None),
        (
            Budget(tokens=100),
            used(gemini=60, other=40),
            "The session used 100 tokens; its budget was 100.",
        ),
        (Budget(cost=0.01), used(gemini=9_999), None),
        (
            Budget(cost=0.01),
            used(gemini=10_000),
            "The session used 0.0100 EUR; its budget was 0.0100.",
        ),
        # A model without a price costs what the dearest one does.
        (Budget(cost=0.01), used(unknown=10_000), "The session used 0.0100 EUR; its budget was 0.0100."),
        # So does speech.
        (
            Budget(tokens=10, cost=0.01),
            Usage(models={"voice": ModelUsage(characters=500)}),
            "The session used 0.0100 EUR; its budget was 0.0100.",
        ),
        (Budget(cost=0.01), Usage(models={"voice": ModelUsage(characters=499)}), None),
        (
            Budget(cost=0.01),
            Usage(models={"unknown": ModelUsage(audio_seconds=300.0)}),
            "The session used 0.0100 EUR; its budget was 0.0100.",
        ),
        (Budget(tokens=10, cost=0.5), used(gemini=11), "The session used 11 tokens; its budget was 10."),
    ],
)
def test_a_budget_is_spent_when_it_is_reached(budget: Budget, usage: Usage, message: str | None) -> None:
    ending = spent(some_session(budget=budget), usage, PRICES)

    assert (ending and ending.message) == (message and f"{message} Start another session to continue.")
    assert ending is None or ending.reason is Reason.BUDGET_SPENT


def test_a_budget_is_spent_at_the_agents_own_prices() -> None:
    day, once, twice = date(2020, 1, 1), PerModality(1.0, 1.0), PerModality(2.0, 2.0)
    own = ModelPrices("gemini", day, twice, twice, agent="clerk")
    prices = PriceList("EUR", [own, ModelPrices("gemini", day, once, once)])

    def is_spent(agent: str) -> bool:
        session = some_session(agent=agent, budget=Budget(cost=0.01))
        return spent(session, used(gemini=5_000), prices) is not None

    assert (is_spent("clerk"), is_spent("shopping")) == (True, False)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_model_without_a_price_is_never_charged_less_than_one_with_one(prompt: int, written: int) -> None:
    each = ModelUsage(prompt_tokens=prompt, completion_tokens=written)

    known = PRICES.charge("shopping", Usage(models={"gemini": each}), DAY)
    assert PRICES.charge("shopping", Usage(models={"unknown": each}), DAY) >= known


def test_a_budget_makes_another_request_and_none_leaves_hashes_as_they_were() -> None:
    budgets = [NO_BUDGET, Budget(tokens=1), Budget(tokens=2), Budget(cost=1.0), Budget(tokens=1, cost=1.0)]
    hashes = [StartRequest(user_id="ana", max_duration_seconds=60, budget=budget).hash for budget in budgets]

    assert len(set(hashes)) == len(budgets)
    # The hash on the Jobs of a release without budgets.
    assert hashes[0] == "278c50a685d5534e9899512736acdad82e1cd7cd5d008c564c4c0b1480533d1e"


async def test_the_bot_learns_why_and_has_time_to_leave_by_itself() -> None:
    async with serve_site() as site:
        session = await site.start(budget={"tokens": 100})
        await report(site, session["id"], batch(1, [tokens(100)], totals(100)))
        inbox = (await site.as_bot(session["id"], "GET", "inbox")).json()
        stopping = await site.read(session["id"])

        assert [(each["type"], each["reason"]) for each in inbox["messages"]] == [("stop", "budget_spent")]
        assert (stopping["phase"], site.runtime.stopped) == ("stopping", [])

        final_report = FinalReport(
            "budget_spent", "Spent.", used(gemini=120), used(gemini=100), BotTimeline(now=1)
        )
        await gone(site, session, final_report)
        over = await site.read(session["id"])

    assert (over["phase"], over["reason"]) == ("ended", "budget_spent")
    assert over["usage"]["models"]["gemini"]["prompt_tokens"] == 120


async def test_a_bot_that_does_not_leave_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.supervision.stopping._FAREWELL_SECONDS", 0.0)
    async with serve_site() as site:
        session = await site.start(budget={"tokens": 100})
        await report(site, session["id"], batch(1, [tokens(100)], totals(100)))
        await until(lambda: any(each.phase.is_end for each in site.runtime.recorded))

        assert site.runtime.stopped
        assert (await site.read(session["id"]))["reason"] == "budget_spent"


async def test_a_bot_whose_totals_say_less_than_its_events_gains_nothing() -> None:
    async with serve_site() as site:
        session = await site.start(budget={"tokens": 100})
        for seq in range(1, 5):
            await report(site, session["id"], batch(seq, [tokens(24)], totals(1)))
        assert (await site.read(session["id"]))["phase"] != "stopping"
        await report(site, session["id"], batch(5, [tokens(24)], totals(1)))

        assert (await site.read(session["id"]))["phase"] == "stopping"


async def test_a_session_that_was_found_again_keeps_its_budget_and_what_it_had_used() -> None:
    async with serve_site() as site:
        session = some_session(
            "launch-1", id="mine", room_provider="daily", phase=Phase.LIVE, budget=Budget(tokens=100)
        )
        await site.runtime.observe(Observation(launch_id="launch-1", found=session))
        await asyncio.sleep(0)
        token = {"Authorization": f"Bearer {SIGNER.launch_token('launch-1')}"}
        body = batch(7, [tokens(1)], totals(100))
        path = "/internal/launches/launch-1/reports"
        answer = await site.client.post(path, json=body, headers=token)
        found = await site.read("mine")

    assert answer.status_code == 200, answer.text
    assert found["budget"] == {"tokens": 100, "cost": None}
    assert found["phase"] == "stopping"


async def test_a_stop_that_came_first_stays_the_reason() -> None:
    async with serve_site() as site:
        site.runtime.stubborn = True
        session = await site.start(budget={"tokens": 100})
        await site.client.delete(f"/v1/sessions/{session['id']}")
        await report(site, session["id"], batch(1, [tokens(100)], totals(100)))
        await gone(site, session)

        assert (await site.read(session["id"]))["reason"] == "stopped"


async def report(site: Site, session_id: str, body: dict[str, Any]) -> None:
    (await site.as_bot(session_id, "POST", "reports", json=body)).raise_for_status()
