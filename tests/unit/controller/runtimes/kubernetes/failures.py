"""Each way in which a bot can end in a cluster, as the cluster shows it, and what is to be made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.core.endings import decide_ending, ending_for
from controller.core.runtime import Exit
from controller.core.session import Ending
from controller.runtimes.kubernetes.client.objects import Event, Job, Pod
from podline.contract.reasons import EXIT_CODES, Reason
from tests.unit.controller.runtimes.kubernetes.shapes import (
    BACKOFF_LIMIT,
    COMPLETE,
    DEADLINE,
    FAILED_FOR_DISRUPTION,
    FAILED_FOR_EXIT,
    NEVER_LOCATED,
    RUNNING,
    SEEN,
    USED_TO_RUN,
    condition,
    disruption,
    job,
    pod,
    terminated,
    warning,
    word,
)


@dataclass(frozen=True)
class Case:
    """What is seen, and the end it means. `message` is the reason's own sentence where it is not given."""

    what: str
    reason: Reason
    job: Job | None
    pod: Pod | None
    message: str = ""
    events: tuple[Event, ...] = ()
    held_up_before: Ending | None = None
    intent: Ending | None = None

    @property
    def sentence(self) -> str:
        return self.message or ending_for(self.reason).message


def exited_with(code: int) -> str:
    """Return the sentence for an exit code alone."""
    return decide_ending(None, Exit(at=datetime.fromisoformat(SEEN), exit_code=code)).message


def wordless(what: str, reason: Reason, code: int, sentence: str | None = None) -> Case:
    """Return the case of a bot that exited with this code and no report."""
    phase, conditions = ("Failed", FAILED_FOR_EXIT[code]) if code else ("Succeeded", COMPLETE)
    return Case(what, reason, job(*conditions), pod(phase, terminated(code)), sentence or exited_with(code))


ONGOING = job(deadline=1951)
NO_ROOM = (
    "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: "
    "3 No preemption victims found for incoming pod."
)
UNSCHEDULABLE = pod("Pending", None, condition("PodScheduled", "Unschedulable", NO_ROOM, status="False"))
ROOM_ADVICE = "Add nodes, or lower the bot's resource requests."
IMAGE_ADVICE = "Check the image's name and the registry's credentials."
BY_SIGKILL = "The bot was terminated by someone else, with SIGKILL. Start another session."
TEMPLATE_ADVICE = "Correct the Job template, or what it refers to."
BACK_OFF = 'Back-off pulling image "registry.example/podline-bot:9"'
LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi"

BY_EXIT: Final = [
    *(
        wordless(f"exit {code} with no word", reason, code)
        for reason, code in EXIT_CODES.items()
        if code not in (0, 137)
    ),
    *(
        Case(
            f"exit {code} with a final report of {reason}",
            reason,
            job(*(FAILED_FOR_EXIT[code] if code else COMPLETE)),
            pod("Failed" if code else "Succeeded", terminated(code, message=word(reason))),
            "As the bot says.",
        )
        for reason, code in EXIT_CODES.items()
        if code != 137
    ),
    wordless("an unknown exit code", Reason.CRASHED, 3),
    wordless(
        "a segmentation fault",
        Reason.CRASHED,
        139,
        "A native library crashed in the bot's process (SIGSEGV). Read its log for the details.",
    ),
    wordless("exit 0 with no word", Reason.VANISHED, 0),
    wordless("killed by somebody", Reason.VANISHED, 137, BY_SIGKILL),
    wordless("ended by SIGTERM", Reason.VANISHED, 143, BY_SIGKILL.replace("SIGKILL", "SIGTERM")),
    Case(
        "asked to go by nobody we know",
        Reason.VANISHED,
        job(*COMPLETE),
        pod("Succeeded", terminated(0, message=word("terminated"))),
        "The bot was terminated by someone else. Start another session.",
    ),
    Case(
        "a final report that is no JSON",
        Reason.MODEL_LOST,
        job(*FAILED_FOR_EXIT[69]),
        pod("Failed", terminated(69, message='ls":{"turns":3}}')),
    ),
    Case(
        "a final report that is too long",
        Reason.MODEL_LOST,
        job(*FAILED_FOR_EXIT[69]),
        pod("Failed", terminated(69, message=word("idle", "x" * 5000))),
    ),
    Case(
        "a final report that is not the bot's to say",
        Reason.CRASHED,
        job(*FAILED_FOR_EXIT[1]),
        pod("Failed", terminated(1, message=word("evicted"))),
        exited_with(1),
    ),
    Case(
        "out of memory",
        Reason.OUT_OF_MEMORY,
        job(*FAILED_FOR_EXIT[137]),
        pod("Failed", terminated(137, "OOMKilled", word("caller_left"))),
    ),
    Case(
        "a command that is not there",
        Reason.CRASHED,
        job(*FAILED_FOR_EXIT[128]),
        pod(
            "Failed",
            terminated(128, "StartError", 'exec: "bott": executable file not found in $PATH: unknown'),
        ),
        'The bot\'s container could not be started: exec: "bott": executable file not found in $PATH: '
        f"unknown. {TEMPLATE_ADVICE}",
    ),
]

