"""The `podline` command line against a cluster: an agent from its deployment to its end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from testing.callers.keys import KEYS
from testing.callers.programs import run_python
from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import serve

DEPLOY = 'agent_name = "clerk"\nimage = "registry.example.com/clerk:%s"\nsecret_set = "clerk-keys"\n'


class Command:
    """`podline`, run as a process with a controller's address and key in its environment."""

    def __init__(self, url: str, directory: Path) -> None:
        self.directory = directory
        self.variables = {
            **os.environ,
            "HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
            "PODLINE_URL": url,
            "PODLINE_KEY": "boss",
        }

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        command = ("-m", "podline_cli", *arguments)
        return await run_python(*command, directory=self.directory, variables=self.variables)

    async def json(self, *arguments: str) -> Any:
        code, out, errors = await self(*arguments, "--output", "json")
        assert code == 0, errors
        return json.loads(out)


async def test_an_agent_from_its_deployment_to_its_end(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path, has_agents=True, keys=KEYS) as site:
        podline = Command(str(site.client.base_url).rstrip("/"), tmp_path)
        said = {}
        (tmp_path / ".env").write_text("GOOGLE_API_KEY=very-secret\nTOKEN=very-secret\n")
        said["written"] = await podline("secrets", "set", "clerk-keys", "--file", ".env")
        sets = await podline.json("secrets", "list")
        for step, tag in (("deployed", "1"), ("refused", "broken"), ("updated", "2")):
            (tmp_path / "pcc-deploy.toml").write_text(DEPLOY % tag)
            said[step] = await podline("deploy")
        agent = await podline.json("agent", "clerk")
        back = await podline.json("rollback", "clerk")
        session, _ = await site.live(agent="clerk")
        said["draining"] = await podline("drain")
        full = await site.client.post("/v1/sessions", json={"user_id": "ana", "agent": "clerk"})
        said["serving"] = await podline("drain", "--off")
        said["stopped"] = await podline("stop", session["id"])
        await site.until_over(session["id"])
        said["deleted"] = await podline("delete", "clerk", "--yes")
        said["forgotten"] = await podline("secrets", "delete", "clerk-keys", "--yes")
        listed = await podline.json("agents")
        said["twice"] = await podline("delete", "clerk", "--yes")

    codes = {step: code for step, (code, _, _) in said.items()}
    assert codes == {**dict.fromkeys(said, 0), "refused": 6, "twice": 3}, said
    assert [each["name"] for each in sets["sets"]] == ["clerk-keys"]
    assert "very-secret" not in str(said)
    assert "clerk is ready: 1-" in said["deployed"][1]
    assert "bot.py can't be imported: the bot raised ValueError in bot.py, line 3." in said["refused"][2]
    assert [each["id"][:2] for each in agent["versions"]] == ["2-", "1-"]
    assert back["version"]["id"].startswith("3-")
    assert (full.status_code, full.json()["code"]) == (503, "draining")
    assert [each["name"] for each in listed["agents"]] == ["shopping"]
