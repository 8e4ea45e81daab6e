"""The fault suite as a bench: load, faults and rest; then the audit, and what it comes to as a table."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp

from scripts.benchmarks.calls.programs import resident_megabytes
from scripts.benchmarks.faults.auditor import Defect, Effect, audit, effects, starts
from scripts.benchmarks.faults.catalogue import LAUNCHES, SiteFault, Stroke, faults_for
from scripts.benchmarks.faults.evidence import Evidence, read_evidence
from scripts.benchmarks.faults.plan import FaultPlan
from scripts.benchmarks.faults.real_bot import real_processes
from scripts.benchmarks.faults.site import (
    SiteUnderFaults,
    fault_site,
    noted,
    replica_user,
    start_callers,
)
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import SECONDS, Table, percentile

SAMPLE_SECONDS: Final = 5.0
FINISH_SECONDS: Final = 20.0
REST_SECONDS: Final = 240.0
"""Longer than the slowest end: silence, grace period, and force half a minute later."""
SHOWN_FINDINGS: Final = 40
HEADINGS: Final = ("", "value", "target")


async def measure(run: BenchRun) -> None:
    """Run the plan, audit what it left, and write figures and findings down."""
    plan = plan_of(run)
    found = await play(plan, run.directory, run.progress.doing)
    judge(run, plan, found)


async def play(plan: FaultPlan, directory: Path, doing: Any) -> Evidence:
    """Run load and faults until everything is over. Return the evidence."""
    doing(f"seed {plan.seed}: starting the cluster and {plan.replicas} controllers")
    async with fault_site(plan, directory) as site:
        await start_callers(site)
        sampling = asyncio.create_task(_sample(site))
        try:
            await _strike(site, doing)
            doing("no more faults; all calls end")
            await site.heal()
            await site.until_ready()
            site.order_bots(finish=FINISH_SECONDS)
            left = await _until_rest(site, doing)
            (directory / "final.json").write_text(json.dumps(left))
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
            await site.callers.end()
    return read_evidence(directory)


async def _strike(site: SiteUnderFaults, doing: Any) -> None:
    """Let faults strike one at a time, each kind once before any comes twice."""
    plan = site.plan
    rng = random.Random(plan.seed)  # noqa: S311 - a seed that is shown
    kinds = faults_for(plan.replicas, plan.only)
    loop = asyncio.get_running_loop()
    end = loop.time() + plan.seconds
    deck: list[SiteFault] = []
    await asyncio.sleep(min(20.0, plan.seconds / 10))
    while fitting := [each for each in kinds if loop.time() + each.seconds <= end]:
        if not any(each in fitting for each in deck):
            deck = rng.sample(kinds, len(kinds))
        fault = next(each for each in deck if each in fitting)
        deck.remove(fault)
        doing(f"{round(end - loop.time())} s remain: {fault.name}")
        with noted(site.log, fault.name):
            try:
                await fault.strike(Stroke(site, rng, fault.name))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                site.log.write("stroke_failed", name=fault.name, error=f"{type(error).__name__}: {error}")
        await site.until_ready_again()
        await asyncio.sleep(plan.pause_seconds * rng.uniform(0.7, 1.3))
    await asyncio.sleep(max(0.0, end - loop.time()))


async def _sample(site: SiteUnderFaults) -> None:
    """Write down what each controller weighs and uses."""
    while True:
        for each in site.replicas:
            if (pid := each.pid) is None:
                continue
            # It may have ended since.
            with suppress(OSError, IndexError, ValueError):
                megabytes, cpu = resident_megabytes(pid), cpu_seconds(pid)
                site.log.write("sample", replica=each.name, pid=pid, megabytes=megabytes, cpu=cpu)
        await asyncio.sleep(SAMPLE_SECONDS)


def cpu_seconds(process: int) -> float:
    """Return how much processor time a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _until_rest(site: SiteUnderFaults, doing: Any) -> dict[str, Any]:
    """Wait until nothing is left to happen, or too long. Return what is left."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REST_SECONDS
    while True:
        left = await _left(site)
        if left["is_at_rest"] or loop.time() > deadline:
            return left
        doing(
            f"left: {left['unrecorded']} unrecorded, {len(left['pods'])} pods, {len(left['rooms'])} rooms, "
            f"{len(left['processes'])} processes"
        )
        await asyncio.sleep(3)


async def _left(site: SiteUnderFaults) -> dict[str, Any]:
    secrets = await _metadata(site, f"{site.secrets}?labelSelector={LAUNCHES}")
    jobs = await _metadata(site, f"{site.jobs}?labelSelector={LAUNCHES}")
    unrecorded = {
        job["metadata"]["name"]: _has_ended(job)
        for job in await site.listed(f"{site.jobs}?labelSelector={LAUNCHES},!podline.dev/reason")
    }
    running = "fieldSelector=status.phase!=Succeeded,status.phase!=Failed"
    pods = await site.listed(f"{site.pods}?labelSelector={LAUNCHES}&{running}")
    names = {job["name"] for job in jobs}
    owned = [{"name": each["name"], "owner": each["ownerReferences"][0]["name"]} for each in secrets]
    rooms = sorted(room["name"] for room in await site.rooms_left())
    processes = sorted(real_processes(site.real_directory))
    return {
        "is_at_rest": not unrecorded
        and not pods
        and not rooms
        and not processes
        and all(each["owner"] in names for each in owned),
        "unrecorded": len(unrecorded),
        "jobs": [
            {
                "name": job["name"],
                "has_ended": unrecorded.get(job["name"], True),
                "reason": job["labels"].get("podline.dev/reason", ""),
            }
            for job in jobs
        ],
        "pods": [{"name": pod["metadata"]["name"], "phase": pod["status"].get("phase", "")} for pod in pods],
        "secrets": owned,
        "rooms": rooms,
        "processes": processes,
    }


def _has_ended(job: dict[str, Any]) -> bool:
    conditions = job["status"].get("conditions", [])
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)


async def _metadata(site: SiteUnderFaults, path: str) -> list[dict[str, Any]]:
    """List objects without what they contain."""
    form = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    async with site.http.get(path, headers={"Accept": form}) as answer:
        answer.raise_for_status()
        return [each["metadata"] for each in (await answer.json())["items"] or ()]


def plan_of(run: BenchRun) -> FaultPlan:
    """Return the plan that the bench's options make."""
    options = run.options
    live = int(options.get("live") or (30 if run.is_small else 2000))
    return FaultPlan(
        minutes=run.count,
        live=live,
        listed=int(options.get("listed") or (100 if run.is_small else 10_000)),
        rate=float(options.get("rate") or (1 if run.is_small else 20)),
        replicas=int(options.get("replicas") or 2),
        seed=run.seed,
        pause_seconds=3.0 if run.is_small else 10.0,
        real=2 if run.is_small else 8,
        only=tuple(filter(None, str(options.get("only", "")).split(","))),
    )


