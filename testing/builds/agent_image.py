"""An agent's image, built as a user of Pipecat Cloud does: by the Dockerfile that `pipecat init` has written.

Our target `base` has the name of the image that the Dockerfile begins with. Run as
`python -m testing.builds.agent_image` it makes the image available and prints where its archive is.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from testing.builds.base_image import MachineUnfitError, require_programs
from testing.builds.binaries import only_one, print_built, report
from testing.builds.images import build_by_script, cache_directory, forget_old, key_of, save
from testing.builds.pipecats import find_uv
from testing.builds.podman import Podman
from testing.projects.generated import REALTIME, Kind, initialize

PROJECT: Final[Kind] = REALTIME
IMAGE: Final = "registry.example.com/realtime:1.0"
"""As its user might name it. The registry is never asked: nodes have the image."""

_INGREDIENTS: Final = (
    "Dockerfile",
    ".dockerignore",
    "scripts/site/images.py",
    "scripts/uv.txt",
    "testing/builds/agent_image.py",
    "testing/projects/generated.py",
)
_SETTINGS: Final = """\
system-certs = true
exclude-newer = "2026-11-29T00:00:00Z"
"""
"""uv's, on the machine and during the build: the packages of one day, so that the image stays the same."""

_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Where uv looks for the certificates to trust, in a base of Debian's."""


def ensure_agent_image() -> Path:
    """Say where the image's archive is, once it is there."""
    cache = cache_directory()
    path = cache / f"agent-{_key()}.tar"
    if not path.exists():
        with only_one(cache, "the images"):
            if not path.exists():
                _make(path)
                forget_old(cache, {"agent": path})
    path.touch()
    return path


def _key() -> str:
    version = importlib.metadata.version("pipecat-ai")
    return hashlib.sha256(f"{key_of(_INGREDIENTS)} {version}".encode()).hexdigest()[:12]


def _make(path: Path) -> None:
    require_programs()
    report(f"Making the image of the agent '{PROJECT.name}' (the first time about a minute) ...")
    began = time.monotonic()
    podman = Podman(cache_directory())
    with tempfile.TemporaryDirectory() as directory:
        settings = Path(directory) / "uv.toml"
        settings.write_text(_SETTINGS)
        server = initialize(PROJECT, Path(directory))
        # The user's own step: the Dockerfile wants a lock.
        lock: list[str | Path] = [find_uv(), "lock", "--quiet", f"--config-file={settings}"]
        subprocess.run([*lock, f"--python={sys.executable}"], cwd=server, check=True)  # noqa: S603 - our own
        _build(podman, server, settings)
    save(podman, IMAGE, path)
    # It is more than a gigabyte, and only nodes run it.
    podman("rmi", IMAGE)
    report(f"Made it in {time.monotonic() - began:.0f} s: {path.stat().st_size / 1e6:.0f} MB.")


def _build(podman: Podman, server: Path, settings: Path) -> None:
    """Build the project's Dockerfile. Nothing of this machine stays in the image."""
    written = (server / "Dockerfile").read_text()
    [named] = re.findall(r"^FROM (\S+)$", written, re.MULTILINE)
    # Podman 4.3 takes no target of a mount that is relative to the working directory, as Docker does.
    dockerfile = settings.with_name("Dockerfile")
    dockerfile.write_text(re.sub(r"(?<=,target=)(?=[^/])", "/app/", written))
    mounts = [f"--volume={settings}:/etc/uv/uv.toml:ro"]
    authorities = os.environ.get("SSL_CERT_FILE", "")
    if Path(authorities).is_file():
        mounts.append(f"--volume={authorities}:{_AUTHORITIES}:ro")
    # Podman's cache takes a layer for the same although another lock was mounted for it.
    options = ("--quiet", "--pull=never", "--layers=false", "--format=docker", f"--tag={IMAGE}")
    ours, theirs = build_by_script(podman, "base"), f"docker.io/{named}"
    podman("tag", ours, theirs)
    try:
        podman("build", *options, *mounts, f"--file={dockerfile}", str(server))
    finally:
        podman("untag", ours, theirs)


def main() -> int:
    return print_built("the agent's image", lambda: [ensure_agent_image()], MachineUnfitError)


if __name__ == "__main__":
    sys.exit(main())
