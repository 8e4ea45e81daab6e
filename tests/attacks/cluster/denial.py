"""What the rules of production deny, and the account's Role alone would not."""

from __future__ import annotations

from typing import Any

from testing.cluster.admission import Account


async def assert_denied_by_rules(
    guarded: Account, unguarded: Account, manifest: dict[str, Any], said: str
) -> None:
    """Create it twice: where the rules are in force it is denied with these words, elsewhere it is taken."""
    without_rules, denied = [
        await account.attempt(
            "POST", account.jobs if manifest["kind"] == "Job" else account.secrets, manifest
        )
        for account in (unguarded, guarded)
    ]

    assert without_rules.status_code == 201, without_rules.text
    assert denied.status_code == 422
    assert "denied request: " in denied.json()["message"]
    assert said in denied.json()["message"].partition("denied request: ")[2]
