"""Callers and bots get the same at either replica, and none of them notices that a leader leaves or dies.

Each test begins with the leader that the one before it leaves behind: to change it takes seconds.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest

from testing.cluster.faults import Delay, ProxiedRequest, ProxyFault, ResetAfter
from testing.cluster.replicas import ReplicaProcess, Replicas, speak_to
from testing.cluster.site import PlayedBot
from testing.fakes.controllers.served import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


def writes(replicas: Replicas) -> int:
    """Return how many writes but those to the Lease the replica behind the proxy has made."""
    return sum(
        count
        for (method, resource, _), count in replicas.proxy.counts.items()
        if method != "GET" and resource != "leases"
    )


def is_new_job(asked: ProxiedRequest) -> bool:
    return asked.method == "POST" and asked.resource == "jobs" and "dryRun" not in asked.query


async def until_ended(at: ReplicaProcess, session_id: str) -> dict[str, Any]:
    return await at.until(session_id, lambda session: session["phase"] in ("ended", "failed"))


async def ends_well(replicas: Replicas, bot_turns: int, session_id: str) -> dict[str, Any]:
    """Let the session's bot leave with a final report. Return the record, as the Job has it by now."""
    word = {
        "reason": "caller_left",
        "message": "The caller left.",
        "totals": {"turns": bot_turns},
        "acked_totals": {"turns": bot_turns},
        "timeline": {"now": 9.0, "process_up": 0.5, "joined": 1.0},
    }
    await replicas.fate(session_id, end="exit-0", final_report=json.dumps(word))
    return await replicas.until_recorded(session_id)


async def test_a_caller_gets_the_same_at_either_replica(replicas: Replicas) -> None:
    leader = replicas.cuttable
    follower = await replicas.led_by(leader)
    await replicas.live(follower, "same")
    again = await leader.post("same")
    read = [await each.read("same") for each in replicas.both]
    listed = [(await each.client.get("/v1/sessions")).json() for each in replicas.both]

    assert (again.status_code, again.json()["id"]) == (200, "same")
    assert read[0] == read[1]
    assert listed[0] == listed[1]


async def test_a_stop_at_the_follower_stops_the_bot(replicas: Replicas) -> None:
    follower = await replicas.led_by(replicas.cuttable)
    await replicas.live(follower, "stopped")
    stopped = await follower.client.delete("/v1/sessions/stopped")
    ended = await until_ended(follower, "stopped")

    assert stopped.status_code == 202
    assert ended["reason"] == "stopped"


async def test_an_offer_at_one_replica_reaches_a_bot_that_polls_at_the_other(replicas: Replicas) -> None:
    follower = await replicas.led_by(replicas.cuttable)
    session = (await replicas.cuttable.post("offered")).json()
    bot = await replicas.bot(follower, "offered")
    await bot.report()
    path = session["room"]["url"].partition("/sessions/")[2]
    offering = asyncio.create_task(
        replicas.cuttable.client.post(
            f"/sessions/{path}",
            json={"sdp": "v=0", "type": "offer"},
            headers={"Authorization": f"Bearer {session['room']['token']}"},
        )
    )
    key = {"Authorization": f"Bearer {bot.token}"}
    inbox = f"{bot.url}/internal/launches/{bot.launch_id}/inbox"
    [message] = (await bot.client.get(inbox, headers=key)).json()["messages"]
    reply = {"body": {"sdp": "v=0", "type": "answer", "pc_id": "1"}}
    await bot.client.post(f"{inbox}/{message['id']}", json=reply, headers=key)
    answer = await offering

    assert (answer.status_code, answer.json().get("type")) == (200, "answer"), answer.text


async def test_logs_are_read_at_the_follower(replicas: Replicas) -> None:
    follower = await replicas.led_by(replicas.cuttable)
    await replicas.live(follower, "logged")
    log = await follower.client.get("/v1/sessions/logged/logs")

    assert log.status_code == 200, log.text


