"""Short calls, each with a fault of its own, over a channel that fails too; and what was counted of them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from sandbox.caller import Caller
from sandbox.caller_signalling import CallFailedError
from testing.processes import launch_of
from tests.local.counting.bad_channel import BadChannel
from tests.local.endings.scene import Scene
from tests.local.endings.site import Site

AT_A_TIME: Final = 6
SCRAPE_SECONDS: Final = 1.0
FREEZE_SECONDS: Final = 6.0
"""Longer than a bot waits for the answer to a report."""

PERSONA: Final = """
instructions = "Be short."
voice = "Aoede"
language = "en-US"
greeting = "Hello, caller {number}."
farewell = "Bye."
"""
_GREETED: Final = re.compile(r"“Hello, caller (\d+)\.”")

Series = tuple[str, frozenset[tuple[str, str]]]
Tokens = tuple[int, int, int]
"""Prompt tokens of text and of audio, and those of the answers' audio."""

NO_TOKENS: Final[Tokens] = (0, 0, 0)


def plus(*each: Tokens) -> Tokens:
    text, audio, answers = (sum(column) for column in zip(NO_TOKENS, *each, strict=True))
    return text, audio, answers


# --- What happens in a call; each returns how many turns the caller certainly had. ---


async def is_served(caller: Caller, _scene: Scene, _chance: random.Random) -> int:
    await _ask(caller, "save product two")
    await caller.message(lambda message: message.is_server_message("product_saved"))
    await caller.bot_says("Saved number 2")
    await caller.bot_quiet(0.7)
    return 1


async def meets_an_error(caller: Caller, _scene: Scene, _chance: random.Random) -> int:
    await _ask(caller, "save product 99999")
    await caller.bot_says("There is no product number 99999")
    await caller.bot_quiet(0.7)
    return 1


async def hangs_up_in_mid_answer(caller: Caller, _scene: Scene, chance: random.Random) -> int:
    await _is_being_answered(caller)
    await asyncio.sleep(chance.uniform(0, 1))
    return 1


async def interrupts(caller: Caller, _scene: Scene, _chance: random.Random) -> int:
    await _is_being_answered(caller)
    await asyncio.sleep(0.5)
    await caller.say("stop it please, I have heard enough of that")
    await caller.hears_bot()
    await caller.bot_quiet(0.7)
    return 2


async def is_deleted(caller: Caller, scene: Scene, chance: random.Random) -> int:
    await _is_being_answered(caller)
    await asyncio.sleep(chance.uniform(0, 1))
    await scene.delete()
    await caller.bot_leaves(within=30)
    return 1


async def is_terminated(caller: Caller, scene: Scene, chance: random.Random) -> int:
    await asyncio.sleep(chance.uniform(0, 1))
    await scene.signal_bot(signal.SIGTERM)
    await caller.bot_leaves(within=30)
    return 0


async def is_killed(caller: Caller, scene: Scene, chance: random.Random) -> int:
    await _is_being_answered(caller)
    await asyncio.sleep(chance.uniform(0, 6))
    await scene.signal_bot(signal.SIGKILL)
    return 0


async def is_killed_in_its_goodbye(caller: Caller, scene: Scene, chance: random.Random) -> int:
    """It has left a first last word by then."""
    await _is_being_answered(caller)
    await scene.signal_bot(signal.SIGTERM)
    await asyncio.sleep(chance.uniform(0.1, 1))
    await scene.signal_bot(signal.SIGKILL)
    return 0


async def _is_being_answered(caller: Caller) -> None:
    await _ask(caller, "find running shoes")
    await caller.message(lambda message: message.is_server_message("products_found"))
    await caller.hears_bot()


async def _ask(caller: Caller, words: str) -> None:
    """Let the bot finish first: what is heard next is the answer."""
    await caller.bot_quiet(0.4)
    caller.write(words)


@dataclass(frozen=True)
class Fault:
    """One thing that befalls calls.

    Attributes:
        name: As it stands in the table.
        share: How many of a hundred calls.
        happens: Plays the call, from the greeting on.
        order: What the model is ordered to get wrong for the next session that connects.
        may_speak: Whether the bot can still say what it used.
    """

    name: str
    share: int
    happens: Callable[[Caller, Scene, random.Random], Awaitable[int]]
    order: Mapping[str, Any] | None = None
    may_speak: bool = True


