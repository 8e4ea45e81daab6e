"""Pages of documentation: their code blocks, links, headings and length, as GitHub renders them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]

_NOT_RUN: Final = re.compile(r"<!--\s*not run: (.+?)\s*-->", re.DOTALL)
_NOT_RUN_HERE: Final = re.compile(r"<!--\s*not run on this page: (.+?)\s*-->", re.DOTALL)
_SAVED_AS: Final = re.compile(r"\bas `([^`]+)`:$")


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        line: The line of its opening fence, from 1.
        reason: Why the test doesn't run it, as a comment before the block or at the page's top says.
        saved_as: The file that the sentence before it ("Save this as `PATH`:") has the reader write.
        answers: True if the block shows the output of the shell block before it.
    """

    line: int
    language: str
    text: str
    reason: str | None
    saved_as: str | None
    answers: bool


@dataclass(frozen=True)
class Document:
    """A Markdown file of this repository."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return MarkdownIt("gfm-like", {"linkify": False}).parse(self.text)

    @cached_property
    def anchors(self) -> set[str]:
        """What a link to a part of this page may name after the `#`."""
        found: list[str] = re.findall(r'<a (?:id|name)="([^"]+)"', self.text)
        for heading in self._headings():
            anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            repeated = sum(1 for other in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other))
            found.append(f"{anchor}-{repeated}" if repeated else anchor)
        return set(found)

    @cached_property
    def links(self) -> list[str]:
        """Targets of links and pictures."""
        inlines = (child for token in self.tokens for child in token.children or ())
        targets = [inline.attrGet("href") or inline.attrGet("src") for inline in inlines]
        written = re.findall(r'<(?:img|a|source)\b[^>]*\b(?:src|href|srcset)="([^"]+)"', self.text)
        return [str(target) for target in targets if target] + written

    @cached_property
    def words(self) -> int:
        """The length for a reader: without code, comments, and the tables that benches put in."""
        measured = r"^<!-- bench .*?<!-- end -->$"
        prose = re.sub(rf"{measured}|^```.*?^```$|<!--.*?-->", "", self.text, flags=re.DOTALL | re.MULTILINE)
        return len(re.findall(r"\w[\w'-]*", prose))

    @cached_property
    def blocks(self) -> list[Block]:
        return list(self._blocks())

    def _headings(self) -> Iterator[str]:
        for token, following in zip(self.tokens, self.tokens[1:], strict=False):
            if token.type == "heading_open":
                yield "".join(child.content for child in following.children or ())

    def _blocks(self) -> Iterator[Block]:
        comments = "".join(token.content for token in self.tokens if token.type == "html_block")
        on_this_page = _NOT_RUN_HERE.search(comments)
        reason = saved_as = None
        after_shell = False
        for token in self.tokens:
            if token.type == "heading_open":
                after_shell = False
            elif token.type == "html_block":
                comment = _NOT_RUN.search(token.content)
                reason = comment[1] if comment else None
            elif token.type == "inline":
                after_shell = False
                reason, sentence = None, _SAVED_AS.search(token.content)
                saved_as = sentence[1] if sentence else None
            elif token.type == "fence":
                language = token.info.split()[0] if token.info.strip() else ""
                if reason is None and on_this_page:
                    reason = on_this_page[1]
                answers = after_shell and saved_as is None and language in {"json", "text"}
                begins = token.map[0] + 1 if token.map else 0
                yield Block(begins, language, token.content, reason, saved_as, answers)
                after_shell = language == "sh"
                reason = saved_as = None


@cache
def page_at(path: Path) -> Document:
    return Document(path)


@cache
def all_pages() -> list[Document]:
    """Every page of the repository, so that a page is checked as soon as it is there."""
    found: list[Document] = []
    for directory, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name != "node_modules" and not name.startswith("."))
        found += [page_at(Path(directory, name)) for name in sorted(files) if name.endswith(".md")]
    return found
