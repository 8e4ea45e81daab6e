"""What a run left: the API server's audit log, logs of bots, callers and faults, and the cluster at the end.

The auditor's own reading of all that. It imports nothing of what it judges.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

LAUNCH: Final = "podline.dev/launch-id"
SESSION: Final = "podline.dev/session-id"
REASON: Final = "podline.dev/reason"
USAGE: Final = "podline.dev/usage"
STOP_REASON: Final = "podline.dev/stop-reason"
CONTROLLERS: Final = "podline-"
"""How the names of controllers' users begin."""
FAULTS_USER: Final = "fault-suite"
LEASE: Final = "podline-controller"


class _User(msgspec.Struct):
    username: str = ""


class _Ref(msgspec.Struct):
    resource: str = ""
    name: str = ""
    subresource: str = ""


class _Status(msgspec.Struct):
    code: int = 0


class AuditEvent(msgspec.Struct, rename="camel"):
    """One line of the audit log: a write, when it came and was done, by whom, and what became of it."""

    verb: str
    user: _User
    request_received_timestamp: str
    stage_timestamp: str
    request_uri: str = msgspec.field(name="requestURI", default="")
    object_ref: _Ref = msgspec.field(default_factory=_Ref)
    response_status: _Status = msgspec.field(default_factory=_Status)
    request_object: msgspec.Raw = msgspec.Raw(b"null")
    response_object: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def came(self) -> float:
        return _seconds(self.request_received_timestamp)

    @property
    def done(self) -> float:
        return _seconds(self.stage_timestamp)

    @property
    def succeeded(self) -> bool:
        return 200 <= self.response_status.code < 300

    def answer(self) -> dict[str, Any]:
        """Return the object as the API server answered it."""
        found = json.loads(bytes(self.response_object))
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Write:
    """One write that succeeded, of a Job, pod or Secret by a controller."""

    came: float
    done: float
    user: str
    verb: str
    resource: str
    name: str


@dataclass
class Recorded:
    """An end, as it was written on a Job."""

    at: float
    user: str
    reason: str
    usage: dict[str, Any]


@dataclass
class JobStory:
    """One Job, from its creation on."""

    name: str
    session: str = ""
    launch: str = ""
    created: float = 0.0
    created_by: str = ""
    records: list[Recorded] = field(default_factory=list)
    stops: list[tuple[float, str]] = field(default_factory=list)
    deleted: list[tuple[float, str]] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)


@dataclass
class BotStory:
    """One bot, as its own log has it."""

    launch: str
    session: str = ""
    started: float = 0.0
    node: str = ""
    pod: str = ""
    is_real: bool = False
    end: dict[str, Any] = field(default_factory=dict)
    acks: int = 0
    heard_stop: bool = False
    was_refused: bool = False

    @property
    def kind(self) -> str:
        """How its log ends: `ended` by itself, or how it was ended; empty if it does not end."""
        return str(self.end.get("kind", ""))


@dataclass(frozen=True)
class LeaseHolding:
    """The Lease has a holder from this moment on; an empty one was released."""

    at: float
    holder: str
    user: str