FAULTS: Final = (
    Fault("none but the channel's", 20, is_served),
    Fault("tool fails", 12, meets_an_error),
    Fault("caller hangs up in mid-answer", 16, hangs_up_in_mid_answer),
    Fault("caller interrupts", 8, interrupts),
    Fault("model's connection lost", 12, is_served, {"name": "drop", "after": "audio"}),
    Fault("model tells usage apart", 4, is_served, {"name": "usage_apart"}),
    Fault("DELETE in mid-answer", 8, is_deleted),
    Fault("SIGTERM in the greeting", 6, is_terminated),
    Fault("kill -9 in mid-answer", 10, is_killed, may_speak=False),
    Fault("kill -9 in the goodbye", 4, is_killed_in_its_goodbye, may_speak=False),
)


@dataclass
class Call:
    """One call and what was counted of it.

    Attributes:
        turns: How many the caller certainly had.
        launch_id: Of its bot.
        record: The session as the controller shows it at the end.
        sent: What the model sent it of token counts, on all its connections.
        tools: How often the model called which tool.
        mishap: What kept it from going as planned, where something did: on a busy machine callers lose
            their patience. It counts like any other call.
    """

    number: int
    fault: Fault
    session_id: str = ""
    launch_id: str = ""
    turns: int = 0
    record: dict[str, Any] = field(default_factory=dict)
    sent: Tokens = NO_TOKENS
    tools: Counter[str] = field(default_factory=Counter)
    mishap: str | None = None

    def __str__(self) -> str:
        return f"call {self.number} ({self.fault.name}), session {self.session_id}"

    @property
    def bot_could_speak(self) -> bool:
        """Whether its bot could still say what it used: it was not killed, as planned or not."""
        return self.fault.may_speak or self.mishap is not None

    @property
    def usage(self) -> dict[str, Any]:
        usage: dict[str, Any] = self.record["usage"]
        return usage

    @property
    def recorded(self) -> Tokens:
        return tokens_of(self.usage)


@dataclass
class Run:
    """All calls, and what the metrics said meanwhile and at the end."""

    calls: list[Call]
    channel: BadChannel
    before: dict[Series, float] = field(default_factory=dict)
    after: dict[Series, float] = field(default_factory=dict)
    fallen: set[Series] = field(default_factory=set)
    scrapes: int = 0
    sent: Tokens = NO_TOKENS

    def counted(self, name: str, **labels: str) -> float:
        """How much this counter has grown, over all its series with these labels."""
        return sum(
            value - self.before.get((each, has), 0.0)
            for (each, has), value in self.after.items()
            if each == f"podline_{name}" and labels.items() <= has
        )

    def counted_tokens(self) -> Tokens:
        kinds = (("input", "text"), ("input", "audio"), ("output", "audio"))
        text, audio, answers = (
            int(self.counted("tokens_total", direction=direction, modality=modality))
            for direction, modality in kinds
        )
        return text, audio, answers

    def table(self) -> list[str]:
        rows: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            rows[call.fault.name].append(call)
        lines = [f"{'calls':>5}  {'tokens sent':>11}  {'on record':>9}  {'partial':>7}  fault"]
        for fault in FAULTS:
            calls = rows[fault.name]
            sent, recorded = (
                sum(plus(*each)) for each in zip(*((call.sent, call.recorded) for call in calls), strict=True)
            )
            partial = sum(call.usage["partial"] for call in calls)
            lines.append(f"{len(calls):5}  {sent:11}  {recorded:9}  {partial:7}  {fault.name}")
        sent, recorded = sum(self.sent), sum(plus(*(call.recorded for call in self.calls)))
        counted = sum(self.counted_tokens())
        batches = ", ".join(f"{count} {fate}" for fate, count in self.channel.fates.most_common())
        lines.append(f"{len(self.calls):5}  {sent:11}  {recorded:9}  {'':7}  all; {counted} in the counters")
        off_plan = sum(call.mishap is not None for call in self.calls)
        lines.append(f"{off_plan:5}  did not go as planned, and are counted like the others")
        lines.append(f"batches: {batches}; {self.scrapes} scrapes, {len(self.fallen)} series fell")
        return lines


