"""Agents' panels: pages of their authors', which our page shows in a frame that can reach nothing of it."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from typing import Final

_SEALED: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-scripts"
)
"""An origin of its own, and no address to load from or send to."""


def as_read_by_browsers(panel: str) -> str:
    """Return a panel with the line ends that a browser makes of it, on which the hashes of scripts depend."""
    return panel.replace("\r\n", "\n").replace("\r", "\n")


def panel_policy(panel: str) -> str:
    """Return the Content-Security-Policy of a panel, which lets the scripts in its HTML run and no others.

    What a bot or a model said can therefore not become a script, even if the panel's author uses it as HTML.
    """
    scripts = _InlineScripts()
    scripts.feed(panel)
    scripts.close()
    hashes = sorted({f"'sha256-{_digest(each)}'" for each in scripts.found})
    if not hashes:
        return f"{_SEALED}; script-src 'none'"
    return f"{_SEALED}; script-src {' '.join(hashes)}"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _InlineScripts(HTMLParser):
    """Collects the text of scripts. One that a browser reads differently has another hash and doesn't run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._is_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_script = tag == "script" and "src" not in dict(attrs)
        if self._is_script:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._is_script = False
