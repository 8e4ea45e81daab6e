"""`podline agents`, `agent`, `deploy`, `rollback` and `delete` against a controller."""

import json
from pathlib import Path

import pytest

from podline_cli.errors import ExitCode
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import Answer, FakeApi, agent, problem, version

CRASH = (
    "Its bot crashed while it was started dry: ModuleNotFoundError: No module named 'shop' (bot.py, line 3)."
)

WARM = {"wanted": 3, "ready": 1, "starting": 1, "in_use": 4, "problem": "The quota is used up."}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "clerk"
    directory.mkdir()
    (directory / "pcc-deploy.toml").write_text('agent_name = "clerk"\nimage = "clerk:1"\n')
    (directory / "podline.toml").write_text("idle_seconds = 60\n")
    return directory


def test_agents_are_listed_with_state_calls_and_problem(at: Podline, api: FakeApi) -> None:
    api.agents = {
        "shopping": agent(sessions={"starting": 1, "live": 2, "stopping": 0}),
        "clerk": agent("clerk", warm=WARM),
        "broken": agent("broken", version=None, problem="pcc-deploy.toml: image: write a text."),
    }

    assert at("agents").out.splitlines() == [
        "NAME\tVERSION\tSTATE\tSTARTING\tLIVE\tSTOPPING\tWARM\tPROBLEM",
        "shopping\t1-5c0f3d9a\tready\t1\t2\t0\t\t",
        "clerk\t1-5c0f3d9a\tready\t0\t0\t0\t1/3\tThe quota is used up.",
        "broken\tnone\tinvalid\t0\t0\t0\t\tpcc-deploy.toml: image: write a text.",
    ]


def test_an_agent_is_shown_with_its_versions(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent(version=version(2), versions=[version(2), version(1)])}
    lines = at("agent", "shopping").out.splitlines()

    assert "image\tshop:1" in lines
    assert "2-5c0f3d9a\t5c0f3d9a5c0f\t2026-11-30T09:00:00.000Z\tyes" in lines


def test_an_agent_shows_how_many_of_its_warm_bots_are_ready_and_why_no_more_are(
    at: Podline, api: FakeApi
) -> None:
    api.agents = {"clerk": agent("clerk", warm=WARM), "plain": agent("plain")}
    lines = at("agent", "clerk").out.splitlines()

    assert "warm bots\t1 of 3 ready, 1 starting, 4 in use" in lines
    assert "warm problem\tThe quota is used up." in lines
    assert "warm" not in at("agent", "plain").out


def test_an_agent_of_a_controller_that_lists_no_versions_is_shown_without(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent()}

    assert "VERSION" not in at("agent", "shopping").out


def test_deploy_sends_both_files_and_ends_when_the_bot_has_started(
    at: Podline, api: FakeApi, project: Path
) -> None:
    outcome = at("deploy", str(project))

    [put, *_] = api.seen
    assert put.body["files"] == {each.name: each.read_text() for each in project.iterdir()}
    assert (outcome.code, outcome.out) == (ExitCode.OK, "clerk is ready: 1-5c0f3d9a serves.\n")


def test_deploy_names_the_agent_after_its_directory_if_nothing_else_does(
    at: Podline, api: FakeApi, project: Path
) -> None:
    (project / "pcc-deploy.toml").unlink()
    at("deploy", str(project))

    assert api.seen[0].path == "/v1/agents/clerk"


def test_a_bot_that_does_not_start_ends_deploy_with_its_own_error(
    at: Podline, api: FakeApi, project: Path
) -> None:
    api.agents = {"clerk": agent("clerk")}
    api.dry_start = CRASH
    outcome = at("deploy", str(project))

    assert (outcome.code, outcome.out) == (ExitCode.DEPLOY_REFUSED, "")
    assert outcome.err == f"clerk was not deployed, and 1-5c0f3d9a goes on serving: {CRASH}\n"


def test_a_refused_deployment_in_json_is_on_standard_output(at: Podline, api: FakeApi, project: Path) -> None:
    api.dry_start = CRASH
    outcome = at("deploy", str(project), "-o", "json")

    assert outcome.code == ExitCode.DEPLOY_REFUSED
    assert json.loads(outcome.out)["problem"] == CRASH


@pytest.mark.parametrize(
    ("status", "code", "detail"),
    [
        (422, "agent_invalid", "pcc-deploy.toml: image: write an image with its tag."),
        (
            422,
            "agent_invalid",
            'pcc-deploy.toml: secret_set: there is no secret set "x"; `podline secrets set x --file .env`.',
        ),
        (409, "agent_defined_by_file", "agents/clerk defines it: change that directory."),
        (501, "not_implemented", "Agents are directories here: change the agent's own."),
    ],
)
def test_a_definition_that_the_controller_refuses_ends_deploy_with_its_sentence(
    at: Podline, api: FakeApi, project: Path, status: int, code: str, detail: str
) -> None:
    api.answers["PUT", "/v1/agents/clerk"] = problem(status, code, detail)
    outcome = at("deploy", str(project))

    assert (outcome.code, outcome.err) == (ExitCode.DEPLOY_REFUSED, f"clerk was not deployed: {detail}\n")


