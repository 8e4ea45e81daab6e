"""The auditor: judges a run by what others wrote down about it. It imports nothing of what it judges.

Each check returns what it found wrong. A clean run has no findings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from scripts.benchmarks.faults.evidence import (
    CONTROLLERS,
    FAULTS_USER,
    BotStory,
    Evidence,
    JobStory,
)

SILENCE_SECONDS: Final = 15.0
"""A bot that heard nothing for so long may have been taken for dead. The limit is 20 s, on the other side."""

LATE_SECONDS: Final = 55.0
"""A bot whose container started so late may have been given up: the suite allows a start 60 s."""

NEVER_STARTED: Final = frozenset(
    {"start_timeout", "unschedulable", "launch_failed", "image_pull", "vanished", "stopped", "evicted"}
)
KILLED: Final = {"exit-137": "vanished", "out-of-memory": "out_of_memory", "exit-1": "crashed"}
"""The reason of a bot that was killed in this way."""
NOT_ITS_OWN: Final = frozenset({"", "running", "terminated", "stopped"})
"""What a final report says of a call that goes on, or that somebody else ends."""


@dataclass(frozen=True)
class Defect:
    """One thing that must not be."""

    check: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.what}"


def audit(found: Evidence) -> list[Defect]:
    """Check everything."""
    return [finding for check in CHECKS for finding in check(found)]


def duplicates(found: Evidence) -> Iterator[Defect]:
    """One session is one Job, one Job one pod, and one launch one bot."""
    by_session: dict[str, list[JobStory]] = defaultdict(list)
    for job in found.jobs:
        by_session[job.session].append(job)
    for session, jobs in by_session.items():
        launches = {job.launch for job in jobs}
        if len(launches) > 1 and not _one_after_another(jobs):
            yield Defect("duplicate", session, f"has the launches {sorted(launches)}")
    for job in found.jobs:
        if len(set(job.pods)) > 1:
            yield Defect("duplicate", job.session, f"its Job had the pods {sorted(set(job.pods))}")
    bots: dict[str, list[BotStory]] = defaultdict(list)
    for bot in found.bots:
        bots[bot.session].append(bot)
    for session, of_session in bots.items():
        of_session.sort(key=lambda bot: bot.started)
        for one, other in pairwise(of_session):
            if not one.end or one.end["at"] > other.started:
                yield Defect(
                    "duplicate", session, f"had the bots {one.launch} and {other.launch} at one time"
                )


def _one_after_another(jobs: Sequence[JobStory]) -> bool:
    """Whether each Job was deleted before the next was created: its launch had been taken back."""
    ordered = sorted(jobs, key=lambda job: job.created)
    return all(one.deleted and one.deleted[0][0] <= other.created for one, other in pairwise(ordered))


def orphans(found: Evidence) -> Iterator[Defect]:
    """Once all calls are over nothing runs, and nothing is left that nobody owns."""
    jobs = {job["name"]: job for job in found.final.get("jobs", [])}
    for name, job in jobs.items():
        if not (job["has_ended"] and job["reason"]):
            what = "end was never recorded" if job["has_ended"] else "pod has not ended"
            yield Defect("orphan", name, f"the Job's {what}")
    for pod in found.final.get("pods", []):
        if pod["phase"] not in ("Succeeded", "Failed"):
            yield Defect("orphan", pod["name"], f"the pod is {pod['phase']}")
    for secret in found.final.get("secrets", []):
        if secret["owner"] not in jobs:
            yield Defect("orphan", secret["name"], f"the Secret's Job {secret['owner']} is gone")
    for kind in ("rooms", "processes"):
        for each in found.final.get(kind, []):
            yield Defect("orphan", each, f"one of the {kind} that are left")
    yield from (
        Defect("orphan", bot.session, f"the bot {bot.launch} never ended")
        for bot in found.bots
        if not bot.end
    )


def reasons(found: Evidence) -> Iterator[Defect]:
    """Each session has one recorded reason, and it is what happened."""
    bots = {bot.launch: bot for bot in found.bots}
    asked = {line["session"] for line in found.callers if line["kind"] == "stop_asked"}
    accepted = {line["session"] for line in found.callers if line["kind"] == "start"}
    lost = lost_nodes(found)
    last = {job.session: job for job in found.jobs}
    for job in found.jobs:
        deleters = {user for _, user in job.deleted}
        if not job.records:
            if FAULTS_USER in deleters:
                continue
            taken_back = any(user.startswith(CONTROLLERS) for user in deleters)
            if not taken_back or (job.session in accepted and last[job.session] is job):
                yield Defect("reason", job.session, "no end was recorded")
            continue
        told = list(dict.fromkeys(record.reason for record in job.records))
        if len(told) > 1:
            yield Defect("contradiction", job.session, f"its end was recorded as {' and as '.join(told)}")
        allowed = true_reasons(job, bots.get(job.launch), found, asked, lost)
        if told[-1] not in allowed:
            why = f"recorded as {told[-1]}, but what happened is {' or '.join(sorted(allowed)) or 'nothing'}"
            yield Defect("reason", job.session, why)


def lost_nodes(found: Evidence) -> set[str]:
    """Nodes whose kubelet or machine was gone at some time."""
    faults = ("nodes lost for good", "kubelets silent")
    named = (fault.facts.get("nodes", []) for fault in found.faults if fault.name in faults)
    return {node for nodes in named for node in nodes} | found.nodes_deleted


def true_reasons(
    job: JobStory, bot: BotStory | None, found: Evidence, asked: set[str], lost: set[str]
) -> set[str]:
    """Return the reasons that what happened to a session can have; several if several things did."""
    true: set[str] = set()
    if job.session in asked:
        true.add("stopped")
    pods = set(job.pods)
    if any(FAULTS_USER in found.pods_deleted.get(pod, ()) for pod in pods) or any(
        user == FAULTS_USER for _, user in job.deleted
    ):
        true.add("vanished")
    if pods & found.pods_evicted:
        true.add("evicted")
    if bot is None:
        # Its pod may have been bound to a node that was lost before it ran.
        return true | NEVER_STARTED | ({"node_lost"} if lost else set())
    if bot.node in lost:
        true |= {"node_lost", "unresponsive", "evicted"}
    if bot.end.get("silence", 0) >= SILENCE_SECONDS:
        true.add("unresponsive")
    if bot.acks == 0 or bot.started - job.created >= LATE_SECONDS:
        true.add("start_timeout")
    match bot.kind:
        case "killed":
            true.add(KILLED[bot.end["how"]])
            # A real one may have decided its end a moment before.
            true |= {bot.end.get("said", "")} - NOT_ITS_OWN
        case "ended" if bot.end["reason"] not in NOT_ITS_OWN:
            true.add(bot.end["reason"])
    return true


def usage(found: Evidence) -> Iterator[Defect]:
    """The record has what the bot used; of one that was killed, at least what was acknowledged."""
    bots = {bot.launch: bot for bot in found.bots}
    for job in found.jobs:
        bot = bots.get(job.launch)
        if not job.records or bot is None or not bot.end:
            continue
        recorded = totals_of(job.records[-1].usage)
        used, acked = tuple(bot.end["usage"]), tuple(bot.end["acked"])
        said_goodbye = bot.kind == "ended" and bot.end["delivered"]
        if said_goodbye and recorded != used:
            yield Defect("usage", job.session, f"recorded {recorded}, used {used}")
        elif not said_goodbye and not all(
            least <= of <= most for least, of, most in zip(acked, recorded, used, strict=True)
        ):
            yield Defect("usage", job.session, f"recorded {recorded}, acknowledged {acked}, used {used}")


def totals_of(usage: dict[str, Any]) -> tuple[int, int, int]:
    """Turns, prompt and completion tokens of a record."""
    totals = usage.get("totals", {})
    models = totals.get("models", {}).values()
    return (
        totals.get("turns", 0),
        sum(each.get("prompt_tokens", 0) for each in models),
        sum(each.get("completion_tokens", 0) for each in models),
    )


def deposed(found: Evidence) -> Iterator[Defect]:
    """Nobody who led writes after the first write of who leads now."""
    terms = [each for each in found.leaders if each.holder]
    writes = sorted(found.writes, key=lambda write: write.done)
    for before, after in pairwise(terms):
        if before.user == after.user:
            continue
        again = next((each.at for each in terms if each.at > after.at and each.user == before.user), None)
        until = float("inf") if again is None else again
        of_term = [write for write in writes if after.at <= write.done < until]
        first = next((write.done for write in of_term if write.user == after.user), None)
        if first is None:
            continue
        for write in of_term:
            if write.user == before.user and write.done > first:
                yield Defect(
                    "deposed", write.user, f"{write.verb} {write.resource}/{write.name}, "
                    f"{write.done - first:.2f} s after the first write of {after.user}",
                )  # fmt: skip


def answers(found: Evidence) -> Iterator[Defect]:
    """What callers were told holds."""
    known = {job.session for job in found.jobs}
    for line in found.callers:
        if line["kind"] != "start":
            continue
        if not line["is_same"]:
            yield Defect("answer", line["session"], "the repeated start found another session")
        if line["session"] not in known:
            yield Defect("answer", line["session"], "accepted, but no Job was ever created")


CHECKS: Final[Sequence[Callable[[Evidence], Iterator[Defect]]]] = (
    duplicates,
    orphans,
    reasons,
    usage,
    deposed,
    answers,
)


@dataclass(frozen=True)
class Effect:
    """What callers noticed of one fault."""

    unanswered: float
    """Seconds: the longest time in which no request was answered by a controller that leads."""
    first_answer: float
    """Seconds from the stroke until a request that was sent later was answered."""
    takeover: float
    """Seconds from the stroke until the Lease had another holder; not a number if it kept the one it had."""
    gap: float
    """Seconds: the longest noted gap in an event stream."""
    refused: int


ANSWERED: Final = 404
"""What a probe gets from a controller that leads."""
AFTERMATH_SECONDS: Final = 15.0


def effects(found: Evidence) -> list[Effect]:
    """Return the effect of each fault, in their order."""
    answered = [each for each in found.probes() if each["status"] == ANSWERED]
    done = sorted(each["sent"] + each["took"] for each in answered)
    pauses = list(pairwise(done))
    gaps = [
        (line["begin"], line["begin"] + line["seconds"]) for line in found.callers if line["kind"] == "gap"
    ]
    refusals = [line["at"] for line in found.callers if line["kind"] == "start_refused"]
    results = []
    for number, fault in enumerate(found.faults):
        following = found.faults[number + 1].begin if number + 1 < len(found.faults) else float("inf")
        until = min(fault.end + AFTERMATH_SECONDS, following)
        later = [each["sent"] + each["took"] for each in answered if each["sent"] >= fault.struck]
        results.append(
            Effect(
                unanswered=_longest(pauses, fault.struck, until),
                first_answer=min(later, default=float("nan")) - fault.struck,
                takeover=min(
                    (each.at for each in found.leaders if each.holder and fault.struck <= each.at <= until),
                    default=float("nan"),
                )
                - fault.struck,
                gap=_longest(gaps, fault.struck, until),
                refused=sum(fault.begin <= at <= until for at in refusals),
            )
        )
    return results


def _longest(times: Sequence[tuple[float, float]], begin: float, until: float) -> float:
    """Return how long the longest of the times lasted whose middle is between two moments."""
    within = (after - before for before, after in times if begin <= (before + after) / 2 <= until)
    return max(within, default=0.0)


def starts(found: Evidence) -> Counter[str]:
    """Count starts by what became of them, and refusals by their class."""
    counted: Counter[str] = Counter()
    for line in found.callers:
        match line:
            case {"kind": "start", "attempts": attempts}:
                counted["accepted at once" if attempts == 1 else "accepted later"] += 1
            case {"kind": "start_failed"}:
                counted["failed"] += 1
            case {"kind": "start_refused", "status": status, "code": code}:
                counted[f"refused: {status or 'no answer'} {code}"] += 1
    return counted
