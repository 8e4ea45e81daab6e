"""Each way in which a bot can fail to start in a cluster, and what is to be made of it."""

from __future__ import annotations

from typing import Final

from controller.core.endings import ending_for
from controller.core.session import Ending
from controller.runtimes.kubernetes.client.objects import Pod
from controller.runtimes.kubernetes.exit_evidence import held_up
from podline.contract.reasons import Reason
from tests.unit.controller.runtimes.kubernetes.failures import (
    BACK_OFF,
    IMAGE_ADVICE,
    NO_ROOM,
    ROOM_ADVICE,
    TEMPLATE_ADVICE,
    UNSCHEDULABLE,
    Case,
)
from tests.unit.controller.runtimes.kubernetes.shapes import (
    BACKOFF_LIMIT,
    COMPLETE,
    DEADLINE,
    FAILED_FOR_EXIT,
    NEVER_LOCATED,
    job,
    pod,
    terminated,
    waiting,
    warning,
    word,
)

LATE: Final = ending_for(Reason.START_TIMEOUT)
STOPPED: Final = ending_for(Reason.STOPPED)
FORCED: Final = job(*DEADLINE, deadline=0)
"""As our own stop leaves a Job."""

ENDED_UNSTARTED: Final = pod("Failed", NEVER_LOCATED, is_deleted=True)
"""What a kubelet makes of a pod that is ended before its container ran."""

NO_ROOM_SENTENCE: Final = f"No node had room for the bot: {NO_ROOM.rstrip('.')}. {ROOM_ADVICE}"
NO_SECRET: Final = waiting("CreateContainerConfigError", 'secret "cart-7" not found')
NO_PULL = 'rpc error: code = NotFound desc = no such image "registry.example/podline-bot:9": not found'
NO_NAME = (
    'Failed to apply default image tag "Bot:1": couldn\'t parse image name "Bot:1": invalid reference format'
)
NO_QUOTA = (
    'Error creating: pods "cart-7-x2x9k" is forbidden: exceeded quota: bots, requested: pods=1, '
    "used: pods=20, limited: pods=20"
)


def waits_for(reason: str, message: str) -> Pod:
    return pod("Pending", waiting(reason, message))


def before(waited: Pod) -> Ending:
    found = held_up(waited)
    assert found is not None
    return found


IMAGES: Final = [("ErrImagePull", NO_PULL), ("ImagePullBackOff", BACK_OFF), ("InvalidImageName", NO_NAME)]


def image_sentence(reason: str, message: str) -> str:
    return f"The bot's image could not be pulled ({reason}): {message}. {IMAGE_ADVICE}"