def judge(run: BenchRun, plan: FaultPlan, found: Evidence) -> list[Defect]:
    """Write figures and findings, and make the bench fail where there are findings."""
    findings = audit(found)
    for finding in findings:
        run.results.row(finding=str(finding))
    run.faults += [str(each) for each in findings[:SHOWN_FINDINGS]]
    if findings:
        kept = run.results.path.with_suffix(".evidence")
        shutil.copytree(run.directory, kept, ignore=shutil.ignore_patterns("podline-cluster-*"))
        run.faults.append(f"{len(findings)} findings with seed {plan.seed}; the evidence is in {kept}")
    for name, value, target in rows(found, findings):
        run.results.row(name=name, value=value, target=target)
    return findings


def rows(found: Evidence, findings: list[Defect]) -> list[tuple[str, str, str]]:
    """Return the table: what was played, what the auditor found, what callers noticed."""
    by_check = Counter(finding.check for finding in findings)
    felt = effects(found)
    checks = ("duplicate", "orphan", "reason", "contradiction", "usage", "deposed", "answer")
    ended = Counter(job.records[-1].reason for job in found.jobs if job.records)
    return [
        ("sessions", f"{len(found.jobs):,}", ""),
        ("bots", f"{len(found.bots):,}, {sum(bot.acks for bot in found.bots):,} batches", ""),
        ("real bots", _real_bots(found), ""),
        *((f"audit: {check}", f"{by_check[check]:,}", "0") for check in checks),
        ("ends", ", ".join(f"{reason} {count}" for reason, count in ended.most_common()), ""),
        *((f"starts {name}", f"{count:,}", "") for name, count in starts(found).most_common()),
        *_takeovers(found, felt),
        *_gaps(found),
        *_weights(found),
        *_leaders_weight(found),
        *_by_fault(found, felt),
    ]


def _real_bots(found: Evidence) -> str:
    real = [bot for bot in found.bots if bot.is_real]
    ends = Counter(bot.kind.replace("_", " ") or "not ended" for bot in real)
    counts = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    return f"{counts or 0}; {sum(bot.acks for bot in real):,} batches"


