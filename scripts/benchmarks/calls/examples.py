"""Ten of Pipecat's own examples, called as they are.

They are read from a checkout of Pipecat's repository: its packages have none.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from podline_cli.errors import CommandError
from sandbox.caller import Caller, calling
from sandbox.caller_signalling import CallFailedError, RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.programs import Machine, ended, programs
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import Table
from testing.projects.generated import CASCADE, REALTIME

QUESTION: Final = "find running shoes"
GOODBYE: Final = "goodbye for now"


@dataclass(frozen=True)
class Example:
    """A file below Pipecat's `examples/`.

    Attributes:
        path: Where it is.
        copied: The names of the sandbox's variables that its `.env` needs.
        greets: False if it says nothing until it is spoken to.
    """

    path: str
    copied: tuple[str, ...] = REALTIME.copied
    greets: bool = True

    @property
    def name(self) -> str:
        """The agent's: of at most 40 characters."""
        return Path(self.path).stem.replace("_", "-")[:40].rstrip("-")


EXAMPLES: Final = [
    Example("realtime/realtime-gemini-live.py"),
    Example("realtime/realtime-gemini-live-async-tool.py"),
    Example("realtime/realtime-gemini-live-graceful-end.py"),
    Example("realtime/realtime-gemini-live-locally-driven-turns.py"),
    Example("realtime/realtime-gemini-live-google-search.py"),
    Example("realtime/realtime-gemini-live-grounding-metadata.py"),
    Example("realtime/realtime-gemini-live-video.py"),
    Example("update-settings/llm/llm-gemini-live.py"),
    Example("voice/voice-openai-http.py", CASCADE.copied),
    Example("video-processing/video-processing-mirror.py", (), greets=False),
]


def table(results: Results) -> Table:
    """Return a row for each example."""
    headings = ("example", "greeting", "answer", "measured", "ended")
    return Table(headings, [[row[name] for name in headings] for row in results.rows])


async def measure(run: BenchRun) -> None:
    """Call each example of the checkout once."""
    checkout = Path(run.subject)
    if not (checkout / "examples").is_dir():
        raise CommandError(f"{checkout} is no checkout of Pipecat's repository: it has no folder 'examples'.")
    voice = Voice()
    agents = run.directory / "agents"
    agents.mkdir()
    run.progress.doing("starting sandbox and controller")
    with programs(run.directory, {"PODLINE_AGENTS": str(agents)}) as machine:
        async with httpx.AsyncClient() as http:
            for number, example in enumerate(EXAMPLES[: run.count], 1):
                run.progress.at(number, min(run.count, len(EXAMPLES)), "example")
                install(example, checkout, agents, machine.sandbox)
                run.results.row(**await row(example, machine, http, voice))


def install(example: Example, checkout: Path, agents: Path, variables: Mapping[str, str]) -> None:
    """Make the example an agent, with the keys that its README asks for in `.env`."""
    project = agents / example.name
    project.mkdir()
    shutil.copyfile(checkout / "examples" / example.path, project / "bot.py")
    (project / ".env").write_text("".join(f"{name}={variables[name]}\n" for name in example.copied))
    (project / "podline.toml").write_text("" if example.greets else "mute_seconds = 0\n")


async def row(example: Example, machine: Machine, http: httpx.AsyncClient, voice: Voice) -> dict[str, str]:
    wanted = {"user_id": "bench", "agent": example.name}
    session = (await http.post(f"{machine.url}/v1/sessions", json=wanted)).raise_for_status().json()
    heard: list[str] = []
    try:
        async with calling(machine.url, voice, room=RoomAddress(**session["room"])) as (caller, _):
            await converse(example, caller, heard)
    except CallFailedError as error:
        heard.append(str(error).partition(";")[0])
    record = await ended(machine, http, session["id"])
    heard += ["none"] * (2 - len(heard))
    return {
        "example": f"`{example.path}`",
        "greeting": heard[0],
        "answer": heard[1],
        "measured": measured(record["usage"]),
        "ended": f"`{record['reason']}`",
    }


async def converse(example: Example, caller: Caller, heard: list[str]) -> None:
    """Be greeted, ask, and say goodbye; note how long the caller waited for each sound."""
    if example.greets:
        heard.append(f"{await caller.hears_bot() - (caller.connected_at or 0.0):.1f} s")
        await caller.bot_quiet()
    else:
        heard.append("none")
    asked = await caller.say(QUESTION)
    if example.greets:
        heard.append(f"{await caller.hears_bot() - asked:.1f} s")
    else:
        began = caller.spoken[-1][0]
        heard.append(f"an echo after {await caller.hears_bot(since=began) - began:.1f} s")
    await caller.bot_quiet()
    await caller.say(GOODBYE)
    await caller.hears_bot(since=caller.spoken[-1][0])


def measured(usage: Mapping[str, Any]) -> str:
    """Return what is on record of its services, in a few words."""
    found = [f"{usage['turns']} turns"]
    for name, counts in usage["models"].items():
        amounts = {
            "tokens": counts["prompt_tokens"] + counts["completion_tokens"],
            "s heard": round(counts["audio_seconds"], 1),
            "characters": counts["characters"],
        }
        found += [f"{name}: {amount} {unit}" for unit, amount in amounts.items() if amount]
    return ", ".join(found)