async def test_a_start_whose_answer_was_lost_finds_its_session_at_the_other_replica(
    replicas: Replicas,
) -> None:
    follower = await replicas.led_by(replicas.cuttable)

    replicas.proxy.faults.append(fault := ProxyFault(ResetAfter(), is_new_job, count=1))
    lost = asyncio.create_task(replicas.cuttable.post("lost"))
    await replicas.proxy.until(lambda: fault.hits == 1)
    again = await follower.post("lost")
    replicas.proxy.faults.clear()
    await lost

    assert again.status_code in (200, 201)
    assert again.json()["id"] == "lost"
    assert [name for name in await replicas.versions() if name == "lost"] == ["lost"]


async def test_a_leader_that_was_stopped_and_replaced_writes_nothing_when_it_goes_on(
    replicas: Replicas,
) -> None:
    follower = await replicas.led_by(replicas.cuttable)
    await replicas.live(follower, "to-stop")
    await replicas.live(follower, "to-end")
    replicas.cuttable.process.send_signal(signal.SIGSTOP)
    await follower.until_it_leads()
    stopped = await follower.client.delete("/v1/sessions/to-stop")
    await ends_well(replicas, 1, "to-end")
    await until_ended(follower, "to-stop")
    await replicas.until_recorded("to-stop")
    before = writes(replicas)
    records = [await follower.read("to-stop"), await follower.read("to-end")]
    replicas.cuttable.process.send_signal(signal.SIGCONT)
    await replicas.cuttable.ended()

    assert stopped.status_code == 202
    assert writes(replicas) == before
    assert [await follower.read("to-stop"), await follower.read("to-end")] == records
    assert await follower.leads()

    await replicas.cuttable.start()
    assert not await replicas.cuttable.leads()


class Client:
    """Callers and a bot at one replica that go on while the leader changes."""

    def __init__(self, at: ReplicaProcess, bot: PlayedBot) -> None:
        self.statuses: list[int] = []
        self.starts: list[tuple[int, str | None]] = []
        self.streams: list[list[str]] = []
        self._at = at
        self._bot = bot

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
            works = (self._ask(), self._start(), self._report(), self._watch())
            under_way = [tasks.create_task(work) for work in works]
            await self._until_streams(1)
            yield
            await self._until_streams(2)
            for each in under_way:
                each.cancel()

    async def _until_streams(self, number: int) -> None:
        """Wait until as many streams have begun with a session."""
        while sum(map(bool, self.streams)) < number:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.02)

    async def _ask(self) -> None:
        while True:
            self.statuses.append((await self._at.client.get("/v1/sessions/handed-over")).status_code)
            await asyncio.sleep(0.02)  # as several callers do

    async def _start(self) -> None:
        for number in count():
            answer = await self._at.post(f"started-{number}")
            self.starts.append((answer.status_code, answer.json().get("detail")))
            await asyncio.sleep(0.02)  # likewise

    async def _report(self) -> None:
        while True:
            self.statuses.append((await self._bot.report()).status_code)
            await asyncio.sleep(0.5)  # more often than bots do

    async def _watch(self) -> None:
        while True:
            self.streams.append([])
            async with aclosing(self._at.watch("handed-over")) as states:
                async for session in states:
                    self.streams[-1].append(session["phase"])


async def test_nobody_sees_an_error_while_the_leader_hands_over(replicas: Replicas) -> None:
    leader = replicas.other
    follower = await replicas.led_by(leader)
    bot = await replicas.live(follower, "handed-over")
    client = Client(follower, bot)
    async with client.busy():
        code = await leader.end(signal.SIGTERM)
        await follower.until_it_leads()
    await ends_well(replicas, bot.turns, "handed-over")
    ended = await until_ended(follower, "handed-over")

    assert code == 0
    assert set(client.statuses) == {200}
    assert set(client.starts) == {(201, None)}
    assert client.streams[-1][0] == "live"
    assert (ended["reason"], ended["usage"]["turns"]) == ("caller_left", bot.turns)


