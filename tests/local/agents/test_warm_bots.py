"""Calls that bots take which have waited for them, of a project that knows nothing of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.fakes.controllers.process_table import children_of, command_of, exists, until
from testing.processes import Program, Sandbox, answers, ended_session, eventually, free_port
from testing.projects.calls import check_cascade_usage, check_record, converse
from testing.projects.generated import CASCADE, generate
from tests.local.conftest import PROGRAMS, serving, until_bots_have_left

KEPT = 2


@pytest.fixture(scope="module")
def warm_url(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    agents = tmp_path_factory.mktemp("warm")
    generate(CASCADE, agents, sandbox.variables)
    definition = f'agent_name = "{CASCADE.name}"\n[scaling]\nmin_agents = {KEPT}\n'
    (agents / CASCADE.name / "server" / "pcc-deploy.toml").write_text(definition)
    directory = tmp_path_factory.mktemp("warm-controller")
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], {"PODLINE_AGENTS": str(agents)}) as url:
        yield url


async def ready(controller: httpx.AsyncClient, bots: int, agent: str = CASCADE.name) -> bool:
    agents = (await controller.get("/v1/agents")).raise_for_status().json()["agents"]
    return any(each["warm"]["ready"] == bots for each in agents if each["name"] == agent)


async def begin(controller: httpx.AsyncClient, user_id: str, agent: str = CASCADE.name) -> dict[str, Any]:
    answer = await controller.post("/v1/sessions", json={"user_id": user_id, "agent": agent})
    session: dict[str, Any] = answer.raise_for_status().json()
    return session


async def test_a_bot_that_has_waited_holds_a_call_as_any_other_and_another_takes_its_place(
    warm_url: str, voice: Voice
) -> None:
    async with httpx.AsyncClient(base_url=warm_url, timeout=40) as controller:
        await eventually(lambda: ready(controller, KEPT), "bots that wait", within=60)
        session = await begin(controller, "ana")
        async with calling(warm_url, voice, room=RoomAddress(**session["room"])) as (caller, _):
            await converse(caller)
            of_others = await begin(controller, "ben")
        over = await eventually(lambda: ended_session(controller, session["id"]), "the session's end")
        (await controller.delete(f"/v1/sessions/{of_others['id']}")).raise_for_status()
        await eventually(lambda: ready(controller, KEPT), "bots that wait again", within=60)

    check_record(over, CASCADE.name)
    check_cascade_usage(over["usage"])
    assert (session["cold_start"], of_others["cold_start"]) == (False, False)
    timeline = over["timeline"]
    begun, joined = (datetime.fromisoformat(timeline[moment]) for moment in ("accepted", "joined"))
    print(f"joined after {(joined - begun).total_seconds():.3f} s")  # noqa: T201 - for a look


@contextmanager
def killable(sandbox: Sandbox, directory: Path, programs: list[Program]) -> Iterator[tuple[Program, str]]:
    """A controller that keeps bots of an agent of its own, and the address of it."""
    agent = directory / "agents" / "plain"
    agent.mkdir(parents=True)
    (agent / "bot.py").write_text("async def bot(runner_args):\n    ...\n")
    (agent / "pcc-deploy.toml").write_text(f'agent_name = "plain"\n[scaling]\nmin_agents = {KEPT}\n')
    port = free_port()
    variables = {
        **sandbox.variables,
        "PODLINE_PORT": str(port),
        "PODLINE_GRACE_SECONDS": "3",
        "PODLINE_AGENTS": str(agent.parent),
    }
    program = Program.start("killable", [sys.executable, "-m", "controller", "serve"], directory, variables)
    programs.append(program)
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until(lambda: answers(f"{url}/readyz"))
        yield program, url
    finally:
        program.process.kill()
        program.process.wait()
        until_bots_have_left(sandbox)


async def test_forked_bots_outlive_what_forked_them_and_not_their_controller(
    sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    with killable(sandbox, tmp_path, pytestconfig.stash[PROGRAMS]) as (program, url):
        async with httpx.AsyncClient(base_url=url, timeout=40) as controller:
            await eventually(lambda: ready(controller, KEPT, "plain"), "bots that wait", within=60)
            [preloaded] = preloaded_by(program)
            bots = children_of(preloaded)
            assert len(bots) == KEPT
            assert {os.getsid(bot) for bot in bots} == set(bots)

            os.kill(preloaded, signal.SIGKILL)
            session = await begin(controller, "ana", "plain")
            assert session["cold_start"] is False
            (await controller.delete(f"/v1/sessions/{session['id']}")).raise_for_status()
            over = await eventually(lambda: ended_session(controller, session["id"]), "the session's end")
            assert over["reason"] == "stopped"
            await eventually(lambda: ready(controller, KEPT, "plain"), "bots that wait again", within=60)

        [successor] = preloaded_by(program)
        [left] = filter(exists, bots)
        [following] = children_of(successor)
        everybody = [successor, left, following]
        program.process.kill()
        await until(lambda: not any(map(exists, everybody)))


def preloaded_by(program: Program) -> list[int]:
    children = children_of(program.process.pid)
    return [child for child in children if "-m podline.runner" in command_of(child)]