def test_a_key_that_may_not_deploy_is_no_refused_deployment(at: Podline, api: FakeApi, project: Path) -> None:
    api.answers["PUT", "/v1/agents/clerk"] = problem(403, "forbidden", "The key lacks the scope admin.")

    assert at("deploy", str(project)).code == ExitCode.NOT_ALLOWED


def test_a_controller_that_is_in_trouble_is_no_refused_deployment(
    at: Podline, api: FakeApi, project: Path
) -> None:
    api.answers["PUT", "/v1/agents/clerk"] = problem(503, "runtime_unavailable", "The cluster is away.")

    assert at("deploy", str(project)).code == ExitCode.FAILED


def test_deploy_without_waiting_says_what_serves_until_then(at: Podline, api: FakeApi, project: Path) -> None:
    api.agents = {"clerk": agent("clerk")}
    outcome = at("deploy", str(project), "--no-wait")

    assert outcome.out == "clerk is being deployed; 1-5c0f3d9a serves until then.\n"


def test_deploy_gives_up_waiting_with_the_next_step(at: Podline, api: FakeApi, project: Path) -> None:
    api.polls = 99
    outcome = at("deploy", str(project), "--timeout", "1")

    assert outcome.code == ExitCode.FAILED
    assert "podline agent clerk" in outcome.err


def test_deploy_needs_a_definition(at: Podline, tmp_path: Path) -> None:
    outcome = at("deploy", str(tmp_path))

    assert outcome.code == ExitCode.USAGE
    assert "podline init" in outcome.err


@pytest.mark.parametrize(
    "content",
    ["agent_name = ", "agent_name = 3", "agent_name = ''", "x = " + "[" * 9000, "#" * 300_000],
    ids=range(5),
)
def test_a_definition_that_is_wrong_is_not_sent(
    at: Podline, api: FakeApi, project: Path, content: str
) -> None:
    (project / "pcc-deploy.toml").write_text(content)
    outcome = at("deploy", str(project))

    assert (outcome.code, api.seen) == (ExitCode.DEPLOY_REFUSED, [])
    assert outcome.err.count("\n") == 1


def test_rollback_returns_to_the_version_before(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent(version=version(2))}
    outcome = at("rollback", "shopping")

    assert outcome.out == "shopping serves version 1-5c0f3d9a.\n"
    assert api.seen[-1].body == {"version": None}


def test_a_rollback_that_is_refused_ends_with_the_problem(at: Podline, api: FakeApi) -> None:
    refused = "The cluster refuses its Jobs. The image is not allowed."
    api.agents = {"shopping": agent(version=version(2))}
    rollback = ("POST", "/v1/agents/shopping/rollback")
    api.answers[rollback] = Answer(200, agent(version=version(2), problem=refused))
    outcome = at("rollback", "shopping")

    assert (outcome.code, outcome.out) == (ExitCode.DEPLOY_REFUSED, "")
    assert outcome.err == f"shopping was not rolled back, and 2-5c0f3d9a goes on serving: {refused}\n"


def test_a_refused_rollback_in_json_is_on_standard_output(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent()}
    api.answers["POST", "/v1/agents/shopping/rollback"] = Answer(200, agent(problem=CRASH))
    outcome = at("rollback", "shopping", "-o", "json")

    assert outcome.code == ExitCode.DEPLOY_REFUSED
    assert json.loads(outcome.out)["problem"] == CRASH


def test_a_rollback_whose_bot_is_tried_first_says_what_serves_until_then(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent()}
    api.answers["POST", "/v1/agents/shopping/rollback"] = Answer(200, agent(deploying=True))

    assert at("rollback", "shopping").out == ("shopping is being deployed; 1-5c0f3d9a serves until then.\n")


def test_rollback_to_a_version_that_is_not_there_is_not_found(at: Podline, api: FakeApi) -> None:
    detail = "shopping has no version 9-aaaaaaaa."
    api.answers["POST", "/v1/agents/shopping/rollback"] = problem(404, "version_not_found", detail)
    api.agents = {"shopping": agent()}
    outcome = at("rollback", "shopping", "9-aaaaaaaa")

    assert (outcome.code, outcome.err) == (ExitCode.NOT_FOUND, f"{detail}\n")


def test_delete_asks_nobody_where_nobody_answers(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent()}
    outcome = at("delete", "shopping")

    assert (outcome.code, api.seen) == (ExitCode.USAGE, [])
    assert "--yes" in outcome.err


def test_delete_with_yes_deletes(at: Podline, api: FakeApi) -> None:
    api.agents = {"shopping": agent()}

    assert at("delete", "shopping", "--yes").code == ExitCode.OK
    assert api.agents == {}