async def test_starts_that_are_under_way_or_arrive_while_the_leader_leaves_are_answered(
    replicas: Replicas,
) -> None:
    leader = replicas.cuttable
    follower = await replicas.led_by(leader)
    replicas.proxy.faults.append(fault := ProxyFault(Delay(1.0), is_new_job, count=1))
    under_way = asyncio.create_task(follower.post("under-way"))
    await replicas.proxy.until(lambda: fault.hits == 1)
    ending = asyncio.create_task(leader.end(signal.SIGTERM))
    arriving = [asyncio.create_task(follower.post(f"arriving-{number}")) for number in range(5)]
    answers = await asyncio.gather(under_way, *arriving)
    replicas.proxy.faults.clear()

    assert await ending == 0
    assert [each.status_code for each in answers] == [201] * len(answers), [each.text for each in answers]


async def test_that_no_sessions_are_started_outlasts_a_hand_over(replicas: Replicas) -> None:
    leader = replicas.other
    follower = await replicas.led_by(leader)
    await follower.client.put("/v1/drain", json={"draining": True})
    await leader.end(signal.SIGTERM)
    drained = (await follower.client.get("/v1/drain")).json()
    refused = await follower.post("while-draining")
    await follower.client.put("/v1/drain", json={"draining": False})

    assert drained["draining"] is True
    assert refused.status_code == 503


async def test_a_batch_that_two_leaders_get_counts_once(replicas: Replicas) -> None:
    leader = replicas.cuttable
    follower = await replicas.led_by(leader)
    bot = await replicas.live(follower, "twice")
    await bot.report(turns=3)
    # Its answer is lost: the bot sends the same batch again, after the hand-over.
    bot.sent, bot.turns = bot.sent - 1, bot.turns - 3
    await leader.end(signal.SIGTERM)
    speak_to(bot, follower)
    answer = await bot.report(turns=3)
    session = await follower.read("twice")

    assert answer.status_code == 200
    assert session["usage"]["turns"] == 4


async def test_a_former_leader_passes_requests_on_until_it_exits(replicas: Replicas) -> None:
    leader = replicas.other
    follower = await replicas.led_by(leader)
    statuses: list[int] = []
    ending = asyncio.create_task(leader.end(signal.SIGTERM))
    while not ending.done():
        try:
            statuses.append((await leader.client.get("/v1/sessions")).status_code)
        except httpx.TransportError:
            break
    code = await ending

    assert code == 0
    assert set(statuses) == {200}
    assert await follower.leads()


async def test_a_leader_that_is_cut_from_the_api_server_makes_way(replicas: Replicas) -> None:
    leader = replicas.cuttable
    follower = await replicas.led_by(leader)
    await replicas.live(follower, "cut")
    replicas.proxy.down()
    reason = await leader.until_not_ready("Lease")
    await follower.until_it_leads()
    before = writes(replicas)
    through_the_other = await follower.client.delete("/v1/sessions/cut")
    await until_ended(follower, "cut")
    await replicas.until_recorded("cut")
    await replicas.proxy.up()
    await leader.ended()

    assert reason == "This controller leads, but can't renew its Lease at the API server."
    assert through_the_other.status_code == 202
    assert writes(replicas) == before


async def test_requests_that_come_while_nobody_leads_are_answered_after_the_take_over(
    replicas: Replicas,
) -> None:
    leader = replicas.other
    follower = await replicas.led_by(leader)
    bot = await replicas.live(follower, "killed")
    await leader.end(signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_SECONDS):
        started, read, reported, stopped = await asyncio.gather(
            follower.post("meanwhile"),
            follower.read("killed"),
            bot.report(),
            follower.client.delete("/v1/sessions/killed"),
        )

    assert started.status_code == 201
    assert read["phase"] in ("live", "stopping")
    assert reported.status_code == 200
    assert stopped.status_code == 202
    assert await follower.leads()


async def test_sessions_are_known_after_both_were_restarted(replicas: Replicas) -> None:
    await replicas.led_by(replicas.cuttable)
    bot = await replicas.live(replicas.cuttable, "kept")
    await asyncio.gather(*(each.end(signal.SIGTERM) for each in replicas.both))
    await asyncio.gather(*(each.start() for each in replicas.both))
    reported = await bot.report()
    read = [await each.read("kept") for each in replicas.both]

    assert reported.status_code == 200
    assert read[0]["phase"] == "live"
    assert read[0] == read[1]
    assert [await each.leads() for each in replicas.both].count(True) == 1
