"""Each way for a bot to end that a cluster can show: the fields of the API server, and the one reason."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from controller.endings import decide_ending, ending_for
from controller.runtimes.kubernetes.objects import Event, Job, Pod
from controller.runtimes.kubernetes.status import explain, held_up
from controller.sessions import Ending
from protocol.reasons import REASONS_BY_EXIT_CODE, Reason
from tests.unit.kubernetes import made

LONG = "a very long explanation, " * 500


def word(reason: str) -> str:
    empty: dict[str, Any] = {}
    timeline = {"now": 3.0}
    return json.dumps(
        {
            "reason": reason,
            "message": "As the bot says.",
            "totals": empty,
            "acked_totals": empty,
            "timeline": timeline,
        }
    )


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def terminated(code: int, reason: str = "Error", message: str = "", **status: Any) -> dict[str, Any]:
    state = {"exitCode": code, "reason": reason, "message": message, "finishedAt": "2026-01-01T11:59:59Z"}
    phase = "Succeeded" if code == 0 else "Failed"
    return {
        "phase": phase,
        "containerStatuses": [{"name": "bot", "state": {"terminated": state}}],
        **status,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "bot", "state": state}]}


def pod(status: dict[str, Any] | None, **metadata: Any) -> Pod | None:
    if status is None:
        return None
    return msgspec.convert({"metadata": {"name": "p", **metadata}, "status": status}, Pod, strict=False)


def job(*conditions: dict[str, str], deadline: int = 1950) -> Job:
    manifest = {
        "metadata": {"name": "j"},
        "spec": {"activeDeadlineSeconds": deadline},
        "status": {"conditions": list(conditions)},
    }
    return msgspec.convert(manifest, Job, strict=False)


def event(reason: str, message: str) -> Event:
    return msgspec.convert({"metadata": {"name": "e"}, "reason": reason, "message": message}, Event)


RUNNING = job()
UNSCHEDULABLE = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes")
DISRUPTED = "DisruptionTarget"


def end(
    status: dict[str, Any] | None,
    of: Job | None = RUNNING,
    *,
    intent: Ending | None = None,
    events: tuple[Event, ...] = (),
    before: Ending | None = None,
    is_deleted: bool = False,
) -> Ending:
    metadata = {"deletionTimestamp": "2026-01-01T11:59:50Z"} if is_deleted else {}
    return decide_ending(intent, explain(of, pod(status, **metadata), events, made.NOW, before))


@pytest.mark.parametrize(("code", "reason"), REASONS_BY_EXIT_CODE.items())
def test_an_exit_code_has_its_reason(code: int, reason: Reason) -> None:
    # 137 is a kill as well, by whomever: the kernel's has a name of its own.
    expected = Reason.VANISHED if code == 137 else reason
    assert end(terminated(code)).reason is expected


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (terminated(0, "Completed", word("caller_left")), "caller_left"),
        (terminated(67, "Error", word("model_lost")), "model_lost"),
        (terminated(137, "Error", word("out_of_memory")), "out_of_memory"),
        (terminated(0, "Completed", word("terminated")), "vanished"),
        (terminated(143), "vanished"),
        (terminated(137), "vanished"),
        (terminated(139), "crashed"),
        (terminated(3), "crashed"),
        (terminated(0, "Completed"), "vanished"),
        (terminated(64, "Error", "{" + word("completed")), "config_invalid"),
        (terminated(64, "Error", " " * 5000 + word("completed")), "config_invalid"),
        (terminated(137, "OOMKilled"), "out_of_memory"),
        (terminated(137, "OOMKilled", word("caller_left")), "out_of_memory"),
        (terminated(128, "StartError", "no such file"), "crashed"),
        (terminated(137, reason="Evicted", message=""), "vanished"),
    ],
)
def test_what_the_container_shows_has_its_reason(status: dict[str, Any], reason: str) -> None:
    assert end(status).reason == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {**terminated(137), "reason": "Evicted", "message": "Usage of EmptyDir exceeds its limit."},
            "evicted",
        ),
        (terminated(0, conditions=[condition(DISRUPTED, reason="EvictionByEvictionAPI")]), "evicted"),
        (terminated(0, conditions=[condition(DISRUPTED, reason="PreemptionByScheduler")]), "evicted"),
        (terminated(137, conditions=[condition(DISRUPTED, reason="TerminationByKubelet")]), "evicted"),
        (terminated(137, conditions=[condition(DISRUPTED, reason="DeletionByTaintManager")]), "node_lost"),
        (terminated(137, conditions=[condition(DISRUPTED, reason="DeletionByPodGC")]), "node_lost"),
        (terminated(67, conditions=[condition(DISRUPTED, "False")]), "model_refused"),
    ],
)
def test_what_the_cluster_did_to_the_pod_comes_before_what_the_bot_says(
    status: dict[str, Any], reason: str
) -> None:
    assert end(status).reason == reason


PICKED_OUT = "Pod podline/p has condition DisruptionTarget matching FailJob rule at index 0"
MATCHED = "Container bot for pod podline/p failed with exit code 67 matching FailJob rule at index 1"


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (job(condition("Failed", reason="PodFailurePolicy", message=MATCHED)), "model_refused"),
        (
            job(condition("Failed", reason="PodFailurePolicy", message=PICKED_OUT)),
            "evicted",
        ),
        (job(condition("Failed", reason="DeadlineExceeded")), "max_duration"),
        (job(condition("Failed", reason="DeadlineExceeded"), deadline=0), "vanished"),
        (job(condition("Failed", reason="BackoffLimitExceeded")), "vanished"),
        (job(condition("Complete")), "vanished"),
        (None, "vanished"),
    ],
)  # fmt: skip
def test_of_a_pod_that_is_gone_the_job_has_kept_what_it_can(of: Job | None, reason: str) -> None:
    assert end(None, of).reason == reason


def test_a_deadline_of_a_bot_that_ran_is_its_maximum_duration() -> None:
    over = job(condition("Failed", reason="DeadlineExceeded"))
    ending = end(terminated(0, "Completed", word("terminated")), over, is_deleted=True)
    assert ending.reason is Reason.MAX_DURATION


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (waiting("ErrImagePull", "manifest unknown"), "image_pull", "(ErrImagePull): manifest unknown."),
        (waiting("ImagePullBackOff", "Back-off"), "image_pull", "(ImagePullBackOff): Back-off."),
        (waiting("InvalidImageName", "bad reference"), "image_pull", "(InvalidImageName): bad reference."),
        (
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            "start_timeout",
            '(CreateContainerConfigError): secret "x" not found.',
        ),
        (
            {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
            "unschedulable",
            "No node had room for the bot: 0/3 nodes.",
        ),
    ],
)  # fmt: skip
def test_a_start_that_took_too_long_is_told_by_what_held_it_up(
    status: dict[str, Any], reason: str, words: str
) -> None:
    ending = end(status, intent=ending_for(Reason.START_TIMEOUT))

    assert ending.reason == reason
    assert words in ending.message


def test_what_held_a_pod_up_is_remembered_when_the_kubelet_has_forgotten_it() -> None:
    waited = pod(waiting("ErrImagePull", "manifest unknown"))
    assert waited is not None
    forgotten = terminated(137, "ContainerStatusUnknown")

    ending = end(forgotten, intent=ending_for(Reason.START_TIMEOUT), before=held_up(waited))

    assert ending.reason is Reason.IMAGE_PULL


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (event("FailedCreate", "pods is forbidden: exceeded quota: pods"), "launch_failed"),
        (event("FailedScheduling", "0/3 nodes are available"), "unschedulable"),
        (event("Failed", "Failed to pull image x: not found"), "image_pull"),
        (event("FailedMount", 'MountVolume failed: configmap "x" not found'), "start_timeout"),
        (event("SomethingElse", "whatever"), "start_timeout"),
    ],
)
def test_without_a_pod_the_warnings_tell_why_there_was_none(told: Event, reason: str) -> None:
    stopped = job(condition("Failed", reason="DeadlineExceeded"), deadline=0)
    assert end(None, stopped, intent=ending_for(Reason.START_TIMEOUT), events=(told,)).reason == reason


def test_silence_gives_way_to_the_loss_of_the_node_that_caused_it() -> None:
    told = event("NodeNotReady", "Node is not ready")
    assert (
        end(terminated(137), intent=ending_for(Reason.UNRESPONSIVE), events=(told,)).reason
        is Reason.NODE_LOST
    )
    assert end(terminated(137), intent=ending_for(Reason.UNRESPONSIVE)).reason is Reason.UNRESPONSIVE


def test_what_we_were_asked_for_stays_the_reason_whatever_else_happened() -> None:
    stop = ending_for(Reason.STOPPED)
    assert end(terminated(137, "OOMKilled"), intent=stop) == stop
    assert end(waiting("ErrImagePull"), intent=stop) == stop


def test_a_pod_or_job_that_somebody_deleted_is_told_so() -> None:
    assert end(terminated(0, "Completed"), is_deleted=True).message == (
        "The bot's pod was deleted by somebody else. Start another session."
    )
    assert end(terminated(0, "Completed"), None).message == (
        "The Job was deleted by somebody else. Start another session."
    )


@pytest.mark.parametrize(
    "status",
    [
        {**terminated(137), "reason": "Evicted", "message": f"{LONG}\nand more"},
        terminated(128, "StartError", LONG),
        waiting("ErrImagePull", LONG),
    ],
)
def test_somebody_elses_words_make_one_bounded_line_that_says_what_to_do(status: dict[str, Any]) -> None:
    message = end(status, intent=ending_for(Reason.START_TIMEOUT)).message

    assert len(message) < 600
    assert "\n" not in message
    assert message.endswith(".")


def test_the_last_word_is_dated_by_the_kubelet_and_never_after_it_was_seen() -> None:
    seen = explain(RUNNING, pod(terminated(0)), (), made.NOW)
    assert seen.at < made.NOW
