"""The writes that the bench of warm bots counts: in an API server's metrics, and of one task."""

from __future__ import annotations

import asyncio

from scripts.benchmarks.warm.api_writes import begin_counting, note, writes_in

METRICS = """
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="batch",resource="jobs",subresource="",verb="PATCH",version="v1"} 20
apiserver_request_total{code="409",group="batch",resource="jobs",subresource="",verb="PATCH",version="v1"} 1
apiserver_request_total{code="200",group="batch",resource="jobs",subresource="",verb="LIST",version="v1"} 7
apiserver_request_total{code="201",group="",resource="pods",subresource="",verb="POST",version="v1"} 1.2e+03
apiserver_request_total{code="200",group="coordination.k8s.io",resource="leases",verb="PUT",version="v1"} 9
"""


def test_the_api_servers_writes_count_by_resource_refused_ones_too() -> None:
    assert writes_in(METRICS) == {"jobs": 21, "pods": 1200}


async def test_only_the_writes_of_the_task_itself_count() -> None:
    async def one(writes: int) -> int:
        made = begin_counting()
        for _ in range(writes):
            await asyncio.sleep(0)
            note("PATCH", {}, 200, 0.001)
            note("GET", {}, 200, 0.001)
        return len(made)

    assert list(await asyncio.gather(one(1), one(3))) == [1, 3]


def test_a_request_outside_any_count_is_let_go() -> None:
    note("PATCH", {}, 200, 0.001)
