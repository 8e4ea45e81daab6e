"""A real Prometheus with the rules that are shipped, and what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.monitoring.files import RULES
from testing.builds.prometheus import program
from testing.processes import free_port

PATIENCE_SECONDS = 30.0


class QueriedPrometheus:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._began = time.time()

    async def ask(self, path: str, **query: Any) -> Any:
        answer = await self._client.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def now(self, expression: str) -> list[float]:
        """The numbers of an expression, as a figure on a board has them."""
        found = (await self.ask("query", query=expression))["result"]
        return [number for each in found if not math.isnan(number := float(each["value"][1]))]

    async def over_time(self, expression: str) -> list[float]:
        """All of its numbers since this Prometheus began."""
        asked = {"start": self._began, "end": time.time(), "step": 1}
        found = (await self.ask("query_range", query=expression, **asked))["result"]
        return [
            number for each in found for _, text in each["values"] if not math.isnan(number := float(text))
        ]

    async def exemplars(self, series: str) -> list[dict[str, str]]:
        found = await self.ask("query_exemplars", query=series, start=self._began, end=time.time())
        return [each["labels"] for one in found for each in one["exemplars"]]

    async def until(self, expression: str) -> None:
        """Wait until an expression has a number that is not 0."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(await self.now(expression)):  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[QueriedPrometheus]:
    """One that scrapes a controller each second, as of the namespace `voice`."""
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "podline",
                "static_configs": [{"targets": [target], "labels": {"namespace": "voice"}}],
            }
        ],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as client:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await _is_ready(client):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(0.1)
            yield QueriedPrometheus(client)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:
        return False
