"""The auditor of the fault suite finds each defect in what a run wrote down, and none in a clean run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.faults.auditor import audit, effects, starts
from scripts.benchmarks.faults.evidence import read_evidence

BEGIN = 1_800_000_000.0
ONE, OTHER = "podline-replica-0", "podline-replica-1"
USED = [3, 900, 60]


def moment(at: float) -> str:
    return datetime.fromtimestamp(BEGIN + at, UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Run:
    """What one run wrote: a session that a caller started, and whose bot completed it."""

    audit: list[dict[str, Any]] = field(default_factory=list)
    bots: list[dict[str, Any]] = field(default_factory=list)
    callers: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=lambda: {"jobs": [], "pods": [], "secrets": []})

    def write(self, at: float, user: str, verb: str, resource: str, name: str, **more: Any) -> None:
        resource, _, subresource = resource.partition("/")
        answer = more.pop("answer", None)
        event: dict[str, Any] = {
            "kind": "Event",
            "verb": verb,
            "user": {"username": user},
            "requestURI": more.pop("uri", f"/apis/{resource}/{name}"),
            "requestReceivedTimestamp": moment(at - 0.01),
            "stageTimestamp": moment(at),
            "objectRef": {"resource": resource, "name": name, "subresource": subresource},
            "responseStatus": {"code": more.pop("code", 200)},
        }
        if answer is not None:
            event["responseObject"] = answer
        self.audit.append(event)

    def job(self, at: float, verb: str = "create", user: str = ONE, session: str = "s", **more: Any) -> None:
        labels = {"podline.dev/launch-id": more.get("launch", f"launch-{session}")}
        annotations = {"podline.dev/session-id": session}
        if "reason" in more:
            labels["podline.dev/reason"] = more["reason"]
            annotations["podline.dev/usage"] = json.dumps({"totals": totals(more.get("used", USED))})
        answer = {
            "metadata": {"name": more.get("name", session), "labels": labels, "annotations": annotations}
        }
        self.write(
            at, user, verb, "jobs", more.get("name", session), answer=answer, code=more.get("code", 200)
        )

    def pod(self, at: float, session: str = "s", suffix: str = "p") -> None:
        labels = {"batch.kubernetes.io/job-name": session, "podline.dev/launch-id": f"launch-{session}"}
        name = f"{session}-{suffix}"
        self.write(at, "admin", "create", "pods", "", answer={"metadata": {"name": name, "labels": labels}})

    def lease(self, at: float, user: str, holder: str) -> None:
        answer = {"metadata": {"name": "podline-controller"}, "spec": {"holderIdentity": holder}}
        self.write(at, user, "patch", "leases", "podline-controller", answer=answer)

    def bot(self, at: float, kind: str, session: str = "s", launch: str = "", **more: Any) -> None:
        line = {"at": BEGIN + at, "kind": kind, "launch": launch or f"launch-{session}", "session": session}
        if kind == "started":
            line |= {"node": "fake-0", "pod": f"{session}-p"}
        self.bots.append({**line, **more})

    def bot_ends(self, at: float, kind: str = "ended", session: str = "s", **more: Any) -> None:
        facts = {"usage": USED, "acked": USED, "silence": 5.0, "reason": "completed", "delivered": True}
        self.bot(at, kind, session, **{**facts, **more})

    def caller(self, at: float, kind: str, **more: Any) -> None:
        self.callers.append({"at": BEGIN + at, "kind": kind, **more})

    def session(self, session: str = "s") -> None:
        """Until its bot talks."""
        self.job(1, session=session)
        self.write(1.1, ONE, "create", "secrets", f"{session}-secret")
        self.pod(1.2, session)
        self.caller(1.3, "start", session=session, status=201, attempts=1, took=0.1, is_same=True)
        self.bot(2, "started", session)
        self.bot(2.1, "acked", session, seq=1, usage=USED)

    def save(self, directory: Path) -> None:
        for name, lines in (
            ("audit.log", self.audit),
            ("bots-0.jsonl", self.bots),
            ("callers.jsonl", self.callers),
            ("faults.jsonl", self.faults),
        ):
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
            (directory / name).write_text(text)
        (directory / "final.json").write_text(json.dumps(self.final))


def totals(used: Sequence[int]) -> dict[str, Any]:
    turns, prompt, completion = used
    return {"turns": turns, "models": {"m": {"prompt_tokens": prompt, "completion_tokens": completion}}}


def a_clean_run() -> Run:
    """Two controllers, one after the other; one session that its bot completed."""
    run = Run()
    run.lease(0.1, ONE, "replica-0_1")
    run.session()
    run.lease(4, OTHER, "replica-1_2")
    run.bot_ends(5)
    run.job(6, "patch", OTHER, reason="completed")
    run.final["jobs"] = [{"name": "s", "has_ended": True, "reason": "completed"}]
    run.final["secrets"] = [{"name": "s-secret", "owner": "s"}]
    return run


def found_in(run: Run, directory: Path) -> list[tuple[str, str]]:
    run.save(directory)
    return [(each.check, each.subject) for each in audit(read_evidence(directory))]


def test_a_clean_run_has_no_findings(tmp_path: Path) -> None:
    assert found_in(a_clean_run(), tmp_path) == []


def two_jobs(run: Run) -> None:
    run.job(2, "create", session="s", name="s-again", launch="another")
    run.job(7, "patch", OTHER, session="s", name="s-again", launch="another", reason="stopped")
    run.caller(2, "stop_asked", session="s")


def two_pods(run: Run) -> None:
    run.pod(3, suffix="second")


def two_bots(run: Run) -> None:
    run.bot(3, "started", launch="another")
    run.bot(4, "ended", launch="another", usage=USED, acked=USED, reason="completed", delivered=True)


def a_job_without_an_end(run: Run) -> None:
    run.final["jobs"][0] |= {"has_ended": False, "reason": ""}


def a_job_without_a_record(run: Run) -> None:
    run.final["jobs"][0]["reason"] = ""


def a_running_pod(run: Run) -> None:
    run.final["pods"] = [{"name": "s", "phase": "Running"}]


def a_secret_of_nobody(run: Run) -> None:
    run.final["secrets"] = [{"name": "s", "owner": "gone"}]


def a_room(run: Run) -> None:
    run.final["rooms"] = ["s"]


def a_process(run: Run) -> None:
    run.final["processes"] = ["s"]


def a_bot_that_runs(run: Run) -> None:
    run.bots = [line for line in run.bots if line["kind"] != "ended"]


def a_false_reason(run: Run) -> None:
    run.audit.pop()
    run.job(6, "patch", OTHER, reason="vanished")


def a_killed_bot_that_completed(run: Run) -> None:
    run.bots.pop()
    run.bot_ends(5, "killed", how="out-of-memory")


def a_killed_bot_whose_call_went_on(run: Run) -> None:
    run.audit.pop()
    run.bots.pop()
    run.bot_ends(5, "killed", how="exit-137", said="running")
    run.job(6, "patch", OTHER, reason="running")


def a_stop_that_nobody_asked_for(run: Run) -> None:
    run.audit.pop()
    run.job(6, "patch", OTHER, reason="stopped")


def a_silence_that_was_none(run: Run) -> None:
    run.audit.pop()
    run.job(6, "patch", OTHER, reason="unresponsive")


def no_record_at_all(run: Run) -> None:
    run.audit.pop()


def a_session_that_was_accepted_and_taken_back(run: Run) -> None:
    run.audit.pop()
    run.write(7, OTHER, "delete", "jobs", "s")


def two_reasons(run: Run) -> None:
    run.job(7, "patch", OTHER, reason="vanished")
    run.job(8, "patch", OTHER, reason="completed")


def too_little_usage(run: Run) -> None:
    run.audit.pop()
    run.job(6, "patch", OTHER, reason="completed", used=[2, 600, 40])


def usage_of_a_killed_bot_that_was_acknowledged(run: Run) -> None:
    run.bots.pop()
    run.audit.pop()
    run.bot_ends(5, "killed", how="exit-137", acked=[3, 900, 60], usage=[4, 1200, 80])
    run.job(6, "patch", OTHER, reason="vanished", used=[2, 600, 40])


def usage_that_was_never_used(run: Run) -> None:
    run.bots.pop()
    run.audit.pop()
    run.bot_ends(5, "killed", how="exit-137", acked=[2, 600, 40], usage=USED)
    run.job(6, "patch", OTHER, reason="vanished", used=[4, 1200, 80])


def another_session_for_the_same_key(run: Run) -> None:
    run.caller(3, "start", session="s", status=200, attempts=2, took=1, is_same=False)


def an_answer_without_a_job(run: Run) -> None:
    run.caller(3, "start", session="t", status=201, attempts=1, took=1, is_same=True)


@pytest.mark.parametrize(
    ("defect", "check", "subject"),
    [
        (two_jobs, "duplicate", "s"),
        (two_pods, "duplicate", "s"),
        (two_bots, "duplicate", "s"),
        (a_job_without_an_end, "orphan", "s"),
        (a_job_without_a_record, "orphan", "s"),
        (a_running_pod, "orphan", "s"),
        (a_secret_of_nobody, "orphan", "s"),
        (a_room, "orphan", "s"),
        (a_process, "orphan", "s"),
        (a_bot_that_runs, "orphan", "s"),
        (a_false_reason, "reason", "s"),
        (a_killed_bot_that_completed, "reason", "s"),
        (a_killed_bot_whose_call_went_on, "reason", "s"),
        (a_stop_that_nobody_asked_for, "reason", "s"),
        (a_silence_that_was_none, "reason", "s"),
        (no_record_at_all, "reason", "s"),
        (a_session_that_was_accepted_and_taken_back, "reason", "s"),
        (two_reasons, "contradiction", "s"),
        (too_little_usage, "usage", "s"),
        (usage_of_a_killed_bot_that_was_acknowledged, "usage", "s"),
        (usage_that_was_never_used, "usage", "s"),
        (another_session_for_the_same_key, "answer", "s"),
        (an_answer_without_a_job, "answer", "t"),
    ],
)
def test_each_defect_is_found(
    defect: Callable[[Run], None], check: str, subject: str, tmp_path: Path
) -> None:
    run = a_clean_run()
    defect(run)
    assert (check, subject) in found_in(run, tmp_path)


def test_a_deposed_leaders_write_is_found_once_its_successor_has_written(tmp_path: Path) -> None:
    run = a_clean_run()
    # Between the Lease's change and the first write of the new leader it harms nobody.
    run.write(5, ONE, "patch", "jobs", "s", code=200, answer={"metadata": {"name": "s"}})
    assert found_in(run, tmp_path) == []

    run.write(6.5, ONE, "delete", "pods", "s-p")
    assert found_in(run, tmp_path) == [("deposed", ONE)]


def test_a_deposed_leaders_write_that_the_api_server_refuses_is_none(tmp_path: Path) -> None:
    run = a_clean_run()
    run.write(6.5, ONE, "delete", "pods", "s-p", code=409)
    assert found_in(run, tmp_path) == []


def test_who_leads_again_may_write_again(tmp_path: Path) -> None:
    run = a_clean_run()
    run.lease(7, ONE, "replica-0_3")
    run.write(7.5, ONE, "delete", "pods", "s-p")
    assert found_in(run, tmp_path) == []


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        ("out_of_memory", lambda run: run.bot_ends(5, "killed", how="out-of-memory")),
        ("vanished", lambda run: run.bot_ends(5, "killed", how="exit-137")),
        ("vanished", lambda run: run.bot_ends(5, "killed", how="exit-137", said="running")),
        ("completed", lambda run: run.bot_ends(5, "killed", how="exit-137", said="completed")),
        ("vanished", lambda run: run.write(5, "fault-suite", "delete", "pods", "s-p")),
        ("evicted", lambda run: run.write(5, "fault-suite", "create", "pods/eviction", "s-p", code=201)),
        ("stopped", lambda run: run.caller(4, "stop_asked", session="s")),
        ("unresponsive", lambda run: run.bot_ends(5, silence=21.0)),
        ("node_lost", lambda run: run.write(5, "fault-suite", "delete", "nodes", "fake-0")),
    ],
)
def test_what_happened_is_a_true_reason(reason: str, what: Callable[[Run], None], tmp_path: Path) -> None:
    run = a_clean_run()
    run.audit.pop()
    run.bots.pop()
    run.bot_ends(5, reason="terminated")
    what(run)
    run.job(6, "patch", OTHER, reason=reason)
    assert found_in(run, tmp_path) == []


def test_a_start_timeout_is_true_only_of_a_bot_that_started_late(tmp_path: Path) -> None:
    for started, expected in ((2.0, [("reason", "s")]), (58.0, [])):
        run = a_clean_run()
        run.audit.pop()
        run.bots = []
        run.bot(started, "started")
        run.bot(started + 1, "acked", seq=1, usage=USED)
        run.bot_ends(started + 4, reason="terminated")
        run.job(70, "patch", OTHER, reason="start_timeout")
        assert found_in(run, tmp_path) == expected


def test_a_killed_bots_last_batch_may_be_lost_or_recorded(tmp_path: Path) -> None:
    for recorded in ([2, 600, 40], USED):
        run = a_clean_run()
        run.audit.pop()
        run.bots.pop()
        run.bot_ends(5, "killed", how="exit-137", acked=[2, 600, 40], usage=USED)
        run.job(6, "patch", OTHER, reason="vanished", used=recorded)
        assert found_in(run, tmp_path) == []


def test_a_job_that_was_only_tried_is_no_session(tmp_path: Path) -> None:
    run = a_clean_run()
    run.job(2, session="tried")
    run.audit[-1]["requestURI"] += "?dryRun=All"
    assert found_in(run, tmp_path) == []


def test_a_launch_that_was_taken_back_and_repeated_is_no_duplicate(tmp_path: Path) -> None:
    run = a_clean_run()
    earlier = Run()
    earlier.job(0.5, launch="first")
    earlier.write(0.7, ONE, "delete", "jobs", "s")
    run.audit = [run.audit[0], *earlier.audit, *run.audit[1:]]
    assert found_in(run, tmp_path) == []


def test_the_effect_of_a_fault_is_what_callers_noticed(tmp_path: Path) -> None:
    run = a_clean_run()
    run.faults = [
        {"at": BEGIN + 10, "kind": "fault", "name": "leader killed", "what": "begins"},
        {"at": BEGIN + 10.1, "kind": "struck", "name": "leader killed", "replica": "replica-0"},
        {"at": BEGIN + 11, "kind": "fault", "name": "leader killed", "what": "ends"},
    ]
    for sent, status in ((10.0, 404), (10.2, 0), (11.0, 503), (13.0, 404), (13.1, 404)):
        run.caller(sent + 0.1, "probe", sent=BEGIN + sent, took=0.1, status=status)
    run.caller(14, "gap", stream="all", begin=BEGIN + 10.1, seconds=3.5, is_reconnect=True)
    run.caller(12, "start_refused", session="x", status=503, code="runtime_unavailable")
    run.save(tmp_path)

    found = read_evidence(tmp_path)
    [effect] = effects(found)

    assert effect.unanswered == pytest.approx(3.0)
    assert effect.first_answer == pytest.approx(3.0)
    assert effect.gap == pytest.approx(3.5)
    assert effect.refused == 1
    assert starts(found)["refused: 503 runtime_unavailable"] == 1