@dataclass
class StruckFault:
    """One time that a fault struck."""

    name: str
    begin: float
    struck: float = 0.0
    end: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Evidence:
    """All of it, in order."""

    jobs: list[JobStory] = field(default_factory=list)
    bots: list[BotStory] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    leaders: list[LeaseHolding] = field(default_factory=list)
    faults: list[StruckFault] = field(default_factory=list)
    callers: list[dict[str, Any]] = field(default_factory=list)
    site: list[dict[str, Any]] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)
    pods_deleted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Users by pod."""
    pods_evicted: set[str] = field(default_factory=set)
    nodes_deleted: set[str] = field(default_factory=set)

    def probes(self) -> list[dict[str, Any]]:
        return [each for each in self.callers if each["kind"] == "probe"]


def read_evidence(directory: Path) -> Evidence:
    """Read what a run left in its directory."""
    found = Evidence()
    read_audit_log(found, _whole_lines(directory / "audit.log"))
    for file in sorted(directory.glob("bots-*.jsonl")):
        read_bots(found, _read(file))
    found.callers = list(_read(directory / "callers.jsonl"))
    read_faults(found, _read(directory / "faults.jsonl"))
    final = directory / "final.json"
    if final.exists():
        found.final = json.loads(final.read_text())
    return found


def read_audit_log(found: Evidence, lines: Iterable[bytes]) -> None:
    """Add what the API server wrote, in the order in which requests were done."""
    current: dict[str, JobStory] = {}
    decoder = msgspec.json.Decoder(AuditEvent)
    for line in lines:
        event = decoder.decode(line)
        if not event.succeeded or "dryRun=" in event.request_uri:
            continue
        user, ref = event.user.username, event.object_ref
        if user.startswith(CONTROLLERS) and ref.resource in ("jobs", "pods", "secrets"):
            found.writes.append(Write(event.came, event.done, user, event.verb, ref.resource, ref.name))
        match ref.resource, ref.subresource:
            case "jobs", "":
                _job(found, current, event)
            case "pods", "":
                _pod(found, current, event)
            case "pods", "eviction":
                found.pods_evicted.add(ref.name)
            case "nodes", "" if event.verb == "delete":
                found.nodes_deleted.add(ref.name)
            case "leases", "" if ref.name == LEASE or event.verb == "create":
                _lease(found, event)


def _job(found: Evidence, current: dict[str, JobStory], event: AuditEvent) -> None:
    name, user = event.object_ref.name, event.user.username
    if event.verb == "delete":
        if name in current:
            current[name].deleted.append((event.done, user))
        return
    job = event.answer()
    metadata = job.get("metadata", {})
    name = metadata.get("name", name)
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    if LAUNCH not in labels or "podline.dev/dry-start" in labels:
        return
    if event.verb == "create":
        story = JobStory(name, annotations.get(SESSION, ""), labels[LAUNCH], event.done, user)
        found.jobs.append(story)
        current[name] = story
    story = current.setdefault(name, JobStory(name, annotations.get(SESSION, ""), labels[LAUNCH]))
    if story not in found.jobs[-1:] and event.verb != "create" and story.created == 0.0:
        story.created = event.done
        found.jobs.append(story)
    if STOP_REASON in annotations:
        stop = annotations[STOP_REASON]
        if not story.stops or story.stops[-1][1] != stop:
            story.stops.append((event.done, stop))
    reason = labels.get(REASON)
    if reason is not None:
        usage = json.loads(annotations.get(USAGE, "{}"))
        last = story.records[-1] if story.records else None
        if last is None or (last.reason, last.usage) != (reason, usage):
            story.records.append(Recorded(event.done, user, reason, usage))


def _pod(found: Evidence, current: dict[str, JobStory], event: AuditEvent) -> None:
    if event.verb == "create":
        metadata = event.answer().get("metadata", {})
        job = metadata.get("labels", {}).get("batch.kubernetes.io/job-name", "")
        if job in current:
            current[job].pods.append(metadata["name"])
    elif event.verb == "delete":
        found.pods_deleted[event.object_ref.name].add(event.user.username)


def _lease(found: Evidence, event: AuditEvent) -> None:
    lease = event.answer()
    if lease.get("metadata", {}).get("name") != LEASE:
        return
    holder = lease.get("spec", {}).get("holderIdentity") or ""
    if not found.leaders or found.leaders[-1].holder != holder:
        found.leaders.append(LeaseHolding(event.done, holder, event.user.username))


def read_bots(found: Evidence, lines: Iterable[dict[str, Any]]) -> None:
    """Add what bots wrote."""
    by_launch: dict[str, BotStory] = {each.launch: each for each in found.bots}
    for line in lines:
        launch = line.get("launch", "")
        story = by_launch.get(launch)
        if line["kind"] == "started":
            story = BotStory(launch, line["session"], line["at"], line["node"], line["pod"])
            story.is_real = line.get("real", False)
            found.bots.append(story)
            by_launch[launch] = story
        elif story is None:
            continue
        elif line["kind"] == "acked":
            story.acks += 1
        elif line["kind"] == "stop_heard":
            story.heard_stop = True
        elif line["kind"] == "refused":
            story.was_refused = True
        elif "usage" in line:
            story.end = line


def read_faults(found: Evidence, lines: Iterable[dict[str, Any]]) -> None:
    """Add which faults struck when, and what else the suite saw."""
    for line in lines:
        match line:
            case {"kind": "fault", "what": "begins", "name": name, "at": at}:
                found.faults.append(StruckFault(name, at, at, at))
            case {"kind": "struck", "at": at, **facts}:
                found.faults[-1].struck = at
                found.faults[-1].facts = facts
            case {"kind": "fault", "what": "ends", "at": at}:
                found.faults[-1].end = at
            case _:
                found.site.append(line)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, _whole_lines(path))


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Read lines; one that was cut off in the middle, and what follows it in the same line, is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            if line.startswith(b"{") and line.endswith(b"}\n"):
                yield line


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
