"""scripts/generate: everything that is made from code, in an order in which each finds what it is made of."""

from __future__ import annotations

import sys
from typing import Final

import typer

from podline_cli.steps import step
from scripts.commands.console import run_command
from scripts.commands.programs import run_program

MODULES: Final = {
    "deploy.monitoring": "alerts and boards",
    "testing.settings_reference": "the documents of settings",
    "testing.reasons_reference": "the reference of reasons",
    "testing.metrics_reference": "the reference of metrics",
    "testing.agents_reference": "the document of agents' definitions",
    "testing.cli_reference": "the reference of the command line",
    "testing.sandbox_reference": "the faults of the sandbox's Gemini",
    "testing.sandbox_openai_reference": "the faults of the sandbox's OpenAI",
    "testing.web.generated": "the example web app's API, products and exchanges with the store",
    "testing.api_reference": "the reference of the API",
    "testing.web.swagger_ui": "Swagger UI for /docs",
    "testing.builds.web_example": "the example web app's packages",
}
"""What each module makes. The last one installs what the example's own generator needs."""

EXAMPLE: Final = ("npm", "run", "--silent", "--prefix", "examples/nextjs", "generate")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def generate() -> None:
    """Generate what is made from code."""
    for number, (module, what) in enumerate(MODULES.items(), start=1):
        with step(f"{number} of {len(MODULES) + 1}: {what}"):
            command = (sys.executable, "-m", module)
            run_program(command, f"{module} failed: its output is above.", of_download=True)
    with step(f"{len(MODULES) + 1} of {len(MODULES) + 1}: the example web app's types"):
        run_program(EXAMPLE, "npm failed: its output is above.")


if __name__ == "__main__":
    run_command(app)