CASES: Final = [
    *(
        Case(
            f"unschedulable, {what}",
            Reason.UNSCHEDULABLE,
            FORCED,
            gone,
            NO_ROOM_SENTENCE,
            intent=intent,
            **more,
        )
        for what, gone, intent, more in (
            ("its pod as it was", UNSCHEDULABLE, LATE, {}),
            ("its pod gone", None, LATE, {"held_up_before": before(UNSCHEDULABLE)}),
            ("only an event left", None, LATE, {"events": (warning("FailedScheduling", NO_ROOM),)}),
        )
    ),
    Case(
        "unschedulable until the Job's deadline",
        Reason.UNSCHEDULABLE,
        job(*DEADLINE),
        UNSCHEDULABLE,
        NO_ROOM_SENTENCE,
    ),
    *(
        Case(
            f"no image: {reason}",
            Reason.IMAGE_PULL,
            FORCED,
            waits_for(reason, message),
            image_sentence(reason, message),
            intent=LATE,
        )
        for reason, message in IMAGES
    ),
    *(
        Case(
            f"no image: {reason}, forgotten by the pod",
            Reason.IMAGE_PULL,
            FORCED,
            ENDED_UNSTARTED,
            image_sentence(reason, message),
            held_up_before=before(waits_for(reason, message)),
            intent=LATE,
        )
        for reason, message in IMAGES
    ),
    Case(
        "no image for a helper",
        Reason.IMAGE_PULL,
        FORCED,
        pod("Pending", waiting("PodInitializing"), init_state=waiting("ErrImagePull", NO_PULL)),
        image_sentence("ErrImagePull", NO_PULL),
        intent=LATE,
    ),
    Case(
        "a helper that fails before it",
        Reason.CRASHED,
        job(*FAILED_FOR_EXIT[1]),
        pod("Failed", waiting("PodInitializing"), init_state=terminated(1, "Error", "no space left")),
        f"The init container helper failed with exit code 1: no space left. {TEMPLATE_ADVICE}",
    ),
    Case(
        "no image, and only an event left",
        Reason.IMAGE_PULL,
        FORCED,
        None,
        f"The bot's image could not be pulled: Failed to pull image: {NO_PULL}. {IMAGE_ADVICE}",
        events=(warning("Failed", f"Failed to pull image: {NO_PULL}"),),
        intent=LATE,
    ),
    Case(
        "no image, and its pod deleted by hand",
        Reason.IMAGE_PULL,
        job(*BACKOFF_LIMIT),
        ENDED_UNSTARTED,
        image_sentence("ImagePullBackOff", BACK_OFF),
        held_up_before=before(waits_for("ImagePullBackOff", BACK_OFF)),
    ),
    Case(
        "no Secret",
        Reason.START_TIMEOUT,
        FORCED,
        pod("Pending", NO_SECRET),
        "The bot's container could not be started (CreateContainerConfigError): "
        f'secret "cart-7" not found. {TEMPLATE_ADVICE}',
        intent=LATE,
    ),
    Case(
        "no volume",
        Reason.START_TIMEOUT,
        FORCED,
        pod("Pending", waiting("ContainerCreating")),
        f'The bot\'s pod could not be started: MountVolume.SetUp failed for volume "tmp". {TEMPLATE_ADVICE}',
        events=(warning("FailedMount", 'MountVolume.SetUp failed for volume "tmp"'),),
        intent=LATE,
    ),
    Case(
        "no pod for want of quota",
        Reason.LAUNCH_FAILED,
        FORCED,
        None,
        f"The Job could not create its pod: {NO_QUOTA}. Start the session again.",
        events=(warning("FailedCreate", NO_QUOTA, "Job"),),
        intent=LATE,
    ),
    Case("no pod, and nobody says why", Reason.START_TIMEOUT, FORCED, None, intent=LATE),
    Case(
        "pending until the Job's deadline, and nobody says why",
        Reason.START_TIMEOUT,
        job(*DEADLINE),
        pod("Pending", waiting("ContainerCreating")),
    ),
    Case(
        "ran and did not join, after it had waited for a node",
        Reason.START_TIMEOUT,
        FORCED,
        pod("Failed", terminated(143), is_deleted=True),
        events=(warning("FailedScheduling", NO_ROOM),),
        intent=LATE,
    ),
    Case(
        "ran and was refused by the model, after it had waited for a node",
        Reason.MODEL_REFUSED,
        job(*FAILED_FOR_EXIT[67]),
        pod("Failed", terminated(67, message=word("model_refused"))),
        "As the bot says.",
        events=(warning("FailedScheduling", NO_ROOM), warning("FailedMount", "not yet")),
    ),
    Case("stopped while it waited for a node", Reason.STOPPED, FORCED, UNSCHEDULABLE, intent=STOPPED),
    Case(
        "stopped, and out of memory as it left",
        Reason.STOPPED,
        FORCED,
        pod("Failed", terminated(137, "OOMKilled"), is_deleted=True),
        intent=STOPPED,
    ),
    Case(
        "stopped, as it left by itself",
        Reason.STOPPED,
        job(*COMPLETE, deadline=0),
        pod("Succeeded", terminated(0, message=word("caller_left"))),
        intent=STOPPED,
    ),
    Case(
        "silent, and then out of memory",
        Reason.OUT_OF_MEMORY,
        FORCED,
        pod("Failed", terminated(137, "OOMKilled")),
        intent=ending_for(Reason.UNRESPONSIVE),
    ),
    Case(
        "silent, and nobody knows why",
        Reason.UNRESPONSIVE,
        FORCED,
        pod("Failed", terminated(137), is_deleted=True),
        intent=ending_for(Reason.UNRESPONSIVE),
    ),
]
