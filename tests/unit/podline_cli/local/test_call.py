"""`podline call` where no call comes about; tests/local/test_dev.py makes real ones."""

from podline_cli.errors import ExitCode
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import Answer, FakeApi, problem, session


def test_an_agent_that_does_not_exist_is_not_called(at: Podline, api: FakeApi) -> None:
    detail = "There is no agent 'clerk'."
    api.answers["POST", "/v1/sessions"] = problem(404, "agent_not_found", detail)
    outcome = at("call", "clerk", "--say", "hello")

    assert outcome.code == ExitCode.NOT_FOUND
    assert detail in outcome.err
    assert [each.body for each in api.seen] == [{"agent": "clerk", "user_id": "podline-call"}]


def test_a_session_in_a_room_that_the_caller_cannot_join_is_stopped(at: Podline, api: FakeApi) -> None:
    live = session(
        "s-1", phase="live", room={"provider": "daily", "url": "https://x.daily.co/r", "token": None}
    )
    api.sessions = [live]
    api.answers["POST", "/v1/sessions"] = Answer(201, live)
    outcome = at("call", "clerk")

    assert outcome.code == ExitCode.FAILED
    assert "can't join the controller's rooms at Daily" in outcome.err
    assert live["phase"] == "stopping"


def test_a_bot_that_no_caller_reaches_is_a_failed_call_and_its_session_is_stopped(
    at: Podline, api: FakeApi
) -> None:
    room = {"provider": "webrtc", "url": f"{api.url}/sessions/s-1/api/offer", "token": "t"}
    failed = session("s-1", phase="failed", reason="crashed", message="The bot raised KeyError.", room=room)
    api.sessions = [failed]
    api.answers["POST", "/v1/sessions"] = Answer(201, failed)
    api.answers["POST", "/sessions/s-1/api/offer"] = problem(410, "session_ended", "The session has ended.")
    outcome = at("call", "clerk")

    assert outcome.code == ExitCode.FAILED
    assert outcome.out == "session s-1\n"
    assert outcome.err.splitlines()[-1] == "failed: crashed. The bot raised KeyError."
    assert "Bearer t" in [each.headers.get("authorization") for each in api.seen]
