"""`podline doctor` against a controller, a model and a cluster."""

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from podline_cli.local.check_cluster import RIGHTS, check_cluster
from podline_cli.local.check_machine import check_model
from podline_cli.local.findings import CheckStatus
from testing.processes import ROOT, free_port
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import Answer, FakeApi, agent, problem

KEY = "a-key-that-is-never-shown"


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no kubeconfig and no settings of whoever runs this."""
    for name in ("GOOGLE_API_KEY", "KUBECONFIG", "PODLINE_ROOMS", "PODLINE_RUNTIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def sound(api: FakeApi) -> FakeApi:
    api.agents = {"clerk": agent("clerk")}
    api.answers = {
        ("GET", "/livez"): Answer(body={"status": "ok"}),
        ("GET", "/readyz"): Answer(body={"status": "ok"}),
        ("POST", "/v1/sessions"): problem(422, "invalid_request", "user_id: required"),
        ("PUT", "/v1/agents/podline-doctor"): problem(422, "invalid_request", "files: required"),
    }
    return api


def checks(outcome: Any) -> dict[str, dict[str, Any]]:
    return {each["check"]: each for each in json.loads(outcome.out)["checks"]}


@pytest.mark.usefixtures("sound")
def test_a_sound_controller_passes_every_check(at: Podline) -> None:
    outcome = at("doctor", "-o", "json")
    found = checks(outcome)

    assert outcome.code == 0
    assert json.loads(outcome.out)["ok"]
    assert {found[name]["status"] for name in ("controller", "clock", "ready", "key", "agents")} == {"ok"}
    assert "clerk" in found["agents"]["message"]


def test_a_key_that_is_not_accepted_fails_with_the_way_to_another(at: Podline, sound: FakeApi) -> None:
    sound.key = "another"
    del sound.answers["POST", "/v1/sessions"]
    outcome = at("doctor", "-o", "json", PODLINE_KEY=KEY)

    assert outcome.code == 1
    assert checks(outcome)["key"]["status"] == "failed"
    assert "podline context set" in checks(outcome)["key"]["remedy"]
    assert KEY not in outcome.out + outcome.err


def test_scopes_that_a_key_lacks_are_named(at: Podline, sound: FakeApi) -> None:
    lacking = problem(403, "forbidden", "The key lacks the scope admin.")
    sound.answers["PUT", "/v1/agents/podline-doctor"] = lacking
    found = checks(at("doctor", "-o", "json", PODLINE_KEY=KEY))["key"]

    assert found["status"] == "warning"
    assert found["message"] == "The key may start, read, stop, and not admin."


def test_the_check_of_scopes_starts_and_stops_nothing(at: Podline, sound: FakeApi) -> None:
    at("doctor")

    assert [each.body for each in sound.seen if each.method == "POST"] == [{}]
    assert [each.path for each in sound.seen if each.method == "DELETE"] == ["/v1/sessions/podline-doctor"]


def test_a_controller_that_is_not_ready_fails_with_its_own_words(at: Podline, sound: FakeApi) -> None:
    detail = "Bots cannot be launched right now."
    sound.answers["GET", "/readyz"] = Answer(503, {"status": "unavailable", "detail": detail})
    outcome = at("doctor")

    assert outcome.code == 1
    assert f"failed\tready\t{detail}" in outcome.out


def test_clocks_that_differ_are_noticed(at: Podline, sound: FakeApi) -> None:
    past = {"Date": "Mon, 30 Nov 2020 09:00:00 GMT"}
    sound.answers["GET", "/livez"] = Answer(body={"status": "ok"}, headers=past)

    assert checks(at("doctor", "-o", "json"))["clock"]["status"] == "failed"


def test_an_agent_that_takes_no_calls_fails_and_one_with_an_earlier_version_warns(
    at: Podline, sound: FakeApi
) -> None:
    sound.agents = {
        "clerk": agent("clerk", problem="podline.toml: idle_seconds: write less."),
        "broken": agent("broken", version=None, problem="bot.py: write the bot in this file."),
    }
    lines = [line.split("\t") for line in at("doctor").out.splitlines()]

    assert [line for line in lines if line[1] == "agents"] == [
        [
            "warning",
            "agents",
            "clerk: An earlier version serves.",
            "podline.toml: idle_seconds: write less.",
        ],
        ["failed", "agents", "broken: It takes no calls.", "bot.py: write the bot in this file."],
    ]


def test_without_a_controller_the_rest_is_checked_and_nothing_has_failed(podline: Podline) -> None:
    outcome = podline("doctor", PODLINE_URL=f"http://127.0.0.1:{free_port()}")

    assert outcome.code == 0
    assert "warning\tcontroller" in outcome.out
    assert "podline dev" in outcome.out
    assert "ok\tdisk" in outcome.out


def test_a_controller_elsewhere_that_is_unreachable_fails_with_a_sentence_and_a_remedy(
    podline: Podline,
) -> None:
    # An address of this machine, but none that is known to be.
    elsewhere = f"http://0.0.0.0:{free_port()}"
    found = checks(podline("doctor", "-o", "json", PODLINE_URL=elsewhere))["controller"]

    assert found["status"] == "failed"
    assert found["message"] == f"The controller at {elsewhere} (PODLINE_URL) can't be reached."
    assert found["remedy"].startswith("See that it runs, or name another one")


def test_a_controller_that_is_draining_is_noticed_with_a_key(at: Podline, sound: FakeApi) -> None:
    sound.key, sound.draining = KEY, True
    found = checks(at("doctor", "-o", "json", PODLINE_KEY=KEY))["ready"]

    assert found["status"] == "warning"
    assert "draining" in found["message"]


class Models(BaseHTTPRequestHandler):
    """Gemini's list of models, for one key."""

    def do_GET(self) -> None:
        is_known = self.headers["x-goog-api-key"] == KEY
        self.send_response(200 if is_known else 400)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("key", "status"), [(KEY, CheckStatus.OK), ("a-wrong-one", CheckStatus.FAILED), ("", CheckStatus.SKIPPED)]
)
def test_the_models_key_is_tried_and_never_shown(model_url: str, key: str, status: CheckStatus) -> None:
    found = check_model({"GOOGLE_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": model_url})

    assert found.status is status
    assert not key or key not in repr(found)


