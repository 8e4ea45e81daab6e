"""The state and the end of a bot, read from its Job, its pod and their events. Pure.

The fields were taken from Kubernetes 1.37; each has a fixture in the tests of this module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from controller.core.endings import ending_for
from controller.core.runtime import Exit
from controller.core.session import Ending
from controller.runtimes.final_report import decode_final_report
from controller.runtimes.kubernetes.client.objects import Condition, Event, Job, Pod, Terminated
from podline.contract.reasons import Reason
from podline.contract.text import printable

_ENDS: Final = ("Complete", "Failed")
"""A Job's conditions once its pod has ended. FailureTarget and SuccessCriteriaMet only announce them."""

_TERMINAL: Final = ("Succeeded", "Failed")

_IMAGE: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_START_ERRORS: Final = frozenset({"StartError", "ContainerCannotRun"})
_NODE_LOST: Final = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
_NEVER_SEEN: Final = "ContainerStatusUnknown"
"""The kubelet's reason for a container that it can't find when it ends the pod."""

_KILLED: Final = 137
_EXIT_CODE: Final = re.compile(r"exit code (\d+)")
_CORRECT_THE_TEMPLATE: Final = "Correct the Job template, or what it refers to."
"""A container that never ran has no log to read."""

_MOST_CHARACTERS: Final = 300
"""The most characters of another component's message within our sentence."""
_MOST_CHARACTERS_OF_A_REASON: Final = 60
_LEFT_OUT: Final = " … "


def has_ended(job: Job) -> bool:
    """Return whether a Job is over, and its pod with it."""
    return any(each.type in _ENDS and each.holds for each in job.status.conditions)


def is_terminal(pod: Pod) -> bool:
    """Return whether a pod has ended. Its phase decides: containers may look ended seconds earlier."""
    return pod.status.phase in _TERMINAL


def scheduled_at(pod: Pod) -> datetime | None:
    """Return when a node was found for the pod; None until then."""
    condition = pod.condition("PodScheduled")
    return condition.last_transition_time if condition is not None and condition.holds else None


def is_waiting(pod: Pod) -> bool:
    """Return whether a pod has yet to run and is not being ended."""
    return pod.status.phase == "Pending" and pod.metadata.deletion_timestamp is None and not has_begun(pod)


def has_begun(pod: Pod) -> bool:
    """Return whether the bot's container ever ran. A kubelet ends one that did not with an unknown status."""
    state = pod.bot()
    if state.terminated is not None:
        return state.terminated.reason != _NEVER_SEEN or pod.bot_has_run_before()
    return pod.status.phase in ("Running", "Succeeded")


def held_up(pod: Pod) -> Ending | None:
    """Return what keeps a pod from running, as far as the pod itself shows it."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and not scheduled.holds:
        return _saying(Reason.UNSCHEDULABLE, "No node had room for the bot", scheduled.message)
    for status in pod.status.init_container_statuses:
        terminated = status.state.terminated
        if terminated is not None and terminated.exit_code != 0:
            what = f"The init container {status.name} failed with exit code {terminated.exit_code}"
            return _saying(Reason.CRASHED, what, terminated.message, _CORRECT_THE_TEMPLATE)
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = status.state.waiting
        if waiting is None:
            continue
        kind = _bounded(waiting.reason, _MOST_CHARACTERS_OF_A_REASON)
        if waiting.reason in _IMAGE:
            what = f"The bot's image could not be pulled ({kind})"
            return _saying(Reason.IMAGE_PULL, what, waiting.message)
        if waiting.message:
            what = f"The bot's container could not be started ({kind})"
            return _saying(Reason.START_TIMEOUT, what, waiting.message, _CORRECT_THE_TEMPLATE)
    return None


def explain(
    job: Job | None,
    pod: Pod | None,
    events: Sequence[Event],
    at: datetime,
    held_up_before: Ending | None = None,
) -> Exit:
    """Return the evidence of how a bot that is gone ended.

    Args:
        job: in its last known state; None if someone deleted it.
        pod: in its last known state; None if there never was one, or it was gone before it was seen.
        events: warnings about the two, oldest first.
        at: when it was seen to be gone.
        held_up_before: what kept it from running while it waited: the pod loses that when it is ended.
    """
    terminated = pod.bot().terminated if pod is not None else None
    final_report = decode_final_report(terminated.message or "") if terminated is not None else None
    code = _exit_code(job, terminated)
    signal = code - 128 if code is not None and 128 < code < 160 else None
    return Exit(
        at=_ended_at(terminated, at),
        process_failure=_process_failure(terminated),
        disruption=_disruption(job, pod, terminated, events),
        blocker=None if _ran(job, pod) else held_up_before or _held_up(pod, events),
        final_report=final_report,
        launch_end=_launch_end(job, pod),
        # An out-of-memory kill is a process failure; any other 137 is a SIGKILL from someone else.
        exit_code=None if signal is not None else code,
        signal=signal,
    )


def _exit_code(job: Job | None, terminated: Terminated | None) -> int | None:
    """Return the bot's exit code, or the one that the Job has kept if the pod is gone.

    A kubelet that has lost sight of the container makes one up.
    """
    if terminated is not None:
        return None if terminated.reason == _NEVER_SEEN else terminated.exit_code
    failed = _failed(job)
    if failed is not None and failed.reason == "PodFailurePolicy":
        found = _EXIT_CODE.search(failed.message or "")
        return int(found[1]) if found else None
    return None


def _ended_at(terminated: Terminated | None, at: datetime) -> datetime:
    """Return when the bot exited, by the kubelet's clock in whole seconds, but never after we saw it."""
    if terminated is None or terminated.finished_at is None:
        return at
    return min(at, terminated.finished_at)


