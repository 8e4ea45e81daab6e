"""Each part loads with its own extra alone, so that no image carries what belongs to another."""

import os
import subprocess
import sys

import pytest

HEAVY = {
    "pipecat": "bot",
    "aiortc": "bot",
    "google.genai": "bot",
    "fastapi": "controller",
    "uvicorn": "controller",
    "kubernetes": "controller",
    "pocketsphinx": "sandbox",
    "espeakng_loader": "sandbox",
}


@pytest.mark.parametrize(
    ("module", "own"),
    [
        ("controller.web.app", {"fastapi", "uvicorn", "kubernetes"}),
        ("controller.__main__", {"fastapi", "uvicorn", "kubernetes"}),
        ("bot.settings", set()),
        ("bot.bot", {"pipecat", "google.genai"}),
        ("podline.runner.__main__", set()),
        ("podline.runner.session", {"pipecat"}),
        ("podline.contract.messages", set()),
        ("podline_cli.app", set()),
        ("podline_cli.commands.deploy", set()),
    ],
)
def test_a_part_loads_nothing_of_another_part_s(module: str, own: set[str]) -> None:
    """The runner's `__main__` loads nothing heavy at all: a wrong variable is named before."""
    code = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]

    environment = os.environ | {"GOOGLE_API_KEY": "google-secret", "CONVEX_URL": "http://127.0.0.1:9"}

    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    loaded = answer.stdout.split()

    assert {name for name in HEAVY if name in loaded} <= own
