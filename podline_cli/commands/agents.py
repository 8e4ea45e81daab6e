"""`podline agents`, `agent`, `rollback` and `delete`: the agents and their versions."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from podline_cli.answers import AgentAnswer, AgentListAnswer
from podline_cli.commands.confirmation import confirm
from podline_cli.connection import agent_path, connect
from podline_cli.console import Output, OutputFormat
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import AgentArgument, ContextOption, OutputOption
from podline_cli.text import cell


def agents(context: ContextOption = None, output: OutputOption = OutputFormat.TEXT) -> None:
    """List the agents: the version of each that serves, its calls and warm bots, and what is wrong."""
    out = Output(output)
    with connect(context, out) as client:
        raw = client.get("/v1/agents")
        found = client.parse(AgentListAnswer, raw).agents
    if out.is_json:
        out.json(raw)
        return
    out.table(
        ("NAME", "VERSION", "STATE", ">STARTING", ">LIVE", ">STOPPING", ">WARM", "PROBLEM"),
        (_row(each) for each in found),
    )
    if not found:
        out.note("No agents. `podline deploy DIR` deploys one.")


def agent(
    name: AgentArgument, context: ContextOption = None, output: OutputOption = OutputFormat.TEXT
) -> None:
    """Show an agent: its definition, its versions, and what is wrong with it."""
    out = Output(output)
    with connect(context, out) as client:
        raw = client.get(agent_path(name))
        found = client.parse(AgentAnswer, raw)
    if out.is_json:
        out.json(raw)
    else:
        show_agent(found, out)


def rollback(
    name: AgentArgument,
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="By default the one before the active one.")
    ] = None,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Serve an earlier version of an agent again. Calls that run keep theirs.

    If the earlier version is refused, the active one goes on serving, and this command says why.
    """
    out = Output(output)
    with connect(context, out) as client:
        before = version_of(client.parse(AgentAnswer, client.get(agent_path(name))))
        raw = client.post(f"{agent_path(name)}/rollback", {"version": version})
        found = client.parse(AgentAnswer, raw)
    if out.is_json:
        out.json(raw)
    if found.problem is not None and not found.deploying and version_of(found) == before:
        raise CommandError(
            f"{name} was not rolled back, and {before} goes on serving: {found.problem}",
            code=ExitCode.DEPLOY_REFUSED,
        )
    if not out.is_json:
        out.line(_result_of_rollback(found))


def delete(
    name: AgentArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    context: ContextOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Delete an agent and its versions. Calls that run go on."""
    out = Output(output)
    with connect(context, out) as client:
        if not yes:
            question = f"Delete the agent {name} with all its versions at {client.target.url}?"
            confirm(question, "the agent", out)
        client.delete(agent_path(name))
    if out.is_json:
        out.json({"deleted": name})
    else:
        out.line(f"{name} is deleted.")


def show_agent(found: AgentAnswer, out: Output) -> None:
    """Write an agent for a person."""
    facts = {
        "name": found.name,
        "state": found.state,
        "version": version_of(found),
        "defined by": found.defined_by or "a deployment",
        "calls": f"{found.sessions.starting} starting, {found.sessions.live} live, "
        f"{found.sessions.stopping} stopping",
    }
    if found.warm.are_kept:
        warm = found.warm
        facts["warm bots"] = (
            f"{warm.ready} of {warm.wanted} ready, {warm.starting} starting, {warm.in_use} in use"
        )
    for key, value in facts.items():
        out.fact(key, value)
    if found.warm.problem:
        out.fact("warm problem", found.warm.problem)
    if found.problem:
        out.fact("problem", found.problem)
    for note in found.notes:
        out.fact("note", note)
    for key, given in (found.version.definition if found.version else {}).items():
        out.fact(key, cell(given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)))
    if found.versions:
        active = version_of(found)
        out.table(
            ("VERSION", "HASH", "DEPLOYED", "ACTIVE"),
            (
                (each.id, each.hash[:12], out.moment(each.deployed_at), "yes" if each.id == active else "")
                for each in found.versions
            ),
        )


def version_of(found: AgentAnswer) -> str:
    return found.version.id if found.version is not None else "none"


def being_deployed(found: AgentAnswer) -> str:
    return f"{found.name} is being deployed; {version_of(found)} serves until then."


def _result_of_rollback(found: AgentAnswer) -> str:
    if found.deploying:
        return being_deployed(found)
    return f"{found.name} serves version {version_of(found)}."


def _row(found: AgentAnswer) -> tuple[str, ...]:
    counts = found.sessions
    return (
        found.name,
        version_of(found),
        found.state,
        *(str(count) for count in (counts.starting, counts.live, counts.stopping)),
        f"{found.warm.ready}/{found.warm.wanted}" if found.warm.are_kept else "",
        found.problem or found.warm.problem or "",
    )