def _disruption(
    job: Job | None, pod: Pod | None, terminated: Terminated | None, events: Sequence[Event]
) -> Ending | None:
    """Return an eviction or a lost node, from the pod, its Job or their events."""
    if pod is not None and (known := _of_pod(pod)) is not None:
        return known
    failed = _failed(job)
    if failed is not None and "condition DisruptionTarget" in (failed.message or ""):
        # The pod is gone, and with it the exact cause.
        return ending_for(Reason.EVICTED)
    if any(each.reason == "NodeNotReady" for each in events) and not _left_by_itself(terminated):
        return ending_for(Reason.NODE_LOST)
    return None


def _left_by_itself(terminated: Terminated | None) -> bool:
    """Return whether the bot exited before anything killed it, on a node that was there to see it."""
    return terminated is not None and terminated.exit_code != _KILLED


def _process_failure(terminated: Terminated | None) -> Ending | None:
    if terminated is None:
        return None
    if terminated.reason == "OOMKilled":
        return ending_for(Reason.OUT_OF_MEMORY)
    if terminated.reason in _START_ERRORS:
        what = "The bot's container could not be started"
        return _saying(Reason.CRASHED, what, terminated.message, _CORRECT_THE_TEMPLATE)
    return None


def _of_pod(pod: Pod) -> Ending | None:
    if pod.status.reason == "Evicted":
        return _saying(Reason.EVICTED, "The node evicted the bot", pod.status.message)
    disruption = pod.condition("DisruptionTarget")
    if disruption is None or not disruption.holds:
        return None
    reason = Reason.NODE_LOST if disruption.reason in _NODE_LOST else Reason.EVICTED
    return _saying(reason, ending_for(reason).what_happened.rstrip("."), disruption.message)


def _ran(job: Job | None, pod: Pod | None) -> bool:
    """Return whether the bot ever ran; True if that is unknown."""
    if pod is not None:
        return has_begun(pod)
    if job is None or any(each.type == "Complete" and each.holds for each in job.status.conditions):
        return True
    # Only a deadline ends a Job if its pod never ran: its own, or the one that a stop set.
    failed = _failed(job)
    return failed is not None and failed.reason != "DeadlineExceeded"


def _held_up(pod: Pod | None, events: Sequence[Event]) -> Ending | None:
    return (held_up(pod) if pod is not None else None) or _from_events(events)


def _from_events(events: Sequence[Event]) -> Ending | None:
    """Return the reason that the last warning gives for there being no bot yet.

    A kubelet reports a failed pull twice: with the registry's answer, then as `Error: ErrImagePull`. The
    second counts only where the first is missing.
    """
    explained = [each for each in events if not _only_names_the_error(each)]
    told = explained if any(each.reason == "Failed" for each in explained) else events
    for event in reversed(told):
        message = event.message or ""
        if event.reason == "FailedCreate":
            return _saying(Reason.LAUNCH_FAILED, "The Job could not create its pod", message)
        if event.reason == "FailedScheduling":
            return _saying(Reason.UNSCHEDULABLE, "No node had room for the bot", message)
        if event.reason in ("Failed", "InspectFailed", "ErrImageNeverPull") and "image" in message.lower():
            return _saying(Reason.IMAGE_PULL, "The bot's image could not be pulled", message)
        if event.reason in ("FailedMount", "FailedCreatePodSandBox", "Failed"):
            what = "The bot's pod could not be started"
            return _saying(Reason.START_TIMEOUT, what, message, _CORRECT_THE_TEMPLATE)
    return None


def _only_names_the_error(event: Event) -> bool:
    return (event.message or "").removeprefix("Error: ") in _IMAGE


def _launch_end(job: Job | None, pod: Pod | None) -> Ending | None:
    """Return how the Job ended, or who ended it."""
    failed = _failed(job)
    if job is not None and failed is not None and failed.reason == "DeadlineExceeded":
        if not job.spec.active_deadline_seconds:
            return _saying(Reason.VANISHED, "The Job was stopped by someone else", None)
        ran = pod is None or has_begun(pod)
        return ending_for(Reason.MAX_DURATION if ran else Reason.START_TIMEOUT)
    if job is None:
        return _saying(Reason.VANISHED, "The Job was deleted by someone else", None)
    if pod is not None and pod.metadata.deletion_timestamp is not None:
        return _saying(Reason.VANISHED, "The bot's pod was deleted by someone else", None)
    return None


def _failed(job: Job | None) -> Condition | None:
    conditions = job.status.conditions if job is not None else []
    kinds = ("Failed", "FailureTarget")
    return next((each for each in conditions if each.type in kinds and each.holds), None)


def _saying(reason: Reason, what: str, message: str | None, advice: str | None = None) -> Ending:
    """Return an ending with the cluster's message, and the reason's usual advice unless another is given."""
    said = _bounded(message, _MOST_CHARACTERS).rstrip(".")
    return Ending(
        reason=reason,
        what_happened=f"{what}: {said}." if said else f"{what}.",
        advice=ending_for(reason).advice if advice is None else advice,
    )


def _bounded(message: str | None, most_characters: int) -> str:
    """Return another component's message, perhaps a registry's, as one printable line.

    Of one that is too long, the middle is left out: what happened is at its beginning, and why at its end.
    """
    line = " ".join((message or "").split())
    if len(line) > most_characters:
        kept = most_characters - len(_LEFT_OUT)
        line = f"{line[: kept // 3]}{_LEFT_OUT}{line[len(line) - (kept - kept // 3) :]}"
    return printable(line, most_characters)
