"""A request for a chat completion: its messages and tools, within their bounds.

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from sandbox.openai.refusals import invalid

_NAME: Final = r"^[a-zA-Z0-9_-]{1,64}$"
MOST_MESSAGES: Final = 2048
MOST_TOOLS: Final = 128
_MOST_PARTS: Final = 256
_MOST_CALLS: Final = 128

Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class ChatPart(msgspec.Struct):
    """A part of a message; only text is understood."""

    type: str
    text: str = ""


class CalledFunction(msgspec.Struct):
    """A tool's name, and its arguments as JSON."""

    name: str
    arguments: str


class MadeCall(msgspec.Struct):
    """A tool call in the history."""

    id: Id
    function: CalledFunction


class ChatMessage(msgspec.Struct):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[ChatPart], msgspec.Meta(max_length=_MOST_PARTS)] | None = None
    tool_calls: Annotated[list[MadeCall], msgspec.Meta(max_length=_MOST_CALLS)] | None = None
    tool_call_id: Id | None = None

    @property
    def text(self) -> str:
        """The words in it."""
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class ToolFunction(msgspec.Struct):
    """A function that the application declares."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None

    @property
    def parameter_names(self) -> set[str]:
        """The names of its parameters."""
        properties = (self.parameters or {}).get("properties")
        return set(properties) if isinstance(properties, dict) else set()


class ChatTool(msgspec.Struct):
    """A tool that the application declares."""

    type: Literal["function"]
    function: ToolFunction


class StreamOptions(msgspec.Struct):
    """What a stream holds beside the answer."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct):
    """What is asked for. Fields that change nothing here are not read."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1, max_length=MOST_MESSAGES)]
    tools: Annotated[list[ChatTool], msgspec.Meta(max_length=MOST_TOOLS)] | None = None
    tool_choice: Any = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    @property
    def instruction(self) -> str:
        """What the application says in its own name."""
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))

    @property
    def declared(self) -> dict[str, ToolFunction]:
        """The tools that may be called, by name."""
        if self.tool_choice == "none":
            return {}
        return {tool.function.name: tool.function for tool in self.tools or []}

    @property
    def includes_usage(self) -> bool:
        """Whether the stream is to end with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


def check_messages(messages: list[ChatMessage]) -> None:
    """Check that every tool call has a result, and every result a call.

    Raises:
        OpenAIRefusedError: One has none.
    """
    waiting: set[str] = set()
    called: set[str] = set()
    for index, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in called:
                raise invalid(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            waiting.discard(message.tool_call_id or "")
            continue
        _refuse_if_waiting(waiting, index)
        called = {call.id for call in message.tool_calls or []}
        waiting = set(called)
    _refuse_if_waiting(waiting, len(messages))


def _refuse_if_waiting(waiting: set[str], index: int) -> None:
    if waiting:
        raise invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(sorted(waiting))}",
            param=f"messages.[{index}].role",
        )
