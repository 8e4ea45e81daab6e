"""The version: `pyproject.toml` states it, and each file that can't read it there states the same."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
VERSION: Final[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]

IMAGE: Final = r"image: \S*podline-\w+:(\S+)"
STATEMENTS: Final = {
    "deploy/base/bot-job.yaml": IMAGE,
    "deploy/base/deployment.yaml": IMAGE,
    "deploy/components/pulled-images/daemon-set.yaml": IMAGE,
    "deploy/overlays/kind/caller-job.yaml": IMAGE,
    "deploy/overlays/kind/sandbox.yaml": IMAGE,
    "deploy/overlays/kind/web.yaml": IMAGE,
    "deploy/overlays/production/bot-job.yaml": IMAGE,
    "examples/nextjs/lib/api/openapi.json": r'\A\{[^{}]*"info": \{[^{}]*"version": "([^"]+)"',
    "examples/nextjs/package-lock.json": r'\A\{[^{}]*?"version": "([^"]+)"',
    "examples/nextjs/package.json": r'"version": "([^"]+)"',
    "podline/contract/version.py": r'VERSION: Final = "([^"]+)"',
    "pyproject.toml": r'^version = "([^"]+)"',
    "uv.lock": r'name = "podline"\nversion = "([^"]+)"',
}
"""Files that state the version, each with how."""


@pytest.mark.parametrize(("path", "statement"), STATEMENTS.items(), ids=STATEMENTS.keys())
def test_the_version_is_the_project_s(path: str, statement: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")

    assert set(re.findall(statement, text, re.MULTILINE)) == {VERSION}


def test_no_other_file_states_the_version() -> None:
    number = rf"(^|[^0-9.v^]){re.escape(VERSION)}($|[^0-9.])"
    found = subprocess.run(  # noqa: S603
        ["git", "grep", "--name-only", "-E", number, "--", ".", ":!CHANGELOG.md"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert set(found) == STATEMENTS.keys()
