"""What is fetched to build and run this is named by its content, so that nothing else can take its place."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DIGEST = r"@sha256:[0-9a-f]{64}"


def tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(  # noqa: S603 - our own patterns
        ["git", "ls-files", "--", *patterns],  # noqa: S607 - git is where it is
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in names.stdout.splitlines()]


DOCKERFILES = tracked("Dockerfile", "**/Dockerfile")


def instructions(dockerfile: Path) -> Iterator[str]:
    """Each instruction on one line, without comments."""
    lines = [line for line in dockerfile.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    yield from re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_base_image_is_pinned_by_its_digest(dockerfile: Path) -> None:
    stages: set[str] = {"scratch"}
    arguments: dict[str, str] = {}
    for line in instructions(dockerfile):
        if found := re.fullmatch(r"ARG (\w+)=(\S+)", line):
            arguments[found[1]] = found[2]
        if found := re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", line):
            image = re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], found[1])
            assert image in stages or re.search(rf"{DIGEST}$", image), line
            stages.add(found[2] or "")


def test_each_foreign_image_of_a_cluster_is_pinned_by_its_digest() -> None:
    images = {
        found[1]
        for path in tracked("deploy/*.yaml", "deploy/**/*.yaml")
        for found in re.finditer(r"^\s*-?\s*image: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    foreign = {image for image in images if not re.search(r"(^|/)podline-\w+:", image)}
    assert foreign
    assert {image for image in foreign if not re.search(rf"{DIGEST}$", image)} == set()


def test_only_the_overlay_for_ones_own_machine_names_an_image_by_its_tag() -> None:
    renaming = [
        str(path.relative_to(ROOT))
        for path in tracked("deploy/**/kustomization.yaml")
        if (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("images")
    ]
    assert set(renaming) <= {
        "deploy/overlays/kind/kustomization.yaml",
        "deploy/overlays/production/kustomization.yaml",
    }


def test_pip_takes_nothing_but_by_hash() -> None:
    installs = [
        line
        for path in (*DOCKERFILES, *tracked("scripts/*"))
        for line in instructions(path)
        if re.search(r"\bpip3? install\b|-m pip install\b", line)
    ]
    assert len(installs) >= 2
    assert [line for line in installs if "--require-hashes" not in line] == []
    assert [line for line in installs if "--only-binary :all:" not in line] == []


def test_uv_is_named_by_its_version_and_a_hash_for_each_platform() -> None:
    text = (ROOT / "scripts" / "uv.txt").read_text(encoding="utf-8")
    assert len(re.findall(r"^uv==\d+\.\d+\.\d+ ", text, re.MULTILINE)) == 1
    assert len(set(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text))) >= 5


def test_tini_is_checked_by_its_hash_on_each_architecture() -> None:
    [build] = [line for line in instructions(ROOT / "Dockerfile") if "install" in line and " tini " in line]
    assert "TINI_SHA256_$(dpkg --print-architecture)" in build
    assert "sha256sum --check" in build
    hashes = re.findall(
        r"^ARG TINI_SHA256_(\w+)=([0-9a-f]{64})$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert {name for name, _ in hashes} == {"amd64", "arm64"}


def test_what_the_locks_name_is_named_by_hash() -> None:
    python = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert re.findall(r'^(?=.*\burl = )(?!.*\bhash = "sha256:).*$', python, re.MULTILINE) == []
    node = json.loads((ROOT / "examples" / "nextjs" / "package-lock.json").read_text(encoding="utf-8"))
    fetched = {name: each for name, each in node["packages"].items() if name and not each.get("link")}
    assert [name for name, each in fetched.items() if "integrity" not in each] == []
