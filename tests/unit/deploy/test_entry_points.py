"""What the images run, and what a bot's Job makes of it: one runner, whichever way it got there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.runtimes.kubernetes.job.runner_copy import RUNNER

ROOT = Path(__file__).parents[3]
JOBS = [
    ROOT / "deploy" / "base" / "bot-job.yaml",
    ROOT / "deploy" / "overlays" / "production" / "bot-job.yaml",
]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def entry_point(stage: str) -> list[str]:
    """What an image of the Dockerfile runs."""
    [instructions] = [text for text in DOCKERFILE.split("\nFROM ") if f" AS {stage}\n" in text]
    [found] = re.findall(r"^ENTRYPOINT (\[.+\])$", instructions, re.MULTILINE)
    return [str(word) for word in json.loads(found)]


def test_the_copied_directory_and_the_assistants_image_run_the_same_runner() -> None:
    assert entry_point("bot") == ["tini", "--", "python", "-m", "podline.runner"]
    assert "'from podline.runner.__main__ import main' 'main()' > ../__main__.py" in DOCKERFILE


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.parent.name)
def test_the_runner_is_copied_to_where_an_agents_image_runs_it(job: Path) -> None:
    pod: Any = yaml.safe_load(job.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    [copying], [bot] = pod["initContainers"], pod["containers"]
    [copied] = copying["volumeMounts"]

    assert "command" not in copying
    assert "command" not in bot, "the assistant is run by its image's own entry point"
    assert copied["mountPath"] == entry_point("runner")[-1]
    assert {"name": copied["name"], "mountPath": RUNNER, "readOnly": True} in bot["volumeMounts"]
