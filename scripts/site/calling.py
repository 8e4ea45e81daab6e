"""A scripted call in the cluster: the caller's Job, what it heard, and the session's timeline."""

from __future__ import annotations

import re
import sys
import time
from typing import Final

from rich.console import Console

from podline_cli.errors import CommandError
from podline_cli.steps import StepUnderWay, is_live, step
from scripts.site.installation import OVERLAY
from scripts.site.kubectl import Kubectl
from scripts.site.pods import Item, describe_pod, find_newest, job_result
from scripts.site.timeline import (
    describe_end,
    describe_session,
    draw_stages,
    find_reason,
    print_stages,
    read_stages,
)

CALLER: Final = "podline-caller"
CALL_SECONDS: Final = 300.0
"""The caller's Job has a shorter deadline of its own."""

RECORD_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0
_TRIES: Final = 10
_LOG_LINES: Final = 50


def make_call(kubectl: Kubectl) -> None:
    """Have the scripted caller call; print what was said and when the session got how far.

    Raises:
        CommandError: The call could not be made, or it failed.
    """
    removed = ("delete", "job", CALLER, "--ignore-not-found")
    kubectl.run("The last call's Job could not be deleted: see above what the cluster refuses.", *removed)
    try:
        with step("Making a scripted call (about half a minute)") as call:
            kubectl.run(
                "The caller's Job could not be created: see above what the cluster refuses.",
                *("create", "-f", str(OVERLAY / "caller-job.yaml")),
            )
            went_well = _until_caller_ends(kubectl, call)
    except KeyboardInterrupt:
        kubectl.attempt(*removed, "--wait=false")
        raise
    log = kubectl.log(f"job/{CALLER}", _LOG_LINES)
    if not went_well:
        raise _call_failed(kubectl, log.output)
    found = re.search(r"^session (\S+)$", log.output, re.MULTILINE)
    if log.code != 0 or found is None:
        raise CommandError(
            "The call went well, but the caller's log could not be read: see `kubectl -n podline logs "
            f"job/{CALLER}`."
        )
    sys.stdout.write(log.output)
    print_timeline(kubectl, found[1])


def _until_caller_ends(kubectl: Kubectl, call: StepUnderWay) -> bool:
    """Return whether the caller's Job did its work; False too if it can't begin.

    Raises:
        CommandError: The cluster has not answered several times in a row.
    """
    deadline, unanswered = time.monotonic() + CALL_SECONDS, 0
    while time.monotonic() < deadline:
        try:
            job, pod = kubectl.get("job", CALLER), describe_pod(_newest_pod(kubectl, CALLER))
        except CommandError:
            unanswered += 1
            if unanswered == _TRIES:
                raise
        else:
            unanswered = 0
            result = None if job is None else job_result(job)
            if result is not None or pod.is_hopeless:
                return result is True
            call.detail(pod.text)
        time.sleep(_PAUSE_SECONDS)
    return False


def _newest_pod(kubectl: Kubectl, name: str) -> Item | None:
    return find_newest(kubectl.items("pods", name))


def _call_failed(kubectl: Kubectl, log: str) -> CommandError:
    """Return the error of a call that failed, with the caller's log and the state of the newest session."""
    bot = find_newest(kubectl.items("jobs", "podline-bot"))
    if bot is None:
        lines = ["No bot was launched."]
    else:
        lines = [describe_session(bot), f"The bot: {describe_pod(_newest_pod(kubectl, 'podline-bot')).text}"]
    caller = describe_pod(_newest_pod(kubectl, CALLER)).text
    return CommandError(
        f"The call failed, and the caller's {caller}: see above, and `kubectl -n podline logs "
        "deployment/podline` for the controller's log.",
        details="\n".join([log.rstrip(), *lines]),
    )


def print_timeline(kubectl: Kubectl, session_id: str) -> None:
    """Print the session's own account, once its end is recorded on its Job.

    Raises:
        CommandError: It was not recorded in time.
    """
    deadline = time.monotonic() + RECORD_SECONDS
    job = kubectl.get("job", session_id)
    with step("Waiting for the session's end"):
        while job is None or find_reason(job) is None:
            if time.monotonic() >= deadline:
                raise CommandError(
                    f"The end of session {session_id} was not recorded within {RECORD_SECONDS:.0f} s: see "
                    f"`kubectl -n podline describe job {session_id}`."
                )
            time.sleep(_PAUSE_SECONDS)
            job = kubectl.get("job", session_id)
    stages = read_stages(job)
    lines = draw_stages(stages) if is_live(Console()) else print_stages(stages)
    sys.stdout.write("".join(f"{line}\n" for line in (describe_end(job), *lines)))