def tokens_of(usage: Mapping[str, Any]) -> Tokens:
    """The tokens of a record, or of a report, which leaves zeros out. Nothing is cached and nobody thinks."""
    return plus(
        *(
            (
                each.get("prompt_tokens", 0) - each.get("input_audio_tokens", 0),
                each.get("input_audio_tokens", 0),
                each.get("output_audio_tokens", 0),
            )
            for each in usage.get("models", {}).values()
        )
    )


def plan(calls: int, chance: random.Random) -> list[Call]:
    """That many calls with their faults, in any order."""
    faults = [fault for fault in FAULTS for _ in range(max(1, round(fault.share * calls / 100)))]
    chance.shuffle(faults)
    return [Call(number, fault) for number, fault in enumerate(faults, start=1)]


async def play(site: Site, channel: BadChannel, personas: Path, calls: list[Call], seed: str) -> Run:
    """Make the calls, some at a time; freeze the controller now and then; ask everybody what they counted."""
    for call in calls:
        (personas / f"call-{call.number}.toml").write_text(PERSONA.format(number=call.number))
    run = Run(calls, channel, before=await scrape(site.controller))
    waiting = iter(calls)
    freeze_before = (len(calls) // 3, 2 * len(calls) // 3)
    watching = asyncio.create_task(_watch(site, run))
    try:
        async with asyncio.TaskGroup() as callers:
            for _ in range(AT_A_TIME):
                callers.create_task(_make_calls(site, waiting, freeze_before, seed))
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    _compare(run, await scrape(site.controller))
    _ask_the_model((await site.control.get("/sandbox/model")).json()["sessions"], run)
    return run


async def scrape(controller: httpx.AsyncClient) -> dict[Series, float]:
    """All that only ever grows."""
    text = (await controller.get("/metrics")).raise_for_status().text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


async def _make_calls(site: Site, waiting: Iterator[Call], freeze_before: Collection[int], seed: str) -> None:
    for call in waiting:
        if call.number in freeze_before:
            await _freeze(site)
        await _make_call(site, call, random.Random(f"{seed} {call.number}"))  # noqa: S311 - likewise


async def _make_call(site: Site, call: Call, chance: random.Random) -> None:
    scene = Scene(site, f"caller-{call.number}")
    if call.fault.order is not None:
        await site.misbehave("model", **call.fault.order)
    await scene.start(persona=f"call-{call.number}")
    call.session_id = scene.session_id
    try:
        async with scene.joined() as caller:
            await caller.hears_bot()
            call.launch_id = launch_of(await scene.bot())
            call.turns = await call.fault.happens(caller, scene, chance)
    except (CallFailedError, AssertionError) as error:
        call.mishap = f"{call}: {error!r}"
    call.record = await scene.ended(within=75)


async def _freeze(site: Site) -> None:
    """The controller is away, while other calls go on."""
    site.freeze_controller()
    try:
        await asyncio.sleep(FREEZE_SECONDS)
    finally:
        site.thaw_controller()


async def _watch(site: Site, run: Run) -> None:
    while True:
        _compare(run, await scrape(site.controller))
        await asyncio.sleep(SCRAPE_SECONDS)


def _compare(run: Run, seen: dict[Series, float]) -> None:
    """Note which series are less than they were, or gone."""
    last = run.after or run.before
    run.fallen |= {series for series, value in last.items() if seen.get(series, -1.0) < value}
    run.after = seen
    run.scrapes += 1


def _ask_the_model(sessions: list[dict[str, Any]], run: Run) -> None:
    """What it sent each call, which it knows by the greeting it was asked for."""
    numbers = {
        session["conversation"]: int(found[1])
        for session in sessions
        for turn in session["turns"]
        if (found := _GREETED.search(turn["heard"] or ""))
    }
    calls = {call.number: call for call in run.calls}
    for session in sessions:
        sent = session["tokens"]
        tokens = (sent["prompt_text"], sent["prompt_audio"], sent["response_audio"])
        run.sent = plus(run.sent, tokens)
        call = calls.get(numbers.get(session["conversation"], 0))
        if call is not None:
            call.sent = plus(call.sent, tokens)
            call.tools.update(session["tool_calls"])
