"""A deployment as Pipecat Cloud's command line sends it, and the files that it stands for. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, StringConstraints

from controller.web.errors import NotSupported
from controller.web.models.documented import Documented
from controller.web.models.values import AgentName

Text = Annotated[str, StringConstraints(max_length=1024)]


class AutoScaling(Documented):
    minAgents: int | None = None  # noqa: N815 - Pipecat Cloud's name
    maxAgents: int | None = None  # noqa: N815 - likewise


class Resources(Documented):
    """Quantities. A deploy file may have numbers for those without a unit."""

    cpu: Text | int | float
    memory: Text | int | float


class KrispViva(Documented):
    audioFilter: Text | None = None  # noqa: N815 - likewise


class DeployService(Documented):
    """What is to be deployed. Fields that Podline doesn't know are ignored, as Pipecat Cloud does."""

    model_config = ConfigDict(extra="ignore")

    serviceName: AgentName  # noqa: N815 - likewise
    image: Text | None = None
    secretSet: Text | None = None  # noqa: N815 - likewise
    imagePullSecretSet: Text | None = None  # noqa: N815 - likewise
    autoScaling: AutoScaling = AutoScaling()  # noqa: N815 - likewise
    agentProfile: Text | None = None  # noqa: N815 - likewise
    resources: Resources | None = None
    krispViva: KrispViva = KrispViva()  # noqa: N815 - likewise
    maxSessionDuration: int | None = None  # noqa: N815 - likewise
    architecture: Text | None = None
    websocketAuth: Text | None = None  # noqa: N815 - likewise
    region: Text | None = None
    forceRedeploy: bool = False  # noqa: N815 - likewise
    buildId: Text | None = None  # noqa: N815 - likewise
    git: Mapping[str, Any] | None = None

    def deploy_file(self) -> str:
        """Return the `pcc-deploy.toml` that says the same.

        Raises:
            NotSupported: it wants something built.
        """
        if self.git is not None or self.buildId is not None or self.image is None:
            raise NotSupported(
                "Podline builds no images. Build and push one, write its name as `image` into "
                "pcc-deploy.toml, and deploy again."
            )
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        values = {
            "agent_name": self.serviceName,
            "image": self.image,
            "image_credentials": self.imagePullSecretSet,
            "secret_set": self.secretSet,
            "agent_profile": self.agentProfile,
            "max_session_duration": self.maxSessionDuration,
            "architecture": self.architecture,
            "websocket_auth": self.websocketAuth,
            "region": self.region,
        }
        yield from _assignments(values)
        tables = {
            "scaling": {"min_agents": self.autoScaling.minAgents, "max_agents": self.autoScaling.maxAgents},
            "resources": self.resources.model_dump() if self.resources is not None else {},
            "krisp_viva": {"audio_filter": self.krispViva.audioFilter},
        }
        for table, values_of_table in tables.items():
            lines = list(_assignments(values_of_table))
            yield from [f"[{table}]", *lines] if lines else []


def _assignments(values: Mapping[str, str | float | None]) -> Iterator[str]:
    """Yield a line of TOML for each value.

    A JSON string is also one of TOML's, but for DEL and for pairs of escapes that are one character.
    """
    for key, value in values.items():
        if value is not None:
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", r"\u007f")
