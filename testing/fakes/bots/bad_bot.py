"""A bot whose code is somebody else's: it has its launch's token and says what it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from testing.fakes.controllers.served import PATIENCE_SECONDS, Controller, serve_controller

_SHOW_ENVIRONMENT = """
import json, os, time
with open("environment.part", "w") as file:
    json.dump(dict(os.environ), file)
os.rename("environment.part", "environment.json")
time.sleep(600)
"""

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


@dataclass
class BadBot:
    """Speaks on the channel of one session's bot."""

    controller: Controller
    session: dict[str, Any]
    environment: dict[str, str]
    sent: int = 0
    totals: dict[str, Any] = field(default_factory=dict)

    @property
    def session_id(self) -> str:
        return str(self.session["id"])

    @property
    def _channel(self) -> str:
        launch_id = self.environment["PODLINE_LAUNCH_ID"]
        return f"{self.environment['PODLINE_CONTROLLER_URL']}/internal/launches/{launch_id}"

    async def report(self, *events: dict[str, Any], **fields: Any) -> httpx.Response:
        """Send the next batch; `fields` replace what would stand in it."""
        self.sent += 1
        batch = {
            "seq": self.sent,
            "acked": self.sent - 1,
            "events": list(events),
            "totals": self.totals,
            "timeline": {"now": 1.0, "process_up": 0.1, "joined": 0.5},
        }
        return await self.post("reports", json.dumps({**batch, **fields}).encode())

    async def post(self, path: str, body: bytes) -> httpx.Response:
        return await self.controller.client.post(
            f"{self._channel}/{path}",
            content=body,
            headers={
                "Authorization": f"Bearer {self.environment['PODLINE_LAUNCH_TOKEN']}",
                "Content-Type": "application/json",
            },
        )

    async def refuse_an_offer(self, refusal: str) -> str:
        """Have a caller make an offer and refuse it; return what the caller reads."""
        offer = self.controller.offer(self.session, {"sdp": "v=0", "type": "offer"})
        offering = asyncio.ensure_future(offer)
        await self.post(f"inbox/{await self.first_message()}", json.dumps({"refusal": refusal}).encode())
        answer = await offering
        assert (answer.status_code, answer.json()["code"]) == (409, "offer_refused")
        detail: str = answer.json()["detail"]
        return detail

    async def first_message(self) -> str:
        answer = await self.controller.client.get(
            f"{self._channel}/inbox",
            headers={"Authorization": f"Bearer {self.environment['PODLINE_LAUNCH_TOKEN']}"},
        )
        message_id: str = answer.json()["messages"][0]["id"]
        return message_id

    async def record(self) -> dict[str, Any]:
        answer = await self.controller.client.get(f"/v1/sessions/{self.session_id}")
        record: dict[str, Any] = answer.json()
        return record

    async def metrics(self) -> str:
        return (await self.controller.client.get("/metrics", headers=OPENMETRICS)).text

    async def value(self, name: str, **labels: str) -> float:
        """All samples of a metric that have these labels, added up."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in (await self.metrics()).splitlines() if line.startswith(f"podline_{name}")]
        return sum(
            float(line.split("} ")[-1].split(" ")[0] if "{" in line else line.split(" ")[1])
            for line in lines
            if all(each in line for each in wanted)
        )


@contextlib.asynccontextmanager
async def serve_bad_bot(directory: Path, **settings: Any) -> AsyncIterator[BadBot]:
    """A controller, and a session whose bot is bad."""
    command = (sys.executable, "-S", "-c", _SHOW_ENVIRONMENT)
    async with serve_controller(directory, command=command, **settings) as controller:
        session = await controller.start()
        yield BadBot(controller, session, await _environment(controller))


@contextlib.asynccontextmanager
async def serve_bots_that_write(directory: Path, text: bytes, **settings: Any) -> AsyncIterator[Controller]:
    """A controller whose bots leave this as their final report and output, and exit."""
    program = (
        "import os, sys\n"
        f"text = bytes.fromhex({text.hex()!r})\n"
        "open(os.environ['PODLINE_LAST_WORD'], 'wb').write(text)\n"
        "sys.stdout.buffer.write(text)\n"
    )
    command = (sys.executable, "-S", "-c", program)
    async with serve_controller(directory, command=command, **settings) as controller:
        yield controller


async def _environment(controller: Controller) -> dict[str, str]:
    """That of the one bot there is, from the file that it writes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (found := list(controller.directory.glob("*/environment.json"))):  # noqa: ASYNC110 - of a process
            await asyncio.sleep(0.01)
    environment: dict[str, str] = json.loads(found[0].read_text(encoding="utf-8"))
    return environment
