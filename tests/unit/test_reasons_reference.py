"""docs/reference/reasons.md is as generated, and has an entry for each reason and no other."""

from __future__ import annotations

import tomllib

from podline.contract.reasons import Phase, Reason
from testing.reasons_reference import ENTRIES, PATH, generated


def test_the_document_is_as_generated() -> None:
    assert PATH.read_text(encoding="utf-8") == generated(), "run scripts/generate"


def test_each_reason_has_an_entry_and_a_failure_has_something_to_do() -> None:
    entries = tomllib.loads(ENTRIES.read_text(encoding="utf-8"))

    assert set(entries) == set(Reason)
    assert [reason for reason in Reason if reason.phase == Phase.FAILED and "do" not in entries[reason]] == []
