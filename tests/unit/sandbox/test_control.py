"""The command that lists a sandbox's conversations and orders misbehaviours."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from sandbox.gemini.callers import ModelCaller, ModelOrders
from sandbox.gemini.record import ModelRecord, SessionRecord, TurnRecord
from sandbox.store.catalogue import load_catalogue
from sandbox.store.database import Database
from sandbox.store.server import create_store_app
from sandbox.store.state import SandboxStore

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Running:
    """A sandbox's store, and the orders of its model, to which one caller talks."""

    url: str
    caller: ModelCaller

    async def control(self, *arguments: str, where: str = "") -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox.control"),
            *(where or f"--url={self.url}", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await process.communicate()
        return process.returncode, said.decode(), complaint.decode()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    orders, caller = ModelOrders(time.monotonic), ModelCaller()
    orders.join(caller, "12e45678")
    heard = TurnRecord("find lamps", 0.5)
    gone = SessionRecord(AT, "models/gemini-3.8-live", conversation="gone", ended_at=AT)
    session = SessionRecord(AT, "models/gemini-3.8-live", conversation="12e45678", turns=[heard])
    database = Database(tmp_path)
    record = ModelRecord(sessions=[gone, session])
    state = SandboxStore(load_catalogue(), database, lambda: AT, record, orders_elsewhere={"model": orders})
    async with TestServer(create_store_app(state)) as server:
        yield Running(str(server.make_url("")), caller)
    database.close()


async def test_conversations_are_listed(running: Running) -> None:
    status, listed, _ = await running.control("conversations")
    assert status == 0
    assert [line.split() for line in listed.splitlines()] == [
        ["index", "conversation", "started_at", "turns", "connections", "heard_last"],
        ["1", "12e45678", "2026-01-02T03:04:05Z", "1", "1", "find", "lamps"],
    ]


@pytest.mark.parametrize("conversation", ["1", "12e45678"])
async def test_an_order_is_aimed_by_index_or_name(
    running: Running, conversation: str, tmp_path: Path
) -> None:
    (tmp_path / "sandbox.env").write_text(f"GOOGLE_API_KEY=a\nCONVEX_URL={running.url}\n")
    where = f"--directory={tmp_path}"
    order = ("order", "drop", "code=1011", "reason=as ordered", f"conversation={conversation}")
    assert await running.control(*order, where=where) == (0, '{"applied_now": 0}\n', "")
    [taken] = running.caller.orders.take_all(lambda _order: True)
    assert (taken.code, taken.reason) == (1011, "as ordered")


async def test_orders_are_forgotten(running: Running) -> None:
    await running.control("order", "drop", "conversation=1")
    assert await running.control("forget") == (0, "", "")
    assert running.caller.orders.take_all(lambda _order: True) == []


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("mumble",), "Invalid value 'mumble'"),
        (("drop", "code=7"), "`$.code`"),
        (("drop", "code"), "code is not key=value"),
        (("drop", "conversation=nobodys"), "there is no conversation nobodys"),
        (("slow", "target=elsewhere"), "target is one of"),
    ],
)
async def test_an_invalid_order_is_answered_with_a_sentence(
    running: Running, order: tuple[str, ...], words: str
) -> None:
    status, said, complaint = await running.control("order", *order)
    assert (status, said) == (1, "")
    assert complaint.startswith("sandbox: ")
    assert words in complaint
    assert "Traceback" not in complaint


async def test_a_sandbox_that_is_not_there_is_reported_in_a_sentence(
    running: Running, tmp_path: Path
) -> None:
    for where in ("--url=http://127.0.0.1:9", f"--directory={tmp_path / 'nowhere'}"):
        status, _, complaint = await running.control("conversations", where=where)
        assert status == 1
        assert complaint.startswith("sandbox: ")
        assert "can't be re" in complaint
