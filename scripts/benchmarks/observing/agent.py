"""The assistant as an agent whose bots run in the bench's runner instead of ours."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

from controller.core.agents import DEFAULT_AGENT
from testing.processes import ROOT

_RUNNER: Final = """\
#!/bin/sh
# The controller starts it with the arguments of Python that run our runner.
PYTHONPATH={root} exec {python} -P -m {module} {arguments}
"""


def make_assistant(agents: Path, module: str, *arguments: str) -> None:
    """Make the agent in a folder of agents. Its bots run in this module, with these arguments."""
    directory = agents / DEFAULT_AGENT
    directory.mkdir(parents=True)
    # Not bot.py: that would be found instead of the package of this name.
    (directory / "assistant.py").write_text("from bot.bot import bot\n\n__all__ = ['bot']\n")
    (directory / "podline.toml").write_text('file = "assistant.py"\npython = "./python"\n')
    python = directory / "python"
    words = shlex.join(arguments)
    python.write_text(_RUNNER.format(root=ROOT, python=sys.executable, module=module, arguments=words))
    python.chmod(0o700)
