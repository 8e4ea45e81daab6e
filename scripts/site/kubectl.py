"""kubectl in Podline's namespace: run as a process, with answers as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from podline_cli.errors import CommandError
from scripts.commands.programs import Finished, attempt_program, failed
from scripts.site.causes import last_line
from scripts.site.pods import Item

NAMESPACE: Final = "podline"


class Kubectl:
    """The cluster that kubectl talks to, or that of a context."""

    def __init__(self, context: str | None = None, variables: Mapping[str, str] | None = None) -> None:
        """Create one.

        Args:
            context: of kubectl's configuration; the current one if omitted.
            variables: of kubectl's environment, beside ours.
        """
        self._command = [
            "kubectl",
            *([f"--context={context}"] if context else []),
            f"--namespace={NAMESPACE}",
        ]
        self._variables = variables

    @classmethod
    def of(cls, program: Path, kubeconfig: Path) -> Kubectl:
        """Return one for a cluster with a program and a configuration of its own."""
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        return cls(variables={"PATH": path, "KUBECONFIG": str(kubeconfig)})

    def attempt(self, *arguments: str, given: str | None = None) -> Finished:
        """Run it and return how it ended, even if it failed."""
        return attempt_program([*self._command, *arguments], variables=self._variables, given=given)

    def run(self, failure: str, *arguments: str, given: str | None = None) -> str:
        """Run it and return what it printed.

        Raises:
            CommandError: It failed: `failure` with what kubectl said.
        """
        finished = self.attempt(*arguments, given=given)
        if finished.code != 0:
            raise failed(failure, finished.errors)
        return finished.output

    def get(self, *arguments: str) -> Any:
        """Return what the cluster has as JSON, None if it has nothing of that name.

        Raises:
            CommandError: The cluster does not answer, or refuses.
        """
        finished = self.attempt("get", *arguments, "--ignore-not-found", "--output=json")
        if finished.code != 0:
            raise unanswered(finished)
        return json.loads(finished.output) if finished.output.strip() else None

    def log(self, workload: str, lines: int) -> Finished:
        """Ask for the end of the log of a Deployment's or a Job's pod, such as `job/one`."""
        # Without the timeout, kubectl waits 20 s for a pod that may never be made.
        return self.attempt("logs", workload, f"--tail={lines}", "--pod-running-timeout=1s")

    def items(self, kind: str, name: str) -> list[Item]:
        """Return the objects of a kind that bear this name as their label."""
        # kubectl prints nothing at all for an empty list with --ignore-not-found.
        found = self.get(kind, f"--selector=app.kubernetes.io/name={name}") or {}
        items: list[Item] = found.get("items", [])
        return items


def unanswered(finished: Finished) -> CommandError:
    return CommandError(
        f"The cluster does not answer ({last_line(finished.errors)}): see what `kubectl cluster-info` says."
    )
