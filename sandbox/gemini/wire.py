"""The messages of a client of the Gemini Live protocol, read from JSON, and the close codes.

Source of the fields: ai.google.dev/api/live, and what google-genai 2.34 sends.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final, cast

import msgspec

WRONG_ARGUMENT: Final = 1007
"""WebSocket close code for what Google calls INVALID_ARGUMENT."""

REFUSED: Final = 1008
"""WebSocket close code for what Google calls a failed precondition or an unknown model."""

_GOES_ON_FROM: Final = (3, 8)

_FREE_FORM: Final = frozenset({"properties", "args", "response"})
"""Objects with the user's own names as keys."""


class ProtocolError(Exception):
    """What the client sent ends the connection, with a close code and a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class _Message(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Google refuses field names it does not know, and so do we."""


class ContentPart(_Message, frozen=True):
    text: str | None = None
    inline_data: Blob | None = None
    thought: bool = False
    function_call: dict[str, Any] | None = None
    function_response: dict[str, Any] | None = None


class Content(_Message, frozen=True):
    parts: list[ContentPart] = []
    role: str | None = None

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts if part.text)


class Blob(_Message, frozen=True):
    """Bytes, as URL-safe base64 from the SDK or plain base64 from others."""

    data: str
    mime_type: str
    display_name: str | None = None

    def decoded(self) -> bytes:
        try:
            return base64.b64decode(self.data.replace("-", "+").replace("_", "/"), validate=True)
        except binascii.Error as error:
            raise ProtocolError(WRONG_ARGUMENT, "Base64 decoding failed for inline data.") from error


class ActivityDetection(_Message, frozen=True):
    disabled: bool = False
    start_of_speech_sensitivity: str | None = None
    end_of_speech_sensitivity: str | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class RealtimeInputConfig(_Message, frozen=True):
    automatic_activity_detection: ActivityDetection = ActivityDetection()
    activity_handling: str | None = None
    turn_coverage: str | None = None


class GenerationConfig(_Message, frozen=True):
    response_modalities: tuple[str, ...] = ("AUDIO",)
    temperature: float | None = None
    top_k: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    candidate_count: int | None = None
    speech_config: dict[str, Any] | None = None
    media_resolution: str | None = None
    thinking_config: dict[str, Any] | None = None
    enable_affective_dialog: bool | None = None


class FunctionDeclaration(_Message, frozen=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    behavior: str | None = None

    def blocks(self, model: str) -> bool:
        """Return whether a model says nothing until the function's result has come.

        Models before 3.8 wait unless the declaration says NON_BLOCKING, later ones only if it says BLOCKING:
        ai.google.dev/gemini-api/docs/live-api/tools.
        """
        if self.behavior in ("BLOCKING", "NON_BLOCKING"):
            return self.behavior == "BLOCKING"
        version = re.search(r"gemini-(\d+)\.(\d+)", model)
        return version is None or (int(version[1]), int(version[2])) < _GOES_ON_FROM

    @property
    def parameter_names(self) -> frozenset[str]:
        schema = self.parameters or self.parameters_json_schema or {}
        return frozenset(schema.get("properties") or {})


class Tool(_Message, frozen=True):
    function_declarations: list[FunctionDeclaration] = []
    google_search: dict[str, Any] | None = None
    google_search_retrieval: dict[str, Any] | None = None
    code_execution: dict[str, Any] | None = None
    url_context: dict[str, Any] | None = None


class SessionResumption(_Message, frozen=True):
    handle: str | None = None
    transparent: bool | None = None


class SlidingWindow(_Message, frozen=True):
    target_tokens: int | str | None = None


class ContextWindowCompression(_Message, frozen=True):
    """What lets a session outlast its context window. Numbers of 64 bits are strings in Google's JSON."""

    trigger_tokens: int | str | None = None
    sliding_window: SlidingWindow | None = None


class HistoryConfig(_Message, frozen=True):
    """Whether the first contents are what was said before, until one completes its turn."""

    initial_history_in_client_content: bool = False


class Setup(_Message, frozen=True):
    model: str
    generation_config: GenerationConfig = GenerationConfig()
    system_instruction: Content | None = None
    tools: list[Tool] = []
    realtime_input_config: RealtimeInputConfig = RealtimeInputConfig()
    session_resumption: SessionResumption | None = None
    context_window_compression: ContextWindowCompression | None = None
    input_audio_transcription: dict[str, Any] | None = None
    output_audio_transcription: dict[str, Any] | None = None
    proactivity: dict[str, Any] | None = None
    history_config: HistoryConfig = HistoryConfig()
    explicit_vad_signal: bool | None = None
    safety_settings: list[dict[str, Any]] | None = None

    @property
    def instruction(self) -> str:
        return "" if self.system_instruction is None else self.system_instruction.text

    @property
    def handle(self) -> str | None:
        """What the client wants to resume."""
        return self.session_resumption.handle if self.session_resumption else None

    @property
    def functions(self) -> dict[str, FunctionDeclaration]:
        return {function.name: function for tool in self.tools for function in tool.function_declarations}


class ClientContent(_Message, frozen=True):
    turns: list[Content] = []
    turn_complete: bool = False


class RealtimeInput(_Message, frozen=True):
    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    media_chunks: list[Blob] = []
    activity_start: dict[str, Any] | None = None
    activity_end: dict[str, Any] | None = None
    audio_stream_end: bool = False


class FunctionResponse(_Message, frozen=True):
    id: str = ""
    response: dict[str, Any] = {}
    name: str | None = None
    will_continue: bool | None = None
    scheduling: str | None = None
    parts: list[Any] = []


class ToolResponse(_Message, frozen=True):
    function_responses: list[FunctionResponse] = []


class ClientMessage(_Message, frozen=True):
    """One message from the client: exactly one field is there."""

    setup: Setup | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None


def read_message(data: str | bytes) -> ClientMessage:
    """Read one message from the client.

    Raises:
        ProtocolError: It is no JSON, has fields Google does not know, or values of the wrong type.
    """
    try:
        return msgspec.convert(_camel_cased(msgspec.json.decode(data)), ClientMessage)
    except msgspec.MsgspecError as error:
        raise ProtocolError(WRONG_ARGUMENT, f"Invalid JSON payload received. {error}") from error


def _camel_cased(value: Any) -> Any:
    """Name fields as the protocol does. Clients may send snake case as well, and the SDK mixes both."""
    if isinstance(value, list):
        return [_camel_cased(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        (name := _camel(key)): (
            _schemas_camel_cased(item)
            if name == "properties"
            else item
            if name in _FREE_FORM
            else _camel_cased(item)
        )
        for key, item in cast("dict[str, Any]", value).items()
    }


def _schemas_camel_cased(properties: Any) -> Any:
    """Keep the names of a schema's properties, and name the fields of each property's schema."""
    if not isinstance(properties, dict):
        return properties
    return {name: _camel_cased(schema) for name, schema in properties.items()}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
