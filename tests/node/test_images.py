"""What is in the images, what is not, and how they are started."""

from __future__ import annotations

import json
import os
from typing import Any, Final

import pytest

from tests.node.base_image import ensure_base
from tests.node.images import CODE, cache_directory, in_podman, version
from tests.node.podman import Podman

LOCKED_DOWN: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
"""As in deploy/base."""

MEGABYTES_ON_TOP: Final = {"bot": 420, "controller": 220, "sandbox": 300}
TOOLS: Final = ("cc", "gcc", "g++", "clang", "ld", "make", "cargo", "uv", "git", "curl")

IMPORT_ALL: Final = """
import importlib, pkgutil, sys
for package in sys.argv[1:]:
    importlib.import_module(package)
    found = pkgutil.walk_packages([f"/opt/podline/code/{package}"], f"{package}.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    for name in names:
        importlib.import_module(name)
    print(package, len(names))
"""

WITHOUT_BYTECODE: Final = """
import importlib.util, pathlib, sys
def is_current(source):
    stored = pathlib.Path(importlib.util.cache_from_source(str(source)))
    if not stored.exists():
        return False
    head, told = stored.read_bytes()[:16], source.stat()
    stamp = (int(told.st_mtime).to_bytes(4, "little"), told.st_size.to_bytes(4, "little"))
    return (head[:4], head[8:12], head[12:]) == (importlib.util.MAGIC_NUMBER, *stamp)
sources = [source for source in pathlib.Path("/opt/podline").rglob("*.py")]
print(len(sources), *[source for source in sources if not is_current(source)])
"""


@pytest.fixture(scope="module")
def podman() -> Podman:
    return Podman(cache_directory())


@pytest.fixture(params=CODE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(podman: Podman, name: str) -> str:
    return in_podman(podman, name)


def described(podman: Podman, image: str) -> dict[str, Any]:
    [found] = json.loads(podman("image", "inspect", image))
    return dict(found)


def within(podman: Podman, image: str, *command: str) -> str:
    """What a command prints that is run in a locked down container."""
    program, *arguments = command
    return podman("run", "--rm", "--network=none", *LOCKED_DOWN, f"--entrypoint={program}", image, *arguments)


def test_it_is_small(podman: Podman, name: str, image: str) -> None:
    base = described(podman, ensure_base(podman))["Size"]
    megabytes = (described(podman, image)["Size"] - base) / 1e6

    print(f"\npodline-{name}: {megabytes:.0f} MB on top of the base image's {base / 1e6:.0f}")  # noqa: T201
    assert megabytes < MEGABYTES_ON_TOP[name]


def test_it_says_what_it_is(podman: Podman, name: str, image: str) -> None:
    labels = described(podman, image)["Labels"]
    told = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}

    assert (told["title"], told["version"]) == (f"podline-{name}", version())
    assert told["licenses"] == "BSD-2-Clause"
    assert all(told[key] for key in ("description", "source", "revision"))


def test_it_runs_as_nobody_in_particular_and_can_write_nowhere_but_in_tmp(podman: Podman, image: str) -> None:
    assert described(podman, image)["Config"]["User"] == "10001:10001"
    assert within(podman, image, "id", "-u", "-g", "-n") == "10001"

    find = "find / -xdev -writable ! -type l ! -path '/proc/*' ! -path '/sys/*' 2> /dev/null | sort"
    writable = podman("run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", find).splitlines()
    # Debian's own places for everybody.
    assert set(writable) <= {"/run/lock", "/tmp", "/var/tmp"}  # noqa: S108 - what is looked for


def test_nothing_of_its_making_is_left(podman: Podman, image: str) -> None:
    tools = within(podman, image, "sh", "-c", f"command -v {' '.join(TOOLS)} || true")
    find = "find / -xdev ( -path */.cache -o -path /build -o -path /var/lib/apt/lists/* -o -name *.whl )"
    left = within(podman, image, *find.split(), "-not", "-name", "lock", "-not", "-name", "partial")

    assert tools == ""
    # The base's own, from which it makes virtual environments.
    assert [
        path for path in left.splitlines() if "ensurepip" not in path and "python-wheels" not in path
    ] == []


def test_nothing_of_this_machine_is_told(podman: Podman, image: str) -> None:
    told = json.dumps(described(podman, image)) + podman("history", "--no-trunc", image)
    machine = ("SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "_PROXY", "_proxy", "certificates")

    assert [word for word in machine if word in told] == []
    assert os.uname().nodename not in json.loads(told[: told.rindex("}") + 1])["Config"]["Env"]


def test_all_modules_can_be_imported_and_no_others_are_there(podman: Podman, name: str, image: str) -> None:
    imported = within(podman, image, "python", "-c", IMPORT_ALL, *CODE[name]).splitlines()
    packages = within(podman, image, "ls", "/opt/podline/code").split()

    assert [line.split()[0] for line in imported] == list(CODE[name])
    assert set(packages) == set(CODE[name])


def test_all_is_compiled(podman: Podman, image: str) -> None:
    count, *without = within(podman, image, "python", "-c", WITHOUT_BYTECODE).split()

    assert int(count) > 100
    assert without == []
