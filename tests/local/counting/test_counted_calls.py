"""Fifty short calls with faults: what was counted is what the model says it has sent.

PODLINE_COUNTED_CALLS sets another number of calls, PODLINE_COUNTED_SEED repeats a run's faults.
"""

from __future__ import annotations

import os
import random

import pytest
import pytest_asyncio

from tests.local.conftest import COUNTED, PROGRAMS
from tests.local.counting.bad_channel import BadChannel
from tests.local.counting.counted_calls import (
    Call,
    Run,
    hangs_up_in_mid_answer,
    is_deleted,
    meets_an_error,
    plan,
    play,
    plus,
    tokens_of,
)
from tests.local.endings.site import open_site

CALLS = int(os.environ.get("PODLINE_COUNTED_CALLS", "50"))
MOST_OFF_PLAN = 0.1
SEED = os.environ.get("PODLINE_COUNTED_SEED") or str(os.getpid())
SETTINGS = {
    "PODLINE_GRACE_SECONDS": "20",
    "PODLINE_NO_CALLER_SECONDS": "30",
    "PODLINE_START_TIMEOUT_SECONDS": "60",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("counted")
    calls = plan(CALLS, random.Random(SEED))  # noqa: S311 - faults that can be repeated
    channels: list[BadChannel] = []

    def between(port: int) -> BadChannel:
        channels.append(BadChannel(port, SEED))
        return channels[0]

    stash = request.config.stash
    async with open_site(directory, SETTINGS, stash[PROGRAMS].append, between) as site:
        run = await play(site, channels[0], directory / "personas", calls, SEED)
    stash[COUNTED].extend([*run.table(), f"seed {SEED}"])
    return run


def could_speak(run: Run) -> list[Call]:
    return [call for call in run.calls if call.bot_could_speak]


def could_not(run: Run) -> list[Call]:
    return [call for call in run.calls if not call.bot_could_speak]


def as_planned(run: Run) -> list[Call]:
    return [call for call in could_speak(run) if call.mishap is None]


def test_nearly_all_calls_went_as_planned(run: Run) -> None:
    """A busy machine spoils some; more would show that it is us."""
    mishaps = [call.mishap for call in run.calls if call.mishap is not None]
    assert len(mishaps) <= MOST_OFF_PLAN * len(run.calls), "\n".join([f"seed {SEED}", *mishaps])


def test_each_record_is_equal_to_the_token_with_what_the_model_told(run: Run) -> None:
    differing = {
        str(call): (call.recorded, call.sent)
        for call in could_speak(run)
        if call.recorded != call.sent or call.usage["partial"]
    }
    assert differing == {}
    assert run.sent == plus(*(call.sent for call in run.calls)), "a connection that is nobody's"
    for call in as_planned(run):
        # Who loses the model in its greeting and hangs up in the next answer learns nothing.
        assert sum(call.sent) > 0 or call.fault.happens is hangs_up_in_mid_answer, str(call)


def test_of_a_killed_bot_at_most_the_last_unreported_batch_is_missing_and_the_record_says_so(
    run: Run,
) -> None:
    for call in could_not(run):
        assert call.usage["partial"], str(call)
        assert all(mine <= sent for mine, sent in zip(call.recorded, call.sent, strict=True)), str(call)
        reported = run.channel.counted.get(call.launch_id, {"totals": {}})["totals"]
        assert all(mine >= total for mine, total in zip(call.recorded, tokens_of(reported), strict=True)), (
            str(call)
        )


def test_counters_are_the_sum_of_the_records(run: Run) -> None:
    usages = [call.usage for call in run.calls]
    assert run.counted_tokens() == plus(*(call.recorded for call in run.calls))
    assert run.counted("tokens_total") == sum(run.counted_tokens())
    assert run.counted("turns_total") == sum(usage["turns"] for usage in usages)
    assert run.counted("interruptions_total") == sum(usage["interruptions"] for usage in usages)
    for tool in ("save_product", "search_products"):
        for outcome in ("ok", "error"):
            assert run.counted("tool_calls_total", tool=tool, outcome=outcome) == sum(
                usage["tool_calls"].get(tool, {}).get(outcome, 0) for usage in usages
            )
    for side in ("caller", "bot"):
        talk = sum(usage["talk_seconds"][side] for usage in usages)
        assert run.counted("talk_seconds_total", side=side) == pytest.approx(talk)


def test_counters_never_went_down(run: Run) -> None:
    assert run.scrapes > CALLS / 10
    assert run.fallen == set()


def test_each_start_and_each_end_is_counted_once(run: Run) -> None:
    assert run.counted("session_starts_total") == len(run.calls)
    assert run.counted("session_ends_total") == len(run.calls)
    assert run.counted("session_duration_seconds_count") == len(run.calls)
    assert run.counted("sessions_partial_usage_total") == len(could_not(run))
    spoken = sum(call.record["timeline"]["first_speech"] is not None for call in run.calls)
    assert run.counted("session_start_seconds_count") == spoken


def test_turns_and_interruptions_are_what_callers_did(run: Run) -> None:
    for call in as_planned(run):
        assert call.usage["turns"] == call.turns, str(call)
        assert (call.usage["interruptions"] > 0) == (call.fault.name == "caller interrupts"), str(call)


def test_tool_calls_are_what_the_model_asked_for(run: Run) -> None:
    for call in could_speak(run):
        calls = {name: sum(outcomes.values()) for name, outcomes in call.usage["tool_calls"].items()}
        assert calls == dict(call.tools), str(call)
    for call in as_planned(run):
        has_failed = any(outcomes["error"] for outcomes in call.usage["tool_calls"].values())
        # A call that is ended in mid-answer may end its tool before that returns.
        if call.fault.happens not in (hangs_up_in_mid_answer, is_deleted):
            assert has_failed == (call.fault.happens is meets_an_error), str(call)


def test_the_channel_was_as_bad_as_it_was_to_be(run: Run) -> None:
    fates = run.channel.fates
    assert set(fates) >= {"passed", "lost", "unanswered", "busy", "late", "twice"}, fates
    assert run.counted("report_batches_total", outcome="repeated") > 0
