"""What a bot that waits has imported for its call."""

from __future__ import annotations

import subprocess
import sys

from podline.runner.early_imports import PUT_OFF

PROGRAM = """
import sys, {library}
before = "{module}" in sys.modules
from podline.runner.early_imports import import_what_was_put_off
import_what_was_put_off()
print(before, "{module}" in sys.modules)
"""


def said(program: str) -> str:
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_libraries_put_off_is_imported_before_the_call() -> None:
    for library, module in PUT_OFF.items():
        assert said(PROGRAM.format(library=library, module=module)) == "False True", library


def test_nothing_is_imported_for_a_library_that_the_bot_has_not_loaded() -> None:
    for module in PUT_OFF.values():
        assert said(PROGRAM.format(library="json", module=module)) == "False False", module
