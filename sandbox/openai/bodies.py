"""The bodies of requests, read no further than their bounds."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import BodyPartReader, StreamReader, web

from sandbox.openai.refusals import invalid, too_large

MOST_JSON_BYTES: Final = 1024 * 1024
MOST_FILE_BYTES: Final = 25 * 1024 * 1024
"""platform.openai.com/docs/guides/speech-to-text: uploads are limited to 25 MB."""

_MOST_FIELD_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 64
_CHUNK: Final = 64 * 1024

Body = TypeVar("Body")


class Form(msgspec.Struct):
    """What an upload holds.

    Attributes:
        fields: The text fields; of those with one name, all values.
        file: The file's bytes, None if there is none.
    """

    fields: dict[str, list[str]] = msgspec.field(default_factory=dict)
    file: bytes | None = None

    def one(self, name: str) -> str | None:
        """Return a field's last value."""
        values = self.fields.get(name)
        return values[-1] if values else None


async def read_json(request: web.Request, kind: type[Body]) -> Body:
    """Read a JSON body.

    Raises:
        OpenAIRefusedError: It is too large, no JSON, or not what the endpoint takes.
    """
    data = await _read_at_most(request.content, MOST_JSON_BYTES)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _mistake(error) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid("We could not parse the JSON body of your request.") from error


async def read_form(request: web.Request) -> Form:
    """Read an upload.

    Raises:
        OpenAIRefusedError: It is too large, or no form.
    """
    if request.content_type != "multipart/form-data":
        raise invalid(f"Content-Type must be multipart/form-data, and is {request.content_type[:100]}.")
    form = Form()
    try:
        async for index, part in _numbered(await request.multipart()):
            if index == _MOST_FIELDS:
                raise invalid(f"A form has at most {_MOST_FIELDS} fields.")
            if not isinstance(part, BodyPartReader) or not part.name:
                raise invalid("Every part of the form must be a named field.")
            await _take(form, part, part.name.removesuffix("[]"))
    except (ValueError, AssertionError, LookupError) as error:
        raise invalid("We could not parse the form in your request.") from error
    return form


async def _numbered(reader: Any) -> Any:
    index = 0
    while (part := await reader.next()) is not None:
        yield index, part
        index += 1


async def _take(form: Form, part: BodyPartReader, name: str) -> None:
    if name == "file":
        form.file = await _read_part(part, MOST_FILE_BYTES)
    else:
        form.fields.setdefault(name, []).append((await _read_part(part, _MOST_FIELD_BYTES)).decode())


async def _read_part(part: BodyPartReader, most: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(_CHUNK):
        data += chunk
        if len(data) > most:
            raise too_large(most)
    return bytes(data)


async def _read_at_most(stream: StreamReader, most: int) -> bytes:
    data = bytearray()
    async for chunk in stream.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > most:
            raise too_large(most)
        await asyncio.sleep(0)
    return bytes(data)


def _mistake(error: msgspec.ValidationError) -> Exception:
    """Return the refusal for a value of a wrong kind, with its place as OpenAI writes it."""
    sentence, _, place = str(error).partition(" - at `$")
    return invalid(f"Invalid request: {sentence}.", param=place.strip(".`") or None)
