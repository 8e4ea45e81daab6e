"""`podline ps`, `show`, `stop`, `drain` and `usage` against a controller."""

import json

import pytest

from podline_cli.errors import ExitCode
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import FakeApi, session


def live(session_id: str = "live-1", **fields: object) -> dict[str, object]:
    found = session(session_id, phase="live", reason=None, message=None)
    found["timeline"]["ended"] = None
    return found | fields


def ids(out: str) -> list[str]:
    return [line.partition("\t")[0] for line in out.splitlines()[1:]]


def test_ps_lists_the_calls_that_run(at: Podline, api: FakeApi) -> None:
    api.sessions = [live("one"), session("over"), live("two", phase="starting")]

    assert sorted(ids(at("ps").out)) == ["one", "two"]


def test_ps_lists_ended_calls_too_if_asked_for_all(at: Podline, api: FakeApi) -> None:
    api.sessions = [live("one"), session("over")]

    assert sorted(ids(at("ps", "--all").out)) == ["one", "over"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--user", "bea"), ["of-bea"]),
        (("--agent", "clerk"), ["of-clerk"]),
        (("--phase", "starting"), ["of-clerk"]),
        (("--user", "nobody"), []),
    ],
)
def test_ps_lists_only_what_matches(
    at: Podline, api: FakeApi, filters: tuple[str, ...], found: list[str]
) -> None:
    api.sessions = [live("of-bea", user_id="bea"), live("of-clerk", agent="clerk", phase="starting")]

    assert ids(at("ps", *filters).out) == found


def test_ps_reads_all_pages(at: Podline, api: FakeApi) -> None:
    api.sessions = [live(f"s-{number}") for number in range(1201)]

    assert len(ids(at("ps").out)) == 1201


def test_ps_in_json_has_the_sessions_as_the_api_sends_them(at: Podline, api: FakeApi) -> None:
    api.sessions = [live("one", metadata={"cart": "ä"})]

    assert json.loads(at("ps", "-o", "json").out) == {"sessions": api.sessions}


def test_ps_without_calls_says_so_beside_an_empty_table(at: Podline) -> None:
    outcome = at("ps")

    assert ids(outcome.out) == []
    assert "--all" in outcome.err


def test_show_names_each_step_that_was_reached(at: Podline, api: FakeApi) -> None:
    api.sessions = [session()]
    lines = at("show", "cart-7f3a").out.splitlines()

    assert "first_speech\t2026-11-30T09:15:04.893Z +2.475" in lines
    assert "ended\t2026-11-30T09:16:04.893Z +62.475" in lines
    assert "tool.search_products\t2 ok, 1 failed" in lines
    assert "cost\t0.0125 USD" in lines


def test_show_in_json_is_the_session(at: Podline, api: FakeApi) -> None:
    api.sessions = [session()]

    assert json.loads(at("show", "cart-7f3a", "--output", "json").out) == session()


def test_show_of_an_unknown_session_has_its_own_exit_code(at: Podline) -> None:
    outcome = at("show", "nope")

    assert (outcome.code, outcome.out) == (ExitCode.NOT_FOUND, "")
    assert outcome.err == "There is no session 'nope'.\n"


@pytest.mark.parametrize("session_id", ["..", ".", "../agents", "a/../../livez", "%2e%2e", "x?y", "x#y"])
def test_an_id_stays_one_part_of_the_path(at: Podline, api: FakeApi, session_id: str) -> None:
    at("show", session_id)

    [request] = api.seen
    assert request.path.startswith("/v1/sessions/")
    assert request.path.count("/") == 3
    assert not set(request.path) & set("?#")


def test_stop_asks_each_bot_to_end(at: Podline, api: FakeApi) -> None:
    api.sessions = [live("one"), live("two")]
    outcome = at("stop", "one", "two")

    assert [each["phase"] for each in api.sessions] == ["stopping", "stopping"]
    assert ids(outcome.out) == ["one", "two"]


def test_stop_goes_on_after_a_session_that_is_not_there(at: Podline, api: FakeApi) -> None:
    api.sessions = [live("two")]
    outcome = at("stop", "one", "two")

    assert outcome.code == ExitCode.NOT_FOUND
    assert ids(outcome.out) == ["two"]
    assert "'one'" in outcome.err


def test_drain_refuses_calls_until_it_is_turned_off(at: Podline, api: FakeApi) -> None:
    drained = json.loads(at("drain", "-o", "json").out)
    was_draining = api.draining
    at("drain", "--off")

    assert (drained["draining"], was_draining, api.draining) == (True, True, False)


def test_drain_waits_for_the_last_call(at: Podline, api: FakeApi) -> None:
    api.sessions = [live("one")]
    outcome = at("drain", "--wait")

    assert (outcome.code, outcome.out) == (ExitCode.OK, "The controller accepts no calls; none runs.\n")


def test_there_is_nothing_to_wait_for_when_draining_ends(at: Podline) -> None:
    assert at("drain", "--off", "--wait").code == ExitCode.USAGE


def test_usage_sums_all_pages(at: Podline, api: FakeApi) -> None:
    api.sessions = [session(f"s-{number}") for number in range(1001)]
    total = json.loads(at("usage", "-o", "json").out)["total"]

    assert (total["sessions"], total["turns"], total["prompt_tokens"]) == (1001, 4004, 2142140)
    assert total["cost"] == {"USD": pytest.approx(12.5125)}
    assert not total["partial"]


def test_usage_says_that_a_running_call_makes_it_partial(at: Podline, api: FakeApi) -> None:
    api.sessions = [live()]
    outcome = at("usage")

    assert "total\t1\t0\t" in outcome.out
    assert "Partial" in outcome.err


@pytest.mark.parametrize(("by", "name"), [("agent", "clerk"), ("user", "bea"), ("model", "gpt")])
def test_usage_has_a_line_for_each_group(at: Podline, api: FakeApi, by: str, name: str) -> None:
    other = session("two", agent="clerk", user_id="bea", cost=None)
    other["usage"]["models"] = {"gpt": {"prompt_tokens": 7, "completion_tokens": 3}}
    api.sessions = [session("one"), other]
    groups = json.loads(at("usage", "--by", by, "-o", "json").out)[f"by_{by}"]

    assert len(groups) == 2
    assert (groups[name]["sessions"], groups[name]["prompt_tokens"]) == (1, 7)


def test_usage_since_leaves_older_calls_out(at: Podline, api: FakeApi) -> None:
    old = session("old")
    old["timeline"] = old["timeline"] | {"accepted": "2026-11-01T09:00:00Z"}
    api.sessions = [session("late"), old]
    total = json.loads(at("usage", "--since", "2026-11-15", "-o", "json").out)["total"]

    assert total["sessions"] == 1


@pytest.mark.parametrize("since", ["yesterday", "5 weeks", "9999999d", "0001-01-01", "-1h"])
def test_a_time_that_nobody_understands_is_a_usage_error(at: Podline, since: str) -> None:
    assert at("usage", f"--since={since}").code == ExitCode.USAGE
