"""What a bot receives at its start: its session, its room, and how to reach the controller."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from controller.core.agent_variables import agent_variables
from controller.core.agents import AgentVersion
from controller.core.errors import InvalidRequest
from controller.core.rooms import Room
from controller.core.runtime import Launch
from controller.core.session import Session
from controller.core.tokens import Signer
from controller.core.warm import WarmBot, WarmLaunch
from controller.rooms.ice import IceServers
from podline.contract import environment
from podline.contract.messages import Assignment
from podline.contract.version import CONTRACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Personas:
    """The operator's personas: the files of one directory, each by its name without the extension."""

    directory: Path | None

    def path(self, name: str) -> Path:
        """Return the file of a persona.

        Raises:
            InvalidRequest: there is no persona with this name.
        """
        listed = self._listed()
        if name not in listed:
            names = ", ".join(sorted(listed)) or "none, because PODLINE_PERSONAS is not set or is empty"
            raise InvalidRequest(f"There is no persona {name!r}. Available: {names}.")
        return listed[name]

    def _listed(self) -> dict[str, Path]:
        if self.directory is None:
            return {}
        files = (path for path in self.directory.iterdir() if path.is_file())
        return {path.stem: path.absolute() for path in files if not path.name.startswith(".")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigner:
    """Makes launches from sessions and their rooms."""

    controller_url: str
    grace_seconds: float
    personas: Personas
    signer: Signer
    ice: IceServers
    refuse_private_candidates: bool = False

    def launch(
        self,
        session: Session,
        agent: AgentVersion,
        room: Room,
        deadline_seconds: float,
        issued: Mapping[str, str],
    ) -> Launch:
        """Return the launch of a session's bot. `issued` is secret, like the room's secrets."""
        plain = {
            **room.environment,
            **agent_variables(agent.definition),
            environment.SESSION_ID: session.id,
            environment.USER_ID: session.user_id,
            environment.CONTROLLER_URL: self.controller_url,
            environment.LAUNCH_ID: session.launch_id,
            environment.CONTRACT: str(CONTRACT),
            environment.MAX_DURATION_SECONDS: str(session.max_duration_seconds),
            environment.GRACE_SECONDS: f"{self.grace_seconds:g}",
        }
        if session.persona is not None:
            plain[environment.PERSONA] = str(self.personas.path(session.persona))
        if self.refuse_private_candidates:
            plain[environment.REFUSE_PRIVATE_CANDIDATES] = "true"
        secrets = None
        if room.secrets is not None and not session.body_is_lost:
            secrets = {**room.secrets, **issued, **self._ice(session, deadline_seconds)}
            secrets[environment.LAUNCH_TOKEN] = self.signer.launch_token(session.launch_id)
            if session.body is not None:
                secrets[environment.BODY] = session.body
            if session.metadata:
                secrets[environment.METADATA] = json.dumps(session.metadata)
        return Launch(
            session=session,
            agent=agent,
            environment=plain,
            secrets=secrets,
            deadline_seconds=deadline_seconds,
        )

    def warm_launch(self, bot: WarmBot, agent: AgentVersion, deadline_seconds: float) -> WarmLaunch:
        """Return the launch of a bot without a session: what it needs to prepare, and to be found."""
        plain = {
            **agent_variables(agent.definition),
            environment.CONTROLLER_URL: self.controller_url,
            environment.LAUNCH_ID: bot.launch_id,
            environment.CONTRACT: str(CONTRACT),
            environment.GRACE_SECONDS: f"{self.grace_seconds:g}",
            environment.WARM: "true",
        }
        if not agent.definition.preload:
            plain[environment.PRELOAD] = "false"
        if self.refuse_private_candidates:
            plain[environment.REFUSE_PRIVATE_CANDIDATES] = "true"
        return WarmLaunch(
            bot=bot,
            agent=agent,
            environment=plain,
            secrets={environment.LAUNCH_TOKEN: self.signer.launch_token(bot.launch_id)},
            deadline_seconds=deadline_seconds,
        )

    def for_warm_bot(self, launch: Launch, launch_id: str) -> Launch:
        """Return a launch as the one of a warm bot, which takes the session with all else unchanged."""
        secrets = launch.secrets
        if secrets is not None:
            secrets = {**secrets, environment.LAUNCH_TOKEN: self.signer.launch_token(launch_id)}
        return replace(
            launch,
            session=replace(launch.session, launch_id=launch_id, cold_start=False),
            environment={**launch.environment, environment.LAUNCH_ID: launch_id},
            secrets=secrets,
        )

    def _ice(self, session: Session, deadline_seconds: float) -> dict[str, str]:
        servers = [each.as_configuration() for each in self.ice.for_session(session.id, deadline_seconds)]
        return {environment.ICE_CONFIG: json.dumps({"iceServers": servers})} if servers else {}


def assignment_of(launch: Launch) -> Assignment:
    """Return what a warm bot receives: the variables with which a bot would be launched."""
    return Assignment(environment={**launch.environment, **(launch.secrets or {})})
