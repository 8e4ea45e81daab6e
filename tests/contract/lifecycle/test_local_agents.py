"""Each agent of this machine runs where it lives, with its own interpreter and its own secret set."""

from __future__ import annotations

import asyncio
import json
import site
import venv
from pathlib import Path
from typing import Any

import pytest

from controller.agents.files import AgentFiles
from testing.fakes.controllers.served import Controller, serve_controller

SHOW = """
import json, os, sys, podline
shown = {"variables": dict(os.environ), "directory": os.getcwd(), "python": sys.executable,
         "path": sys.path, "podline": podline.__file__}
print("SHOWN", json.dumps(shown), flush=True)
sys.exit(3)
"""
"""A bot that shows how it was started, and goes."""


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two agents with a secret set each, and a third that has only an interpreter."""
    monkeypatch.setenv("GOOGLE_API_KEY", "the assistant's own")
    root = tmp_path / "agents"
    for name in ("shop", "other"):
        (root / name).mkdir(parents=True)
        (root / name / "bot.py").write_text(SHOW)
        (root / name / "pcc-deploy.toml").write_text(f'secret_set = "{name}-set"')
        (root / "secrets").mkdir(exist_ok=True)
        (root / "secrets" / f"{name}-set.env").write_text(
            f"KEY_OF_{name.upper()}=secret\nSESSION_ID=not-mine"
        )
    packages = _environment(root / "other")
    (root / "other" / "podline.toml").write_text('python = ".venv/bin/python"')
    # What it has installed: as much as we have, but for our own packages.
    (packages / "installed.pth").write_text("\n".join(site.getsitepackages()))
    (root / "bare").mkdir()
    (root / "bare" / "bot.py").write_text("")
    _environment(root / "bare")
    (root / "bare" / "podline.toml").write_text('python = ".venv/bin/python"')
    return root


def _environment(directory: Path) -> Path:
    """Make a virtual environment, and return where its packages are."""
    venv.create(directory / ".venv", symlinks=True)
    [packages] = (directory / ".venv" / "lib").glob("python*/site-packages")
    return packages


async def test_bots_run_where_their_agents_live_with_nothing_of_another(tmp_path: Path, agents: Path) -> None:
    async with serve_controller(tmp_path, agents=AgentFiles(agents)) as controller:
        shop, other, bare = await asyncio.gather(
            *(_log_of(controller, name, body={"cart": 1}) for name in ("shop", "other", "bare"))
        )
    shown, elsewhere = _shown(shop), _shown(other)

    assert shown["directory"] == str(agents / "shop")
    assert shown["variables"]["PODLINE_BOT_FILE"] == str(agents / "shop" / "bot.py")
    assert shown["variables"]["PODLINE_AGENT"] == "shop"
    assert shown["variables"]["PODLINE_BODY"] == '{"cart":1}'
    assert shown["variables"]["KEY_OF_SHOP"] == "secret"
    assert shown["variables"]["SESSION_ID"] != "not-mine"
    hidden = {"KEY_OF_OTHER", "GOOGLE_API_KEY", "CONVEX_TOKEN", "PODLINE_KEYS_FILE"}
    assert hidden.isdisjoint(shown["variables"])

    assert elsewhere["python"] == str(agents / "other" / ".venv" / "bin" / "python")
    assert {"KEY_OF_SHOP", "GOOGLE_API_KEY"}.isdisjoint(elsewhere["variables"])
    assert elsewhere["podline"].startswith(elsewhere["variables"]["PYTHONPATH"])
    # An interpreter that lacks a package doesn't find ours.
    assert "No module named" in bare


async def _log_of(controller: Controller, agent: str, **fields: Any) -> str:
    """Return what a bot of this agent has written until it was gone."""
    session = await controller.start(user_id=agent, agent=agent, **fields)
    ended = await controller.until_over(session["id"])
    assert (ended["phase"], ended["agent"]) == ("failed", agent)
    return (await controller.client.get(f"/v1/sessions/{session['id']}/logs")).text


def _shown(log: str) -> dict[str, Any]:
    [line] = [line for line in log.splitlines() if line.startswith("SHOWN ")]
    shown: dict[str, Any] = json.loads(line.removeprefix("SHOWN "))
    return shown