BY_CLUSTER: Final = [
    Case(
        "evicted by the kubelet, killed",
        Reason.EVICTED,
        job(*FAILED_FOR_EXIT[137]),
        pod("Failed", terminated(137), reason="Evicted", message=f"{LOW}. "),
        f"The node evicted the bot: {LOW}. Start another session.",
    ),
    Case(
        "evicted by the kubelet, and its container lost",
        Reason.EVICTED,
        job(*FAILED_FOR_EXIT[137]),
        pod("Failed", NEVER_LOCATED, last_state=USED_TO_RUN, reason="Evicted", message=f"{LOW}. "),
        f"The node evicted the bot: {LOW}. Start another session.",
        events=(warning("FailedScheduling", NO_ROOM),),
    ),
    *(
        Case(
            f"disrupted: {reason}, exit {code}",
            ending,
            job(*(FAILED_FOR_DISRUPTION if code else COMPLETE)),
            pod(
                "Failed" if code else "Succeeded",
                terminated(code, message=word("terminated")),
                disruption(reason, message),
                is_deleted=True,
            ),
            f"{ending_for(ending).what_happened.rstrip('.')}: {message.rstrip('.')}. Start another session.",
        )
        for code in (0, 137)
        for reason, message, ending in (
            ("EvictionByEvictionAPI", "Eviction API: evicting", Reason.EVICTED),
            (
                "PreemptionByScheduler",
                "default-scheduler: preempting to accommodate a higher priority pod",
                Reason.EVICTED,
            ),
            (
                "TerminationByKubelet",
                "Pod was terminated in response to imminent node shutdown.",
                Reason.EVICTED,
            ),
            ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", Reason.NODE_LOST),
            ("DeletionByPodGC", "PodGC: node no longer exists", Reason.NODE_LOST),
        )
    ),
    *(
        Case(
            f"ended by itself with {code}, and taken along by a drain before anybody looked",
            reason,
            job(*(FAILED_FOR_DISRUPTION if code else COMPLETE)),
            pod(
                "Failed" if code else "Succeeded",
                terminated(code, message=word(reason)),
                disruption("EvictionByEvictionAPI", "Eviction API: evicting"),
                is_deleted=True,
            ),
            "As the bot says.",
        )
        for code, reason in ((0, Reason.CALLER_LEFT), (69, Reason.MODEL_LOST))
    ),
    Case(
        "on a node that nobody reaches, forgotten by force",
        Reason.NODE_LOST,
        job(*DEADLINE, deadline=0),
        pod(
            "Running",
            RUNNING,
            disruption("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
            is_deleted=True,
        ),
        "The bot's node was lost: Taint manager: deleting due to NoExecute taint. Start another session.",
        intent=ending_for(Reason.UNRESPONSIVE),
    ),
    Case(
        "on a node that stopped answering, with no condition yet",
        Reason.NODE_LOST,
        job(*DEADLINE, deadline=0),
        pod("Running", RUNNING, is_deleted=True),
        events=(warning("NodeNotReady", "Node is not ready"),),
        intent=ending_for(Reason.UNRESPONSIVE),
    ),
    Case(
        "on a node that was not ready for a while, and ended by itself",
        Reason.MODEL_REFUSED,
        job(*FAILED_FOR_EXIT[67]),
        pod("Failed", terminated(67, message=word("model_refused"))),
        "As the bot says.",
        events=(warning("NodeNotReady", "Node is not ready"),),
    ),
    Case(
        "its node was started again, long after it had waited for one",
        Reason.VANISHED,
        job(*FAILED_FOR_EXIT[137]),
        pod("Failed", NEVER_LOCATED, last_state=USED_TO_RUN),
        events=(warning("FailedScheduling", NO_ROOM),),
    ),
    Case(
        "its pod was deleted by hand",
        Reason.VANISHED,
        job(*COMPLETE),
        pod("Succeeded", terminated(0, message=word("terminated")), is_deleted=True),
        "The bot's pod was deleted by someone else. Start another session.",
    ),
    Case(
        "its pod was deleted by hand, as it left by itself",
        Reason.CALLER_LEFT,
        job(*COMPLETE),
        pod("Succeeded", terminated(0, message=word("caller_left")), is_deleted=True),
        "As the bot says.",
    ),
    Case(
        "its Job was deleted by hand",
        Reason.VANISHED,
        None,
        pod("Succeeded", terminated(0, message=word("terminated")), is_deleted=True),
        "The Job was deleted by someone else. Start another session.",
    ),
    Case(
        "its Job was deleted by hand before it had a pod",
        Reason.VANISHED,
        None,
        None,
        "The Job was deleted by someone else. Start another session.",
    ),
    Case(
        "ran into the Job's deadline",
        Reason.MAX_DURATION,
        job(*DEADLINE),
        pod("Failed", terminated(0, message=word("terminated")), is_deleted=True),
    ),
    Case(
        "its Job's deadline was set to 0 by somebody",
        Reason.VANISHED,
        job(*DEADLINE, deadline=0),
        pod("Failed", terminated(143), is_deleted=True),
        "The Job was stopped by someone else. Start another session.",
    ),
    Case("gone unseen, exit code 67", Reason.MODEL_REFUSED, job(*FAILED_FOR_EXIT[67]), None),
    Case("gone unseen, exit code 137", Reason.VANISHED, job(*FAILED_FOR_EXIT[137]), None, BY_SIGKILL),
    Case("gone unseen, disrupted", Reason.EVICTED, job(*FAILED_FOR_DISRUPTION), None),
    Case("gone unseen, complete", Reason.VANISHED, job(*COMPLETE), None),
    Case("gone unseen, killed", Reason.VANISHED, job(*BACKOFF_LIMIT), None),
    Case("gone unseen, past the deadline", Reason.MAX_DURATION, job(*DEADLINE), None),
    Case(
        "gone unseen, complete, after it had waited for a node",
        Reason.VANISHED,
        job(*COMPLETE),
        None,
        events=(warning("FailedScheduling", NO_ROOM),),
    ),
]
