"""Each part loads with its own extra alone, so that no image carries what belongs to another."""

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
        ("bot.__main__", set()),
        ("bot.bot", {"pipecat", "google.genai"}),
        ("podline.runner.__main__", set()),
        ("podline.runner.session", {"pipecat"}),
        ("podline.contract.messages", set()),
    ],
)
def test_a_part_loads_nothing_of_another_part_s(module: str, own: set[str]) -> None:
    """A bot's own `__main__` and the runner's load nothing heavy at all: a wrong variable is named before."""
    code = f"import sys, {module}; print(*sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]

    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603

    assert {name for name in HEAVY if name in loaded} <= own
