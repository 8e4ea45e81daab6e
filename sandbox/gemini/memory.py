"""What outlives a connection and comes back with a resumption handle."""

from __future__ import annotations

import msgspec

from sandbox.gemini.callers import ModelCaller
from sandbox.gemini.record import Outcome
from sandbox.gemini.usage import Spent
from sandbox.mind.answers import Request
from sandbox.mind.dialogue import Dialogue


class Memory(Dialogue):
    """What one conversation has come to, over all its connections.

    Attributes:
        name: Sets its tool calls' ids apart from those of other sessions.
        caller: Who talks.
        instructed: Whether the system instruction is part of the context.
        context: Tokens of the conversation so far, all of them prompt for the next turn.
        open_calls: Requests waiting for their tool's result, by call id; None if there is nothing to say.
        closed_calls: What another response to a call that is open no more counts as, by id.
        calls_made: How many tool calls there were, for their ids.
        announced: Calls that were made under a wrong id, by that id; "" stands for none.
        handles: The handles that lead here, oldest first.
    """

    name: str = "1"
    caller: ModelCaller = msgspec.field(default_factory=ModelCaller)
    instructed: bool = False
    context: Spent = Spent()
    open_calls: dict[str, Request | None] = msgspec.field(default_factory=dict)
    closed_calls: dict[str, Outcome] = msgspec.field(default_factory=dict)
    calls_made: int = 0
    announced: dict[str, str] = msgspec.field(default_factory=dict)
    handles: list[str] = msgspec.field(default_factory=list)

    def open_call(self, request: Request | None) -> str:
        """Note that a tool is called for a request; the call's id."""
        self.calls_made += 1
        call_id = f"function-call-{self.name}-{self.calls_made}"
        self.open_calls[call_id] = request
        return call_id

    def newer_handles(self, handle: str | None) -> int:
        """Return how many handles were given after this one."""
        return len(self.handles) - 1 - self.handles.index(handle) if handle in self.handles else 0

    def remember(self, tokens: Spent) -> None:
        """Add to the context."""
        self.context = self.context.plus(tokens)

    def announced_id(self, call_id: str) -> str:
        """Return the id with which a call was made."""
        return next((other for other, own in self.announced.items() if own == call_id), call_id)

    def answer(self) -> None:
        """Note that what was asked is answered."""
        super().answer()
        self.caller.unanswered = None

    def outcome_of(self, call_id: str) -> Outcome:
        """What a response to a call that comes now counts as."""
        return "answered" if call_id in self.open_calls else self.closed_calls.get(call_id, "unknown")

    def close_call(self, call_id: str, later: Outcome) -> Request | None:
        """Take no more responses to a call; those that come `later` count as that."""
        self.closed_calls[call_id] = later
        # On another connection to the same conversation it may have been closed already.
        return self.open_calls.pop(call_id, None)
