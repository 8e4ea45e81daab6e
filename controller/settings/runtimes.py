"""Runtimes: processes on this machine, or Jobs in a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, Self

from pydantic import DirectoryPath, PositiveInt, model_validator

from controller.settings.variables import Group, variable


class RuntimeSettings(Group):
    """Where bots run."""

    kind: Literal["local", "kubernetes"] = variable(
        "PODLINE_RUNTIME",
        "`local`: one process for each bot on this machine. `kubernetes`: one Job for each; it needs "
        "PODLINE_JOB_TEMPLATE, PODLINE_CONTROLLER_URL and PODLINE_SECRET, and finds its cluster as kubectl "
        "does.",
        default="local",
    )


class KubernetesSettings(Group):
    """Kubernetes."""

    job_template: Path | None = variable(
        "PODLINE_JOB_TEMPLATE",
        "The template of the Jobs to launch, such as deploy/base/bot-job.yaml.",
        example="/path/to/bot-job.yaml",
    )
    namespace: str | None = variable(
        "PODLINE_NAMESPACE",
        "The namespace of the Jobs; by default the kubeconfig's, or the pod's own.",
        example="podline",
    )


class LocalSettings(Group):
    """Processes on this machine."""

    agents: DirectoryPath | None = variable(
        "PODLINE_AGENTS",
        "A directory with one directory for each agent beside the shopping assistant: docs/writing-a-bot.md. "
        "The next call picks up changed files.",
        example="/path/to/agents",
    )
    bot_memory_megabytes: PositiveInt | None = variable(
        "PODLINE_BOT_MEMORY_MEGABYTES",
        "The maximum data memory of a bot: one that needs more ends as out_of_memory. Only on Linux; no "
        "limit if not set.",
        unit="MiB",
        example="1024",
    )

    @model_validator(mode="after")
    def _limits_can_be_kept(self) -> Self:
        if self.bot_memory_megabytes is not None and sys.platform != "linux":
            raise ValueError(
                "PODLINE_BOT_MEMORY_MEGABYTES: only Linux enforces this limit; leave it out here"
            )
        return self
