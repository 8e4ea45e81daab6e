"""An agent whose bots only sleep, so that only the controller counts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

NAME: Final = "sleeping"
_SLEEPER: Final = "#!/bin/sh\nexec sleep 600\n"


def make_sleeping_agent(agents: Path) -> None:
    """Make the agent in a folder of agents. What stands for its Python ignores the runner and the bot."""
    directory = agents / NAME
    directory.mkdir(parents=True)
    (directory / "bot.py").write_text("async def bot(runner_args): ...\n")
    (directory / "podline.toml").write_text('python = "./sleeper"\n')
    sleeper = directory / "sleeper"
    sleeper.write_text(_SLEEPER)
    sleeper.chmod(0o700)
