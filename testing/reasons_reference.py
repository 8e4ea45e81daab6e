"""docs/reference/reasons.md: each end reason with its exit code, message and entry.

Run as `python -m testing.reasons_reference`, writes it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from controller.core.endings import ending_for
from podline.contract.reasons import EXIT_CODES, Phase, Reason

ENTRIES: Final = Path(__file__).with_name("reason_entries.toml")
PATH: Final = Path(__file__).parent.parent / "docs" / "reference" / "reasons.md"

_BEGINS: Final = """\
# Reasons

<!-- not run on this page: needs a cluster, or calls that have failed -->

<!-- Made by scripts/generate from podline/contract/reasons.py, podline/contract/reason_texts.py and
testing/reason_entries.toml. -->

Every session ends with one `reason`; a `message` for the operator, which says what happened and what to do;
and a `caller_message`, which may be shown to the caller. This page has an entry for each reason. `ask` is the
function from [Operating](../operating.md#before-you-start):

```sh
ask /v1/sessions/SESSION | jq '{reason, message, timeline, turns_unanswered, usage, diagnostics}'
ask /v1/sessions/SESSION/logs | jq -Rr 'fromjson? // {event: .} | [.at, .level, .event] | @tsv'
ask /v1/sessions/SESSION/logs | jq -R 'fromjson? | select(.level == "error" or .level == "warning")'
kubectl -n podline describe job -l podline.dev/reason=REASON
```

The third command shows errors and warnings with all their fields. `diagnostics` is null on one machine; in a
cluster it has the warnings about the bot and the end of its log. Only the Kubernetes runtime reports
`unschedulable`, `image_pull`, `evicted` and `node_lost`.

| Reason | Phase | Bot's exit code | Usual message |
|---|---|---|---|"""

_HEADINGS: Final = {
    Phase.ENDED: "## The call ended as intended",
    Phase.FAILED: "## The call failed",
}


def generated() -> str:
    return "\n".join([_BEGINS, *map(_row, Reason), "", *_entries()])


def _row(reason: Reason) -> str:
    code = EXIT_CODES.get(reason, "")
    return f"| [`{reason}`](#{reason}) | {reason.phase} | {code} | {ending_for(reason).message} |"


def _entries() -> Iterator[str]:
    entries: dict[str, dict[str, str]] = tomllib.loads(ENTRIES.read_text(encoding="utf-8"))
    for phase, heading in _HEADINGS.items():
        yield f"{heading}\n"
        for reason in Reason:
            if reason.phase == phase:
                yield from _entry(reason, entries[reason])


def _entry(reason: Reason, entry: dict[str, str]) -> Iterator[str]:
    yield f"### `{reason}`\n"
    yield f"**The caller reads** {ending_for(reason).caller_message}\n"
    yield f"**Means** {_marked(entry['means'])}\n"
    if "look" in entry:
        yield f"**Look at** {_marked(entry['look'])}\n"
    yield f"**Do** {_marked(entry.get('do', 'Nothing.'))}\n"


def _marked(text: str) -> str:
    """Return the text with names of variables as code."""
    return re.sub(r"(?<![`{$])\b[A-Z]+_[A-Z_]+\b", r"`\g<0>`", text)


if __name__ == "__main__":
    PATH.write_text(generated(), encoding="utf-8")
