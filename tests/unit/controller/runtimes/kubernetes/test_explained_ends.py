"""What is made of each way in which a bot can end, from what the cluster shows of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.endings import decide_ending
from controller.core.runtime import Exit
from controller.core.session import Ending
from controller.runtimes.kubernetes.client.objects import Event, Job, Pod
from controller.runtimes.kubernetes.exit_evidence import (
    explain,
    has_begun,
    has_ended,
    held_up,
    is_terminal,
    is_waiting,
    scheduled_at,
)
from podline.contract.reasons import Phase, Reason
from tests.unit.controller.runtimes.kubernetes import failures_to_start
from tests.unit.controller.runtimes.kubernetes.failures import BY_CLUSTER, BY_EXIT, Case
from tests.unit.controller.runtimes.kubernetes.shapes import (
    BACKOFF_LIMIT,
    COMPLETE,
    DEADLINE,
    FAILED_FOR_EXIT,
    NEVER_LOCATED,
    RUNNING,
    SEEN,
    condition,
    disruption,
    failed,
    job,
    pod,
    terminated,
    waiting,
    warning,
    word,
)

CASES = [*BY_EXIT, *BY_CLUSTER, *failures_to_start.CASES]
NOON = datetime.fromisoformat(SEEN)
LONG = "words of the cluster's own,\nand more. " * 300
"""More than 10 kB, in lines."""


def exit_of(case: Case) -> Exit:
    return explain(case.job, case.pod, case.events, NOON, case.held_up_before)


def end_of(case: Case) -> Ending:
    return decide_ending(case.intent, exit_of(case))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_each_way_to_end_has_its_reason_and_its_sentence(case: Case) -> None:
    ending = end_of(case)
    assert (ending.reason, ending.message) == (case.reason, case.sentence)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_sentence_is_one_line_and_a_failure_says_what_to_do(case: Case) -> None:
    message = end_of(case).message

    assert message.endswith(".")
    assert "\n" not in message
    if end_of(case).reason.phase is Phase.FAILED and message != "As the bot says.":
        assert message.count(". ") >= 1


@pytest.mark.parametrize(
    ("reason", "seen"),
    [
        (Reason.EVICTED, explain(job(), pod("Failed", None, reason="Evicted", message=LONG), (), NOON)),
        (
            Reason.EVICTED,
            explain(job(), pod("Failed", None, disruption("EvictionByEvictionAPI", LONG)), (), NOON),
        ),
        (
            Reason.NODE_LOST,
            explain(job(), pod("Failed", None, disruption("DeletionByPodGC", LONG)), (), NOON),
        ),
        (Reason.CRASHED, explain(job(), pod("Failed", terminated(128, "StartError", LONG)), (), NOON)),
        (Reason.IMAGE_PULL, explain(job(), pod("Pending", waiting("ErrImagePull", LONG)), (), NOON)),
        (
            Reason.START_TIMEOUT,
            explain(job(), pod("Pending", waiting("CreateContainerError", LONG)), (), NOON),
        ),
        (
            Reason.UNSCHEDULABLE,
            explain(
                job(), pod("Pending", None, condition("PodScheduled", "", LONG, status="False")), (), NOON
            ),
        ),
        (Reason.LAUNCH_FAILED, explain(job(), None, [warning("FailedCreate", LONG, "Job")], NOON)),
        (Reason.UNSCHEDULABLE, explain(job(), None, [warning("FailedScheduling", LONG)], NOON)),
        (Reason.IMAGE_PULL, explain(job(), None, [warning("Failed", f"image {LONG}")], NOON)),
        (Reason.START_TIMEOUT, explain(job(), None, [warning("FailedMount", LONG)], NOON)),
    ],
)
def test_the_clusters_words_are_cut_into_one_short_line(reason: Reason, seen: Exit) -> None:
    ending = decide_ending(None, seen)

    assert ending.reason is reason
    assert "words of the cluster's own, and more" in ending.message
    assert "\n" not in ending.message
    assert len(ending.message) <= 500
    assert ending.message.endswith(".")


@pytest.mark.parametrize("words", ["", None, "...", " \n ", "It is full."])
def test_a_sentence_is_whole_whatever_the_cluster_has_to_say(words: str | None) -> None:
    found = held_up(pod("Pending", waiting("ErrImagePull", words)))

    assert found is not None
    said = ": It is full" if words == "It is full." else ""
    assert found.message == (
        f"The bot's image could not be pulled (ErrImagePull){said}. "
        "Check the image's name and the registry's credentials."
    )


def test_the_last_warning_has_the_say() -> None:
    events = [warning("FailedScheduling", "no room"), warning("Failed", 'Failed to pull image "bot"')]

    assert decide_ending(None, explain(job(), None, events, NOON)).reason is Reason.IMAGE_PULL
    assert decide_ending(None, explain(job(), None, events[::-1], NOON)).reason is Reason.UNSCHEDULABLE


@pytest.mark.parametrize("bare", ["Error: ErrImagePull", "Error: ImagePullBackOff"])
def test_the_registry_s_answer_counts_although_a_bare_error_follows(bare: str) -> None:
    pulled = warning("Failed", 'Failed to pull image "registry.example/shop:2": not found')

    ending = decide_ending(None, explain(job(), None, [pulled, warning("Failed", bare)], NOON))

    assert (ending.reason, "registry.example/shop:2" in ending.message) == (Reason.IMAGE_PULL, True)


def test_the_bare_error_counts_where_the_registry_s_answer_is_missing() -> None:
    events = [warning("FailedScheduling", "no room"), warning("Failed", "Error: ErrImagePull")]

    assert decide_ending(None, explain(job(), None, events, NOON)).reason is Reason.IMAGE_PULL


def test_the_last_word_comes_with_what_was_used() -> None:
    seen = explain(job(*COMPLETE), pod("Succeeded", terminated(0, message=word("idle"))), (), NOON)

    assert seen.final_report is not None
    assert (seen.final_report.totals.turns, seen.final_report.timeline.joined) == (3, 2.5)


@pytest.mark.parametrize(
    ("code", "exit_code", "signal"),
    [
        (0, 0, None),
        (1, 1, None),
        (128, 128, None),
        (137, None, 9),
        (139, None, 11),
        (143, None, 15),
        (255, 255, None),
    ],
)
def test_an_exit_code_beyond_128_is_a_signal(code: int, exit_code: int | None, signal: int | None) -> None:
    seen = explain(job(*FAILED_FOR_EXIT[code]), pod("Failed", terminated(code)), (), NOON)

    assert (seen.exit_code, seen.signal) == (exit_code, signal)


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        ("2026-01-01T11:59:58Z", NOON - timedelta(seconds=2)),
        # The node's clock is ahead of ours.
        ("2026-01-01T12:00:09Z", NOON),
        (None, NOON),
    ],
)
def test_a_bot_ended_when_the_kubelet_says_and_never_after_we_saw_it(
    finished: str | None, expected: datetime
) -> None:
    state = terminated(0, finished_at=finished)

    assert explain(job(*COMPLETE), pod("Succeeded", state), (), NOON).at == expected


@pytest.mark.parametrize(
    ("seen", "is_over"),
    [
        (job(), False),
        (job(*COMPLETE), True),
        (job(*BACKOFF_LIMIT), True),
        (job(*DEADLINE), True),
        # These two only announce an end.
        (job(COMPLETE[0]), False),
        (job(DEADLINE[0]), False),
        (job(condition("Suspended", "JobSuspended")), False),
        (job(condition("Failed", status="False")), False),
    ],
)
def test_a_job_is_over_with_its_last_condition_only(seen: Job, is_over: bool) -> None:  # noqa: FBT001 - a case
    assert has_ended(seen) is is_over


@pytest.mark.parametrize(
    ("seen", "waits", "begun", "terminal"),
    [
        (pod("Pending"), True, False, False),
        (pod("Pending", waiting("ContainerCreating")), True, False, False),
        (pod("Pending", waiting("ContainerCreating"), is_deleted=True), False, False, False),
        (pod("Running", RUNNING), False, True, False),
        # A container may look so seconds before its pod has ended.
        (pod("Running", terminated(0)), False, True, False),
        (pod("Succeeded", terminated(0)), False, True, True),
        (pod("Failed", terminated(1)), False, True, True),
        (pod("Failed", NEVER_LOCATED), False, False, True),
        (pod("Failed"), False, False, True),
        (pod("Unknown", RUNNING), False, False, False),
    ],
)
def test_how_far_a_pod_has_come(seen: Pod, waits: bool, begun: bool, terminal: bool) -> None:  # noqa: FBT001 - cases
    assert (is_waiting(seen), has_begun(seen), is_terminal(seen)) == (waits, begun, terminal)


def test_a_pod_is_scheduled_when_its_condition_holds() -> None:
    assert scheduled_at(pod("Pending", waiting("ContainerCreating"))) == NOON
    assert scheduled_at(pod("Pending", None, condition("PodScheduled", status="False"))) is None
    assert scheduled_at(pod("Pending")) is None


TEXT = (
    st.none() | st.text(max_size=60) | st.sampled_from(["OOMKilled", "Evicted", "exit code 1", word("idle")])
)
CONDITIONS = st.lists(
    st.builds(
        lambda kind, status, reason, message: {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
        },
        st.sampled_from(["Failed", "Complete", "FailureTarget", "DisruptionTarget", "PodScheduled"]),
        st.sampled_from(["True", "False", "Unknown"]),
        TEXT | st.sampled_from(["PodFailurePolicy", "DeadlineExceeded"]),
        TEXT,
    ),
    max_size=3,
)
STATES = st.one_of(
    st.just({}),
    st.builds(lambda reason, said: {"waiting": {"reason": reason, "message": said}}, TEXT, TEXT),
    st.builds(
        lambda code, reason, said: {"terminated": {"exitCode": code, "reason": reason, "message": said}},
        st.integers(-(2**31), 2**31 - 1),
        TEXT,
        TEXT,
    ),
)
JOBS = st.none() | st.builds(
    lambda conditions: msgspec.convert({"metadata": {}, "status": {"conditions": conditions}}, Job),
    CONDITIONS,
)
PODS = st.none() | st.builds(
    lambda phase, conditions, state: msgspec.convert(
        {
            "metadata": {},
            "status": {
                "phase": phase,
                "conditions": conditions,
                "containerStatuses": [{"name": "bot", "state": state}],
            },
        },
        Pod,
    ),
    st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    CONDITIONS,
    STATES,
)
EVENTS = st.lists(
    st.builds(
        warning, st.sampled_from(["FailedCreate", "FailedScheduling", "Failed", "NodeNotReady"]), st.text()
    )
)


@given(JOBS, PODS, EVENTS)
def test_whatever_is_shown_becomes_one_reason_and_one_sentence(
    seen: Job | None, its_pod: Pod | None, events: list[Event]
) -> None:
    ending = decide_ending(None, explain(seen, its_pod, events, datetime(2026, 1, 1, tzinfo=UTC)))

    assert ending.message
    assert len(ending.message) <= 500


def test_a_job_that_failed_for_a_cause_nobody_foresaw_still_has_a_reason() -> None:
    seen = explain(job(*failed("Unheard", "of")), None, (), NOON)

    assert decide_ending(None, seen).reason is Reason.VANISHED
