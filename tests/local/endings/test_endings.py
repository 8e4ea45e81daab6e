"""Every way a call can end on one machine: the real sandbox, controller and bots, and a scripted caller."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.local.endings import causes
from tests.local.endings.matrix import Ending, Matrix, check, playing_chosen

SITES = {
    # Time for goodbyes.
    "patient": {"PODLINE_GRACE_SECONDS": "20"},
    # For causes in the model and the shop, which one sandbox can only get wrong for one call at a time.
    "troubled": {"PODLINE_GRACE_SECONDS": "20"},
    # No time for goodbyes, nor for silence.
    "hasty": {
        "PODLINE_GRACE_SECONDS": "3",
        "PODLINE_IDLE_SECONDS": "5",
        "PODLINE_SILENCE_SECONDS": "9",
        "PODLINE_BOT_MEMORY_MEGABYTES": "1024",
    },
}

LEFT = ("caller_left", "The caller left the call.", 0, 6)
"""How a call ends that went on."""

ENDINGS_OF_CALLS = [
    # The caller.
    Ending("caller-closes", "patient", causes.caller_closes, *LEFT),
    Ending(
        "tab-killed",
        "hasty",
        causes.tab_is_killed,
        "caller_left",
        "did not come back within 3 seconds",
        0,
        6 + 3 + 3,
    ),
    Ending("back-at-once", "patient", causes.caller_comes_back_at_once, *LEFT),
    Ending("back-after-loss", "patient", causes.caller_comes_back_after_the_loss_was_noticed, *LEFT),
    Ending("nobody-comes", "hasty", causes.nobody_comes, "no_caller", "within 4 seconds", 0, 8),
    Ending("nobody-speaks", "hasty", causes.nobody_says_anything, "idle", "for 5 seconds", 0, 20),
    Ending("microphone-silent", "hasty", causes.microphone_is_silent, "idle", "for 5 seconds", 0, 20),
    Ending("no-audio-track", "hasty", causes.offer_has_no_audio, "no_caller", "within 4 seconds", 0, 8),
    # The bot and its time.
    Ending("time-is-up", "patient", causes.time_is_up, "max_duration", "of 16 seconds", 0, 20),
    Ending("budget-spent", "patient", causes.budget_is_spent, "budget_spent", "its budget was 700", 0, 30),
    Ending("goodbye", "patient", causes.caller_says_goodbye, "completed", "said goodbye", 0, 15),
    # Who stops it.
    Ending("deleted-at-once", "hasty", causes.deleted_at_once, "stopped", "on request", None, 6),
    Ending(
        "deleted-in-start",
        "hasty",
        causes.deleted_before_the_start_is_answered,
        "stopped",
        "on request",
        None,
        6,
    ),
    Ending(
        "deleted-twice-starting",
        "hasty",
        causes.deleted_twice_while_it_starts,
        "stopped",
        "on request",
        None,
        6,
    ),
    Ending(
        "deleted-nobody-there", "patient", causes.deleted_while_nobody_is_there, "stopped", "on request", 0, 6
    ),
    Ending("deleted-twice-live", "patient", causes.deleted_twice_in_the_call, "stopped", "on request", 0, 20),
    Ending("sigterm", "patient", causes.terminated_in_a_sentence, "vanished", "by someone else", 0, 20),
    Ending("sigkill", "hasty", causes.killed, "vanished", "by someone else", None, 3),
    Ending("sigstop", "hasty", causes.frozen, "unresponsive", "became unresponsive", None, 9 + 3 + 5),
    Ending(
        "sigstop-starting", "hasty", causes.frozen_while_it_starts, "start_timeout", "in time", None, 15 + 8
    ),
    # What breaks.
    Ending(
        "persona-broken", "hasty", causes.persona_is_broken, "config_invalid", "greeting is missing", 64, 10
    ),
    Ending(
        "wrong-variable", "hasty", causes.breaks_at_its_start, "config_invalid", "CONVEX_URL is no", 64, 10
    ),
    Ending("crash-at-import", "hasty", causes.breaks_at_its_start, "crashed", "RuntimeError", 1, 10),
    Ending("crash-in-the-main-flow", "hasty", causes.breaks_at_its_start, "crashed", "RuntimeError", 1, 15),
    Ending("exits-by-itself", "hasty", causes.breaks_at_its_start, "crashed", "called sys.exit()", 1, 15),
    Ending("crash-in-the-pipeline", "hasty", causes.breaks_when_asked, "crashed", "RuntimeError", 1, 20),
    Ending(
        "blocks-the-loop",
        "patient",
        causes.breaks_when_asked,
        "crashed",
        "The processor LLMUserAggregator#0 blocks the whole bot",
        1,
        20,
    ),
    Ending("end-withheld", "patient", causes.deleted_twice_in_the_call, "stopped", "on request", 0, 20),
    Ending(
        "end-withheld-from-a-signal",
        "patient",
        causes.terminated_in_a_sentence,
        "vanished",
        "by someone else",
        0,
        20,
    ),
    Ending("crash-in-a-tool", "patient", causes.tool_crashes, *LEFT),
    Ending("out-of-memory", "hasty", causes.breaks_when_asked, "out_of_memory", "memory", 137, 15),
    # The model.
    Ending(
        "model-refuses-key",
        "troubled",
        causes.model_gets_wrong("refuse_key"),
        "model_refused",
        "API key not valid",
        67,
        20,
    ),
    Ending(
        "model-key-leaked",
        "troubled",
        causes.model_gets_wrong("refuse_key", code=1008),
        "model_refused",
        "reported as leaked",
        67,
        20,
    ),
    Ending(
        "model-refuses-quota",
        "troubled",
        causes.model_s_quota_is_used_up,
        "model_unreachable",
        "exceeded your current quota",
        68,
        20,
    ),
    Ending(
        "model-refuses-setup",
        "troubled",
        causes.model_gets_wrong("refuse_setup"),
        "model_refused",
        "invalid argument",
        67,
        20,
    ),
    Ending(
        "model-status-403",
        "troubled",
        causes.model_gets_wrong("http_status", status=403),
        "model_refused",
        "status 403",
        67,
        20,
    ),
    Ending(
        "model-status-429",
        "troubled",
        causes.model_gets_wrong("http_status", status=429, times=3),
        "model_unreachable",
        "status 429",
        68,
        20,
    ),
    Ending(
        "model-unreachable",
        "troubled",
        causes.model_gets_wrong("unreachable", times=10),
        "model_unreachable",
        "could not be reached",
        68,
        20,
    ),
    Ending(
        "model-hangs",
        "troubled",
        causes.model_hangs,
        "model_unreachable",
        "no answer",
        68,
        30,
    ),
    Ending("model-drops-once", "troubled", causes.call_survives("drop", after="audio"), *LEFT),
    Ending("model-forgets", "patient", causes.model_drops_and_has_forgotten, *LEFT),
    Ending("model-drops-in-tool", "troubled", causes.model_drops_after_a_tool_call, *LEFT),
    Ending(
        "model-drops-on",
        "troubled",
        causes.model_is_gone_again_and_again,
        "model_lost",
        "several times in a row",
        69,
        20,
    ),
    Ending("model-stalls", "patient", causes.model_falls_silent, "model_lost", "can call again", 69, 25),
    Ending("model-talks-nonsense", "troubled", causes.call_survives("nonsense", after="audio"), *LEFT),
    Ending(
        "model-goes-away",
        "troubled",
        causes.call_survives("go_away", after="audio", time_left_seconds=3),
        *LEFT,
    ),
    Ending("model-unknown-messages", "troubled", causes.call_survives("unknown_messages"), *LEFT),
    Ending("model-cancels-tool", "troubled", causes.model_cancels_a_tool_call, *LEFT),
    Ending("model-wrong-arguments", "troubled", causes.model_means_no_product, *LEFT),
    Ending("model-unknown-tool", "troubled", causes.model_calls_a_tool_that_is_none, *LEFT),
    Ending("model-usage-apart", "patient", causes.model_tells_usage_apart, *LEFT),
    # The shop.
    Ending("shop-slow", "patient", causes.shop_is_slow, *LEFT),
    Ending("shop-hangs", "patient", causes.shop_gets_wrong("hang"), *LEFT),
    Ending("shop-fails", "patient", causes.shop_gets_wrong("fail", status=503), *LEFT),
    Ending("shop-malformed", "patient", causes.shop_gets_wrong("malformed"), *LEFT),
    Ending("shop-wrong-shape", "patient", causes.shop_gets_wrong("wrong_shape"), *LEFT),
    # The controller.
    Ending("controller-away", "patient", causes.controller_is_away, *LEFT),
    Ending("channel-cut-a-while", "troubled", causes.channel_is_cut_for_a_while, *LEFT),
    Ending(
        "channel-cut",
        "hasty",
        causes.channel_is_cut_for_good,
        "unresponsive",
        "became unresponsive",
        0,
        9 + 3 + 8,
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Matrix]:
    """Plays the rows of all tests that were chosen, from the first test on."""
    directory = tmp_path_factory.mktemp("endings")
    async with playing_chosen(request, directory, ENDINGS_OF_CALLS, SITES) as matrix:
        yield matrix


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ENDINGS_OF_CALLS, ids=lambda row: row.id)
async def test_each_cause_ends_the_call_in_time_under_its_own_name(row: Ending, matrix: Matrix) -> None:
    """With its reason, a sentence that helps, its exit code; and no bot remains, nor does it use capacity."""
    check(row, await matrix.results[row.id])
