"""Jobs, pods and events, reduced to the fields that are used here.

They are decoded from raw bytes, because the client's own models cost ten times as much. Other fields are
skipped.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Final, Literal

import msgspec

from controller.runtimes.kubernetes import names


class _Read(msgspec.Struct, rename="camel", frozen=True, gc=False):
    pass


class Labels(_Read, frozen=True):
    """Our labels. All others are skipped."""

    launch_id: str | None = msgspec.field(name=names.LAUNCH_ID, default=None)
    phase: str | None = msgspec.field(name=names.PHASE_LABEL, default=None)
    reason: str | None = msgspec.field(name=names.REASON_LABEL, default=None)
    agent: str | None = msgspec.field(name=names.AGENT_LABEL, default=None)
    agent_version: str | None = msgspec.field(name=names.AGENT_VERSION_LABEL, default=None)
    pool: str | None = msgspec.field(name=names.POOL, default=None)


class Annotations(_Read, frozen=True):
    """Our annotations. All others are skipped."""

    session_id: str | None = msgspec.field(name=names.SESSION_ID, default=None)
    user_id: str | None = msgspec.field(name=names.USER_ID, default=None)
    request: str | None = msgspec.field(name=names.REQUEST, default=None)
    timeline: str | None = msgspec.field(name=names.TIMELINE, default=None)
    usage: str | None = msgspec.field(name=names.USAGE, default=None)
    message: str | None = msgspec.field(name=names.MESSAGE, default=None)
    diagnostics: str | None = msgspec.field(name=names.DIAGNOSTICS, default=None)
    stop_reason: str | None = msgspec.field(name=names.STOP_REASON, default=None)
    stop_message: str | None = msgspec.field(name=names.STOP_MESSAGE, default=None)
    redeploy: str | None = msgspec.field(name=names.REDEPLOY, default=None)
    contract: str | None = msgspec.field(name=names.CONTRACT, default=None)
    warm: str | None = msgspec.field(name=names.WARM, default=None)


_NO_ANNOTATIONS: Final = Annotations()
_NO_LABELS: Final = Labels()


class Meta(_Read, frozen=True):
    """`ObjectMeta`."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: Labels = Labels()
    annotations: Annotations = Annotations()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


def launch_of(meta: Meta) -> str:
    """Return the launch an object belongs to, interned: thousands of them are kept."""
    return sys.intern(meta.labels.launch_id or "")


class Namespace(_Read, frozen=True):
    """`v1` Namespace."""

    metadata: Meta


class ConfigMap(_Read, frozen=True):
    """`v1` ConfigMap. What isn't text is skipped."""

    metadata: Meta
    data: dict[str, str] = {}


class Condition(_Read, frozen=True):
    """A condition of a Job or pod."""

    type: str
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: datetime | None = None

    @property
    def holds(self) -> bool:
        return self.status == "True"


class JobSpec(_Read, frozen=True):
    active_deadline_seconds: int | None = None
    suspend: bool = False


class JobStatus(_Read, frozen=True):
    start_time: datetime | None = None
    conditions: list[Condition] = []


class Job(_Read, frozen=True):
    """`batch/v1` Job."""

    metadata: Meta
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class Waiting(_Read, frozen=True):
    reason: str | None = None
    message: str | None = None


class Terminated(_Read, frozen=True):
    exit_code: int
    reason: str | None = None
    message: str | None = None
    finished_at: datetime | None = None


class ContainerState(_Read, frozen=True):
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Read, frozen=True):
    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(_Read, frozen=True):
    phase: str = "Pending"
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []


class Pod(_Read, frozen=True):
    """`v1` Pod."""

    metadata: Meta
    status: PodStatus = PodStatus()

    def condition(self, kind: str) -> Condition | None:
        return next((each for each in self.status.conditions if each.type == kind), None)

    def bot(self) -> ContainerState:
        """Return the state of the bot's container; an empty one if the kubelet has reported none."""
        statuses = self.status.container_statuses
        return next((each.state for each in statuses if each.name == names.BOT_CONTAINER), ContainerState())

    def bot_has_run_before(self) -> bool:
        """Return whether the bot's container has ended once already, as far as the kubelet remembers."""
        statuses = self.status.container_statuses
        return any(
            each.name == names.BOT_CONTAINER and each.last_state != ContainerState() for each in statuses
        )


def lean_job(job: Job) -> Job:
    """Return a Job without the fields that are read only once, mostly the session's record.

    Its version is kept with what rules a write to this version out: a recorded end, or that it is no longer
    a warm bot's.
    """
    annotations = job.metadata.annotations
    kept = _NO_ANNOTATIONS
    if annotations.stop_reason is not None:
        kept = Annotations(stop_reason=annotations.stop_reason, stop_message=annotations.stop_message)
    return msgspec.structs.replace(job, metadata=_lean_meta(job.metadata, kept))


def lean_pod(pod: Pod) -> Pod:
    """Return a pod without the conditions that don't bear on a bot's fate."""
    kept = [each for each in pod.status.conditions if each.type in ("PodScheduled", "DisruptionTarget")]
    status = msgspec.structs.replace(pod.status, conditions=kept)
    metadata = _lean_meta(pod.metadata, _NO_ANNOTATIONS)
    return msgspec.structs.replace(pod, metadata=metadata, status=status)


def _lean_meta(meta: Meta, annotations: Annotations) -> Meta:
    reason, pool = meta.labels.reason, meta.labels.pool
    labels = _NO_LABELS if reason is None and pool is None else Labels(reason=reason, pool=pool)
    return msgspec.structs.replace(meta, labels=labels, annotations=annotations)


class Event(_Read, frozen=True):
    """`v1` Event: what a component of the cluster noted about a Job or pod."""

    metadata: Meta
    reason: str | None = None
    message: str | None = None


class ListMeta(_Read, frozen=True):
    resource_version: str = ""
    continue_: str | None = msgspec.field(name="continue", default=None)


class Page(_Read, frozen=True):
    """One page of a list, its items not yet decoded."""

    metadata: ListMeta
    items: list[msgspec.Raw] = []


class Status(_Read, frozen=True):
    """What the API server returns instead of the object that was requested."""

    code: int = 0
    reason: str | None = None
    message: str | None = None


class WatchEvent(_Read, frozen=True):
    """One line of a watch, its object not yet decoded."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw
