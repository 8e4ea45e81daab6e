"""Podman with its images and settings in a cache of ours, so that a machine's own are left as they are."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from pathlib import Path
from typing import Final

# Limits that a nested machine's root may set, no systemd to ask for control groups, no journal to write to.
_SETTINGS: Final = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_RUN_ROOT: Final = "/run/podline-images"
SECONDS: Final = 120.0
"""Only a hang takes this long."""

LOCKED_DOWN: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
"""As the pods of deploy/base are."""


class Podman:
    """Podman that keeps to a directory."""

    def __init__(self, directory: Path) -> None:
        storage = directory / "storage"
        settings, storage_settings = directory / "containers.conf", directory / "storage.conf"
        directory.mkdir(parents=True, exist_ok=True)
        settings.write_text(_SETTINGS)
        storage_settings.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{storage}"\nrunroot = "{_RUN_ROOT}"\n'
        )
        self._environment = {**os.environ, "CONTAINERS_CONF": str(settings)}
        self.for_scripts = {**self._environment, "CONTAINERS_STORAGE_CONF": str(storage_settings)}
        """The variables with which a script's own `podman` keeps to the directory as well."""
        # Given as options: containers are waited for 20 s too long where a file alone says it.
        self.command = (
            *("env", f"CONTAINERS_CONF={settings}"),
            *("podman", f"--root={storage}", f"--runroot={_RUN_ROOT}"),
        )

    def __call__(self, *arguments: str) -> str:
        """What it prints. Its complaints go to the standard error, and a failure is raised."""
        completed = subprocess.run(  # noqa: S603 - our own commands
            [*self.command, *arguments], stdout=subprocess.PIPE, text=True, check=True
        )
        return completed.stdout.strip()

    def attempt(self, *arguments: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
        """Return its result, even if it failed.

        Raises:
            subprocess.TimeoutExpired: It has not ended by then.
        """
        return subprocess.run(  # noqa: S603 - our own commands
            [*self.command, *arguments], capture_output=True, text=True, check=False, timeout=seconds
        )


class Container:
    """A locked-down container on its creator's network; it stays until it is removed."""

    def __init__(
        self, podman: Podman, image: str, *arguments: str, options: tuple[str, ...] = (), **variables: str
    ) -> None:
        self._podman = podman
        self.name = f"podline-{uuid.uuid4().hex[:8]}"
        given = [f"--env={name}={value}" for name, value in variables.items()]
        common = ("--detach", f"--name={self.name}", "--network=host", *LOCKED_DOWN)
        podman("run", *common, *given, *options, image, *arguments)

    def terminate(self) -> tuple[int, float]:
        """Send SIGTERM to its first process; the exit code, and the seconds until then."""
        began = time.monotonic()
        self._podman("kill", "--signal=TERM", self.name)
        return self.exit_code(), time.monotonic() - began

    def exit_code(self) -> int:
        return int(self._podman("wait", "--interval=10ms", self.name))

    def said(self) -> str:
        completed = self._podman.attempt("logs", self.name)
        return completed.stdout + completed.stderr

    def remove(self) -> None:
        self._podman("rm", "--force", "--time=0", self.name)
