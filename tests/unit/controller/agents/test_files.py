"""Agents of this machine: the next call picks up changed files, and a broken change changes nothing."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from controller.agents.files import AgentFiles
from controller.core.agents import BUILT_IN, AgentStatus
from controller.core.errors import AgentInvalid, AgentNotFound

Write = Callable[[str, str], Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "agents"
    path.mkdir()
    return path


@pytest.fixture
def write(root: Path) -> Write:
    """Write a file below the directory of agents, later than all before."""
    moments = count(10**9)

    def write(path: str, text: str = "") -> Path:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        moment = next(moments)
        os.utime(file, (moment, moment))
        return file

    return write


@pytest.fixture
def agents(root: Path) -> AgentFiles:
    return AgentFiles(root, pause_seconds=0.001)


def only(agents: AgentFiles) -> AgentStatus:
    """Return the only agent beside the assistant."""
    [status] = others(agents)
    return status


def others(agents: AgentFiles) -> list[AgentStatus]:
    return [status for status in agents.all() if status.name != BUILT_IN.name]


def test_what_a_bot_is_given_changes_with_its_secrets_its_code_and_its_own_variables(
    agents: AgentFiles, write: Write
) -> None:
    write("shop/pcc-deploy.toml", 'agent_name = "shop"\n')
    write("shop/podline.toml", 'file = "bots/main.py"\n')
    changes = ("shop/bots/main.py", "secrets/shop.env", "shop/prices.py", "shop/.env")
    write(changes[0], "")
    seen = [agents.given_to(agents.current("shop"))]
    for file in (*changes, *changes):
        write(file, "SEAT=7\n")
        seen.append(agents.given_to(agents.current("shop")))
    write("shop/readme.md", "")
    write("secrets/other.env", "")

    assert len(set(seen)) == len(seen)
    assert agents.given_to(agents.current("shop")) == seen[-1]
    assert "SEAT" not in "".join(seen)
    assert agents.given_to(BUILT_IN) == ""


def test_a_bot_alone_is_an_agent_of_its_directorys_name(agents: AgentFiles, write: Write, root: Path) -> None:
    write("shop/bot.py", "")
    version = agents.current("shop")

    assert (version.name, version.serial) == ("shop", 1)
    home = agents.home_of(version)
    assert home is not None
    assert (home.directory, home.secret_set) == (root / "shop", {})


def test_a_project_of_pipecat_init_may_lie_there_as_a_whole(
    agents: AgentFiles, write: Write, root: Path
) -> None:
    write("realtime/README.md", "")
    write("realtime/server/bot.py", "")
    write("realtime/server/pcc-deploy.toml", 'agent_name = "shop"\nsecret_set = "shop-secrets"')

    home = agents.home_of(agents.current("shop"))
    assert home is not None
    assert home.directory == root / "realtime" / "server"
    assert only(agents).notes == (
        "pcc-deploy.toml: secret_set has no effect. There is no file secrets/shop-secrets.env.",
    )


def test_changes_redeploys_and_rollbacks_are_versions_and_a_broken_change_is_none(
    agents: AgentFiles, write: Write
) -> None:
    write("shop/bot.py", "")
    file = write("shop/podline.toml", "idle_seconds = 20")
    first = agents.current("shop")

    write("shop/podline.toml", "idle_seconds = true")
    assert agents.current("shop") is first
    assert only(agents).problem == "podline.toml: idle_seconds: write a number from 1 to 86400."

    write("shop/podline.toml", "idle_seconds = 30")
    second = agents.current("shop")
    assert (second.serial, second.definition.idle_seconds) == (2, 30)
    assert only(agents).problem is None

    os.utime(file, (2 * 10**9, 2 * 10**9))
    redeployed = agents.current("shop")
    assert (redeployed.serial, redeployed.definition) == (3, second.definition)

    write("shop/podline.toml", "idle_seconds = 20")
    rolled_back = agents.current("shop")
    assert (rolled_back.serial, rolled_back.definition) == (4, first.definition)
    assert agents.version("shop", first.id) is first


def test_an_agent_that_was_never_valid_is_listed_and_cannot_be_started(
    agents: AgentFiles, write: Write
) -> None:
    write("shop/pcc-deploy.toml", "image = 7")
    with pytest.raises(AgentInvalid):
        agents.current("shop")
    assert only(agents).version is None
    with pytest.raises(AgentNotFound):
        agents.current("ghost")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "bot.py: write the bot in this file, or name another in podline.toml: file."),
        (
            {"podline.toml": 'file = "main.py"'},
            "podline.toml: file: there is no such file; write the path of the bot's.",
        ),
        (
            {"bot.py": "", "podline.toml": 'python = ".venv/bin/python"'},
            "podline.toml: python: there is no such interpreter; install it, or write another.",
        ),
        (
            {"bot.py": "", "podline.toml": 'python = "no-such-python"'},
            "podline.toml: python: there is no such interpreter; install it, or write another.",
        ),
        (
            {"bot.py": "", "podline.toml/x": ""},
            "podline.toml: It is no regular file; make it a readable file.",
        ),
        (
            {"bot.py": "", "podline.toml": 'panel = "cards"', "cards.html": "x" * 262_145},
            "podline.toml: panel: write cards.html beside this file, as UTF-8 and in at most 262144 bytes.",
        ),
        (
            {"bot.py": "", "pcc-deploy.toml": 'secret_set = "broken"'},
            "secrets/broken.env: entry 2: write NAME=VALUE.",
        ),
        (
            {"bot.py": "", "pcc-deploy.toml": 'agent_name = "other"'},
            "pcc-deploy.toml: agent_name: write another name; the directory 'other' has this agent.",
        ),
    ],
)
def test_what_an_agent_lacks_is_named(
    agents: AgentFiles, write: Write, files: dict[str, str], problem: str
) -> None:
    write("secrets/broken.env", "A=1\nSECRET")
    write("other/bot.py", "")
    write("shop/pcc-deploy.toml", "")
    for path, text in files.items():
        write(f"shop/{path}", text)

    found = {status.name: status for status in agents.all()}
    assert found["shop"].problem == problem
    assert (found["other"].problem, found["shop"].version) == (None, None)


def test_an_interpreter_of_the_agents_own_is_found(agents: AgentFiles, write: Write, root: Path) -> None:
    write("shop/bot.py", "")
    write("shop/podline.toml", 'python = ".venv/bin/python"')
    (root / "shop/.venv/bin").mkdir(parents=True)
    (root / "shop/.venv/bin/python").symlink_to(sys.executable)

    assert agents.current("shop").definition.python == ".venv/bin/python"


def test_an_agent_gets_its_own_secret_set_as_it_is_now(agents: AgentFiles, write: Write) -> None:
    write("shop/bot.py", "")
    write("shop/pcc-deploy.toml", 'secret_set = "shop"')
    write("other/bot.py", "")
    write("secrets/shop.env", "KEY='a b'\n# a comment\nexport URL=${HOME}/x\n")
    version = agents.current("shop")

    home = agents.home_of(version)
    assert home is not None
    assert home.secret_set == {"KEY": "a b", "URL": "${HOME}/x"}
    assert "a b" not in repr(home)
    other = agents.home_of(agents.current("other"))
    assert other is not None
    assert other.secret_set == {}

    write("secrets/shop.env", "KEY=c")
    home = agents.home_of(version)
    assert home is not None
    assert home.secret_set == {"KEY": "c"}
    assert agents.current("shop") is version


def test_an_agent_that_names_no_secret_set_gets_the_one_of_its_own_name(
    agents: AgentFiles, write: Write
) -> None:
    write("shop/bot.py", "")
    write("secrets/shop.env", "KEY=a")
    home = agents.home_of(agents.current("shop"))

    assert home is not None
    assert home.secret_set == {"KEY": "a"}


@pytest.mark.parametrize("name", ["../other", "a/b", "a.b", "", ".", "a\n"])
def test_a_secret_sets_name_leads_nowhere_else(agents: AgentFiles, write: Write, name: str) -> None:
    write("shop/bot.py", "")
    write("shop/pcc-deploy.toml", f"secret_set = {name!r}".replace("'", '"'))
    assert "secret_set: write a name" in (only(agents).problem or "")


def test_an_agent_that_is_renamed_or_removed_is_gone(agents: AgentFiles, write: Write, root: Path) -> None:
    write("shop/bot.py", "")
    first = agents.current("shop")
    write("shop/pcc-deploy.toml", 'agent_name = "store"')
    assert only(agents).name == "store"
    assert agents.version("shop", first.id) is first

    (root / "shop").rename(root / ".hidden")
    assert others(agents) == []
    assert agents.home_of(first) is None


def test_the_assistant_is_there_until_a_directory_of_its_name_is_valid(
    agents: AgentFiles, write: Write, root: Path
) -> None:
    assert agents.current("shopping") is BUILT_IN
    write("shopping/podline.toml", "idle_seconds = true")
    assert agents.current("shopping") is BUILT_IN
    assert agents.home_of(BUILT_IN) is None
    [status] = agents.all()
    assert status.problem is not None

    write("shopping/bot.py", "")
    write("shopping/podline.toml", "idle_seconds = 20")
    version = agents.current("shopping")
    home = agents.home_of(version)
    assert version.definition.idle_seconds == 20
    assert home is not None
    assert home.directory == root / "shopping"
    assert agents.version("shopping", BUILT_IN.id) is BUILT_IN


def test_a_panel_is_read_from_beside_the_definition(agents: AgentFiles, write: Write) -> None:
    write("shop/bot.py", "")
    write("shop/podline.toml", 'panel = "cards"')
    write("shop/cards.html", "<p>one</p>")
    assert only(agents).panel == "<p>one</p>"
    write("shop/cards.html", "<p>two</p>")
    assert only(agents).panel == "<p>two</p>"
    assert agents.current("shop").serial == 1


def test_a_directory_that_cannot_be_read_keeps_what_is_known(
    agents: AgentFiles, write: Write, root: Path
) -> None:
    write("shop/bot.py", "")
    agents.current("shop")
    assert agents.not_ready_reason() is None
    root.rename(root.with_name("elsewhere"))

    assert agents.current("shop").serial == 1
    assert "PODLINE_AGENTS" in (agents.not_ready_reason() or "")


async def test_changes_are_watched(agents: AgentFiles, write: Write, root: Path) -> None:
    write("shop/bot.py", "")
    async with asyncio.timeout(10), contextlib.aclosing(agents.watch()) as changes:
        assert {(await anext(changes)).name for _ in range(2)} == {"shop", "shopping"}
        write("shop/podline.toml", "idle_seconds = true")
        assert (await anext(changes)).problem is not None
        (root / "shop").rename(root / ".hidden")
        assert await anext(changes) == AgentStatus(name="shop")
