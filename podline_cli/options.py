"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from podline_cli.console import OutputFormat

ContextOption = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="The context to use instead of the current one."),
]

OutputOption = Annotated[
    OutputFormat,
    typer.Option(
        "--output", "-o", help="`json` writes the answer as JSON, and only that, to standard output."
    ),
]
