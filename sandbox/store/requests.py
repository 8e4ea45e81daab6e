"""The bodies the store takes, and their checks."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from sandbox.store.database import SavedTurn

_Words = Annotated[str, msgspec.Meta(max_length=500)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_RFC_3339: Final = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"


class SearchProducts(msgspec.Struct, frozen=True, rename="camel"):
    query: _Words
    category: _Words | None = None
    price_range: _Words | None = None


class ChangeList(msgspec.Struct, frozen=True, rename="camel"):
    """A save or a removal. A number that comes as 2.0 is 2; msgspec refuses other floats, and booleans."""

    user_id: _Id
    product_number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class SpokenTurn(msgspec.Struct, frozen=True):
    index: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    role: Literal["user", "assistant"]
    text: Annotated[str, msgspec.Meta(max_length=100_000)]
    at: Annotated[str, msgspec.Meta(pattern=_RFC_3339)]


class SaveTranscript(msgspec.Struct, frozen=True, rename="camel"):
    session_id: _Id
    user_id: _Id
    turns: Annotated[list[SpokenTurn], msgspec.Meta(max_length=1000)]

    def stored(self) -> list[SavedTurn]:
        return [
            SavedTurn(self.session_id, self.user_id, turn.index, turn.role, turn.text, turn.at)
            for turn in self.turns
        ]


Body = TypeVar("Body", SearchProducts, ChangeList, SaveTranscript)


class BodyError(Exception):
    """A body is not what it should be; the sentence says why."""


def read_body(data: bytes, kind: type[Body]) -> Body:
    """Read and check a body.

    Raises:
        BodyError: It is no JSON, or lacks a field, or has a value of another kind.
    """
    try:
        return msgspec.convert(_with_whole_numbers(msgspec.json.decode(data)), kind)
    except msgspec.MsgspecError as error:
        raise BodyError(str(error)) from error


def _with_whole_numbers(body: Any) -> Any:
    """Write a product number of 2.0 as 2: models and JavaScript make no difference."""
    if isinstance(body, dict):
        number = body.get("productNumber")
        if isinstance(number, float) and number.is_integer():
            return {**body, "productNumber": int(number)}
    return body