CRASHES: Final = ("leader killed", "leader paused for 15 s")
HANDOVERS: Final = ("leader terminated",)


def _takeovers(found: Evidence, felt: list[Effect]) -> list[tuple[str, str, str]]:
    result = []
    for name, kinds, target in (
        ("after a hand-over", HANDOVERS, "p50 at most 1 s"),
        ("after a crash", CRASHES, "p99 at most 5 s"),
    ):
        of_kind = [effect for fault, effect in zip(found.faults, felt, strict=True) if fault.name in kinds]
        for what, values, wanted in (
            ("Lease taken", [each.takeover for each in of_kind], ""),
            ("first answer", [each.first_answer for each in of_kind], target),
        ):
            if known := [value for value in values if not math.isnan(value)]:
                result.append((f"{what} {name}", _spread(known), wanted))
    terms = [each for each in found.leaders if each.holder]
    if terms:
        result.append(("changes of the Lease's holder", f"{len(terms):,}", ""))
    return result


def _gaps(found: Evidence) -> list[tuple[str, str, str]]:
    gaps = [line for line in found.callers if line["kind"] == "gap" and line["is_reconnect"]]
    kinds = {"all sessions'": True, "one session's": False}
    return [
        (f"gap when {name} event stream reconnects", _spread(values), "at most 3 s after a hand-over")
        for name, is_all in kinds.items()
        if (values := [each["seconds"] for each in gaps if (each["stream"] == "all") == is_all])
    ]


def _weights(found: Evidence) -> list[tuple[str, str, str]]:
    samples = [line for line in found.site if line["kind"] == "sample"]
    result = []
    for replica in sorted({line["replica"] for line in samples}):
        of_replica = [line for line in samples if line["replica"] == replica]
        quarters = [of_replica[len(of_replica) * part // 4] for part in range(4)] + of_replica[-1:]
        weights = ", ".join(f"{line['megabytes']:.0f}" for line in quarters)
        result.append((f"{replica}: MB at each quarter of the time", weights, "flat"))
        cores = [
            (later["cpu"] - line["cpu"]) / (later["at"] - line["at"])
            for line, later in pairwise(of_replica)
            if line["pid"] == later["pid"] and later["at"] > line["at"]
        ]
        if cores:
            text = f"{sum(cores) / len(cores):.2f} (most {max(cores):.2f})"
            result.append((f"{replica}: cores", text, ""))
    return result


def _leaders_weight(found: Evidence) -> list[tuple[str, str, str]]:
    """Return what whoever led weighed in the first and the last quarter of the time, and the ratio."""
    terms = [(each.at, each.user if each.holder else "") for each in found.leaders]
    weights = [
        line["megabytes"]
        for line in found.site
        if line["kind"] == "sample" and replica_user(line["replica"]) == _leader_at(line["at"], terms)
    ]
    quarter = len(weights) // 4
    if not quarter:
        return []
    first, last = sum(weights[:quarter]) / quarter, sum(weights[-quarter:]) / quarter
    text = f"{first:.0f}, {last:.0f} ({last / first:.2f} times)"
    return [("leader: MB in the first and the last quarter of the time", text, "flat")]


def _leader_at(moment: float, terms: list[tuple[float, str]]) -> str:
    return next((user for at, user in reversed(terms) if at <= moment), "")


def _by_fault(found: Evidence, felt: list[Effect]) -> list[tuple[str, str, str]]:
    by_name: dict[str, list[Effect]] = {}
    for fault, effect in zip(found.faults, felt, strict=True):
        by_name.setdefault(fault.name, []).append(effect)
    return [(f"fault: {name}", _effect(of_name), "") for name, of_name in sorted(by_name.items())]


def _effect(of_name: list[Effect]) -> str:
    unanswered, gap = _worst(each.unanswered for each in of_name), _worst(each.gap for each in of_name)
    refused = max(each.refused for each in of_name)
    return (
        f"{len(of_name)} times; at worst nobody answered for {unanswered}, an event stream paused for {gap}, "
        f"{refused} requests to start were refused"
    )


def _worst(values: Iterable[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    return SECONDS.write(max(known)) + " s" if known else "?"


def _spread(values: list[float]) -> str:
    middle, most = percentile(values, 0.5), percentile(values, 0.99)
    return f"{middle:.2f} s (p99 {most:.2f}, highest {max(values):.2f}, of {len(values)})"


def table(results: Results) -> Table:
    """Return the rows as they were written."""
    found = [row for row in results.rows if "name" in row]
    return Table(HEADINGS, [[row["name"], row["value"], row["target"]] for row in found])
