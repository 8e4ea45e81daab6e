"""A spoken call that goes on while something happens around it, and what has to be true of it in the end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.caller import Caller, Message, calling
from sandbox.voice import Voice
from testing.node.site import NodeSite

QUESTION = "find running shoes"


@dataclass(frozen=True)
class Call:
    """A caller and a bot who have greeted each other.

    Attributes:
        session: as the controller reported it after the first answer.
        pod: of the bot, as it was then.
        model: the index of this call's session in the model's record.
    """

    site: NodeSite
    caller: Caller
    session: dict[str, Any]
    pod: dict[str, Any]
    model: int

    async def asks(self) -> None:
        """Say something that only a bot with its model and its store can answer, and hear that out."""
        await ask(self.caller, QUESTION)

    async def is_found_again(self) -> None:
        """The controller that is there now knows the session as the last one did, and hears from its bot."""
        found = (await self.site.client.get(f"/v1/sessions/{self.session['id']}")).json()
        for name in ("phase", "user_id", "metadata", "created_at", "max_duration_seconds"):
            assert found[name] == self.session[name]
        recorded = {name: at for name, at in self.session["timeline"].items() if name not in FIRST_WORDS}
        assert recorded == {name: at for name, at in found["timeline"].items() if name not in FIRST_WORDS}
        turns = len(self.caller.spoken)
        await self.site.until(self.session["id"], lambda session: session["usage"]["turns"] >= turns)

    async def is_on_record(self) -> None:
        """That it ended with its caller, was counted to the last token, and never had a second bot."""
        session = await self.site.until_over(self.session["id"])
        assert session["reason"] == "caller_left"
        recorded, _ = await self.site.recorded(self.session["id"])
        assert recorded == "caller_left"
        moments = list(session["timeline"].values())
        assert None not in moments
        assert moments == sorted(moments)
        self._is_counted(session["usage"], await models(self.site))
        assert await self._pods_ever() == [self.pod["metadata"]["name"]]
        assert not [message for message in self.caller.messages if message.type == "error"]

    def _is_counted(self, usage: dict[str, Any], sessions: list[dict[str, Any]]) -> None:
        questions = len(self.caller.spoken)
        assert (usage["turns"], usage["partial"]) == (questions, False)
        assert usage["tool_calls"] == {"search_products": {"ok": questions, "error": 0}}
        spent = sessions[self.model]["tokens"]
        [tokens] = usage["models"].values()
        assert tokens["prompt_tokens"] == spent["prompt_text"] + spent["prompt_audio"]
        assert tokens["completion_tokens"] == spent["response_audio"]

    async def _pods_ever(self) -> list[str]:
        """The names of all pods that the session's Jobs were given, those that are gone included."""
        events = await self.site.get("events", "--field-selector=reason=SuccessfulCreate")
        return [
            event["message"].removeprefix("Created pod: ")
            for event in events["items"]
            if event["involvedObject"]["kind"] == "Job"
            and event["involvedObject"]["name"] == self.session["id"]
        ]


FIRST_WORDS = ("caller_joined", "first_speech")
"""Moments that only the bot knows until its next report."""


@contextlib.asynccontextmanager
async def talking(site: NodeSite, voice: Voice) -> AsyncIterator[Call]:
    """A call whose first question has been answered; the caller hangs up at the end."""
    async with calling(site.url, voice, user_id="ana", key=site.key) as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
        await caller.bot_quiet()
        await ask(caller, QUESTION)
        pod = await site.pod(session_id)
        session = await site.until(session_id, lambda session: session["usage"]["turns"] >= 1)
        yield Call(site, caller, session, pod, len(await models(site)) - 1)


async def ask(caller: Caller, question: str) -> Message:
    """Ask for products, and hear the answer out; what was found."""
    await caller.say(question)
    found = await caller.message(lambda message: message.is_server_message("products_found"))
    await caller.hears_bot()
    await caller.bot_quiet()
    return found


async def models(site: NodeSite) -> list[dict[str, Any]]:
    """Return the sessions that the sandbox's model recorded, oldest first."""
    address = (await site.get("service", "podline-sandbox"))["spec"]["clusterIP"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{address}:8080/sandbox/model")
    sessions: list[dict[str, Any]] = answer.json()["sessions"]
    return sessions
