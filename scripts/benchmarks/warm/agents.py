"""One project of `pipecat init` as two agents: one keeps warm bots, the other has none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from testing.projects.generated import REALTIME, generate

WARM: Final = "warm"
COLD: Final = "cold"


def make_agents(directory: Path, agents: Path, sandbox: Mapping[str, str], kept: int) -> None:
    """Put both agents into the directory of agents, each in one step, as the controller may look at any time.

    Args:
        directory: where they are made before that.
        agents: of a controller that serves already.
        sandbox: the sandbox's variables.
        kept: how many bots the one agent has at least.
    """
    staged = directory / "staged"
    staged.mkdir()
    generate(REALTIME, staged, sandbox)
    shutil.copytree(staged / REALTIME.name, staged / COLD)
    (staged / REALTIME.name).rename(staged / WARM)
    for name, scaling in ((COLD, ""), (WARM, f"[scaling]\nmin_agents = {kept}\n")):
        definition = staged / name / "server" / "pcc-deploy.toml"
        definition.write_text(f'agent_name = "{name}"\n{scaling}')
        (staged / name).rename(agents / name)