def test_the_rights_that_are_checked_are_those_of_the_shipped_role() -> None:
    role = next(yaml.safe_load_all((ROOT / "deploy" / "base" / "role.yaml").read_text()))
    wanted = {
        (resource, name, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }
    checked = set()
    for resource, subresource, verbs in RIGHTS:
        kind, _, name = resource.partition("/")
        kind = kind.partition(".")[0] + (f"/{subresource}" if subresource else "")
        checked |= {(kind, name, verb) for verb in verbs}

    assert checked == wanted


@pytest.fixture
def kubeconfig(tmp_path: Path) -> dict[str, str]:
    """A kubeconfig, and a kubectl that may do all but delete."""
    (tmp_path / "config").write_text("")
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\ncase "$3" in delete) echo no; exit 1;; *) echo yes;; esac\n')
    kubectl.chmod(stat.S_IRWXU)
    return {"KUBECONFIG": str(tmp_path / "config"), "PATH": f"{tmp_path}:/usr/bin:/bin"}


def test_missing_rights_in_the_cluster_are_named(kubeconfig: dict[str, str], tmp_path: Path) -> None:
    [found] = check_cluster(kubeconfig, tmp_path)

    assert found.status is CheckStatus.WARNING
    assert "delete jobs.batch, delete pods" in found.message


def test_they_are_a_failure_where_the_controller_here_runs_its_bots_there(
    kubeconfig: dict[str, str], tmp_path: Path
) -> None:
    [found] = check_cluster({**kubeconfig, "PODLINE_RUNTIME": "kubernetes"}, tmp_path)

    assert found.status is CheckStatus.FAILED


def test_without_kubectl_the_check_is_skipped_with_a_note(kubeconfig: dict[str, str], tmp_path: Path) -> None:
    [found] = check_cluster({**kubeconfig, "PATH": "/nowhere"}, tmp_path)

    assert found.status is CheckStatus.SKIPPED
    assert "kubectl" in found.message
