"""The faults: what each does to a site, and takes back."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from scripts.benchmarks.faults.replica import KeptReplica
from scripts.benchmarks.faults.site import SiteUnderFaults
from testing.cluster.faults import Delay, ProxyFault, Refuse

PAUSED_SECONDS: Final = 15.0
CUT_SECONDS: Final = 10.0
SLOW_SECONDS: Final = 2.0
LAUNCHES: Final = "podline.dev/launch-id"
_DELETED_SHARE: Final = 0.02
_FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True)
class Stroke:
    """One time that a fault strikes."""

    site: SiteUnderFaults
    rng: random.Random
    name: str

    def struck(self, **facts: Any) -> None:
        """Write that it has happened, to whom or what."""
        self.site.log.write("struck", name=self.name, **facts)

    async def other_than(self, leader: KeptReplica) -> KeptReplica:
        return self.rng.choice([each for each in self.site.replicas if each is not leader])


@dataclass(frozen=True)
class SiteFault:
    """A kind of fault.

    Attributes:
        name: in the log and the tables.
        strike: does it, takes it back, and returns then.
        needs_two: it needs several controllers.
        seconds: how long it takes, about.
    """

    name: str
    strike: Callable[[Stroke], Awaitable[None]]
    needs_two: bool = False
    seconds: float = 5.0


async def kill_leader(stroke: Stroke) -> None:
    leader = await stroke.site.leader()
    leader.signal(signal.SIGKILL)
    stroke.struck(replica=leader.name)


async def terminate_leader(stroke: Stroke) -> None:
    leader = await stroke.site.leader()
    leader.signal(signal.SIGTERM)
    stroke.struck(replica=leader.name)


async def kill_follower(stroke: Stroke) -> None:
    follower = await stroke.other_than(await stroke.site.leader())
    follower.signal(signal.SIGKILL)
    stroke.struck(replica=follower.name)


async def kill_all(stroke: Stroke) -> None:
    for each in stroke.site.replicas:
        each.signal(signal.SIGKILL)
    stroke.struck(replica="all")


async def pause_leader(stroke: Stroke) -> None:
    leader = await stroke.site.leader()
    leader.signal(signal.SIGSTOP)
    stroke.struck(replica=leader.name)
    await asyncio.sleep(PAUSED_SECONDS)
    leader.signal(signal.SIGCONT)


async def cut_leader(stroke: Stroke) -> None:
    leader = await stroke.site.leader()
    leader.proxy.down()
    stroke.struck(replica=leader.name)
    await asyncio.sleep(CUT_SECONDS)
    await leader.proxy.up()


async def freeze_leaders_api(stroke: Stroke) -> None:
    """Nothing comes back from the API server; connections stay open."""
    leader = await stroke.site.leader()
    leader.proxy.freeze()
    stroke.struck(replica=leader.name)
    await asyncio.sleep(CUT_SECONDS)
    leader.proxy.thaw()


async def kill_api_server(stroke: Stroke) -> None:
    site = stroke.site
    await site.plane.stop_apiserver(0)
    stroke.struck()
    await asyncio.sleep(stroke.rng.uniform(0, 5))
    await site.plane.start_apiserver()
    await site.restart_rack()


async def compact(stroke: Stroke) -> None:
    """Watches that begin again then find their version gone."""
    await stroke.site.compact()
    for each in stroke.site.replicas:
        each.proxy.cut()
    stroke.struck()


async def slow_api_server(stroke: Stroke) -> None:
    await _during(stroke, ProxyFault(Delay(SLOW_SECONDS)))


async def refuse_many(stroke: Stroke) -> None:
    await _during(stroke, ProxyFault(Refuse(429, "TooManyRequests", retry_after=1), probability=0.5))


async def answer_errors(stroke: Stroke) -> None:
    await _during(stroke, ProxyFault(Refuse(500, "InternalError"), probability=0.5))


async def _during(stroke: Stroke, fault: ProxyFault) -> None:
    for each in stroke.site.replicas:
        each.proxy.faults.append(fault)
    stroke.struck()
    await asyncio.sleep(CUT_SECONDS)
    for each in stroke.site.replicas:
        each.proxy.faults.remove(fault)


async def silence_watches(stroke: Stroke) -> None:
    """Open watches say nothing more, and are not closed either."""
    for each in stroke.site.replicas:
        each.proxy.silence_watches()
    stroke.struck()


async def _some(stroke: Stroke, path: str) -> list[dict[str, Any]]:
    found = await stroke.site.listed(f"{path}?labelSelector={LAUNCHES},!podline.dev/reason")
    alive = [each for each in found if each["status"].get("phase", "Running") == "Running"]
    return stroke.rng.sample(alive, min(len(alive), max(1, round(len(alive) * _DELETED_SHARE))))


async def _delete(stroke: Stroke, path: str) -> None:
    names = [each["metadata"]["name"] for each in await _some(stroke, path)]
    for name in names:
        with suppress(*_FAILURES):
            await stroke.site.api("DELETE", f"{path}/{name}?propagationPolicy=Background")
    stroke.struck(names=names)


async def delete_jobs(stroke: Stroke) -> None:
    await _delete(stroke, stroke.site.jobs)


async def delete_pods(stroke: Stroke) -> None:
    await _delete(stroke, stroke.site.pods)


async def drain_node(stroke: Stroke) -> None:
    """As kubectl does it: no new pods, and each of those there is evicted."""
    site, name = stroke.site, f"fake-{stroke.rng.randrange(5)}"
    await site.annotate_node(name, {"unschedulable": True})
    pods = await site.listed(f"{site.pods}?labelSelector={LAUNCHES}&fieldSelector=spec.nodeName={name}")
    names = [
        pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]
    stroke.struck(node=name, pods=len(names))
    for each in names:
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": each, "namespace": site.namespace},
        }
        with suppress(*_FAILURES):
            await site.api("POST", f"{site.pods}/{each}/eviction", eviction)
    await site.annotate_node(name, {"unschedulable": None})


async def lose_nodes(stroke: Stroke) -> None:
    """Machines are gone, with kubelets and bots. Somebody deletes their nodes, or nobody does."""
    site, rack = stroke.site, stroke.site.rack
    await rack.kubelets.stop(0)
    site.order_bots(lose=rack.nodes)
    deletes = stroke.rng.random() < 0.5
    stroke.struck(nodes=rack.nodes, deletes=deletes)
    await asyncio.sleep(CUT_SECONDS)
    if deletes:
        for name in rack.nodes:
            await site.api("DELETE", f"/api/v1/nodes/{name}")
    await site.new_rack()


async def lose_kubelets(stroke: Stroke) -> None:
    """Kubelets are silent until their nodes are NotReady, then come back; bots go on all the time."""
    site, rack = stroke.site, stroke.site.rack
    rack.kubelets.freeze()
    site.order_bots(deaf=rack.nodes)
    stroke.struck(nodes=rack.nodes)
    minutes = site.plan.minutes
    await asyncio.sleep(240 if minutes >= 30 else 70 if minutes >= 5 else 10)
    rack.kubelets.thaw()
    site.order_bots(hear=rack.nodes)


async def exhaust_quota(stroke: Stroke) -> None:
    site = stroke.site
    what = stroke.rng.choice(["pods", "secrets", "count/jobs.batch"])
    quota = {"metadata": {"name": "exhausted"}, "spec": {"hard": {what: "1"}}}
    await site.api("POST", f"{site.core}/resourcequotas", quota)
    stroke.struck(what=what)
    await asyncio.sleep(CUT_SECONDS)
    await site.api("DELETE", f"{site.core}/resourcequotas/exhausted")


async def shift_clock(stroke: Stroke) -> None:
    chosen = stroke.rng.choice(stroke.site.replicas)
    pid = chosen.pid
    chosen.signal(signal.SIGUSR1)
    stroke.struck(replica=chosen.name)
    await asyncio.sleep(CUT_SECONDS)
    if chosen.pid == pid:
        chosen.signal(signal.SIGUSR1)


async def kill_bots(stroke: Stroke) -> None:
    how = stroke.rng.choice(["exit-137", "out-of-memory", "exit-1"])
    many = max(1, round(stroke.site.plan.live * _DELETED_SHARE))
    stroke.site.order_bots(kill=many, how=how)
    stroke.struck(how=how)


async def cut_bots(stroke: Stroke) -> None:
    """No bot reaches a controller: connections break, or are silent."""
    bots, is_silent = stroke.site.service.bots, stroke.rng.random() < 0.5
    if is_silent:
        bots.mute()
    else:
        bots.close()
    stroke.struck(is_silent=is_silent)
    await asyncio.sleep(stroke.rng.choice([CUT_SECONDS, 3 * CUT_SECONDS]))
    bots.unmute()
    await bots.open()


FAULTS: Final[Sequence[SiteFault]] = (
    SiteFault("leader killed", kill_leader),
    SiteFault("leader terminated", terminate_leader),
    SiteFault("follower killed", kill_follower, needs_two=True),
    SiteFault("all controllers killed", kill_all, needs_two=True),
    SiteFault("leader paused for 15 s", pause_leader, seconds=15),
    SiteFault("leader cut from the API server", cut_leader, seconds=10),
    SiteFault("leader hears nothing from the API server", freeze_leaders_api, seconds=10),
    SiteFault("API server killed", kill_api_server, seconds=15),
    SiteFault("etcd compacted", compact),
    SiteFault("API server 2 s slow", slow_api_server, seconds=10),
    SiteFault("API server answers 429", refuse_many, seconds=10),
    SiteFault("API server answers 500", answer_errors, seconds=10),
    SiteFault("watches silent", silence_watches),
    SiteFault("Jobs deleted", delete_jobs),
    SiteFault("pods deleted", delete_pods),
    SiteFault("node drained", drain_node),
    SiteFault("nodes lost for good", lose_nodes, seconds=12),
    SiteFault("kubelets silent", lose_kubelets, seconds=70),
    SiteFault("quota exhausted", exhaust_quota, seconds=10),
    SiteFault("clock 5 s ahead", shift_clock, seconds=10),
    SiteFault("bots killed", kill_bots),
    SiteFault("bots cut from the controllers", cut_bots, seconds=20),
)


def faults_for(replicas: int, only: Sequence[str] = ()) -> list[SiteFault]:
    """Those that can strike so many controllers."""
    return [
        each for each in FAULTS if (replicas > 1 or not each.needs_two) and (not only or each.name in only)
    ]
