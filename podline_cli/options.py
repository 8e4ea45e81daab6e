"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from podline_cli.completion import complete_agents, complete_contexts, complete_sessions
from podline_cli.console import OutputFormat

ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="The context to use; PODLINE_URL and PODLINE_KEY are then ignored.",
        autocompletion=complete_contexts,
    ),
]

OutputOption = Annotated[
    OutputFormat,
    typer.Option(
        "--output", "-o", help="`json` writes the answer as JSON, and only that, to standard output."
    ),
]

SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="The session's id.", autocompletion=complete_sessions)
]

AgentArgument = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent's name.", autocompletion=complete_agents)
]
