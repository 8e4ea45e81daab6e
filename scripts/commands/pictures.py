"""scripts/pictures: take the pictures in docs/pictures from the running pages."""

from __future__ import annotations

import sys
from typing import Final

from podline_cli.errors import CommandError
from podline_cli.steps import step
from scripts.commands.console import run_command
from scripts.commands.programs import ROOT, run_program
from testing.callers.browser import find_chromium
from testing.pictures.captions import FOLDER, NAMES, README, readme

_TESTS: Final = ("test_browser.py", "test_page_faults.py", "test_nextjs_faults.py")


def take_pictures() -> None:
    """Run the tests of the pages' states with an album, and write the pictures' README.

    Raises:
        CommandError: There is no browser, a test failed, or a picture was not taken.
    """
    if find_chromium() is None:
        raise CommandError("Pictures need Chromium: install it, or run `playwright install chromium`.")
    tests = [ROOT / "tests" / "local" / name for name in _TESTS]
    FOLDER.mkdir(exist_ok=True)
    with step("Visiting the pages in each of their states"):
        run_program(
            [sys.executable, "-m", "tests", "-q", *tests, "--pictures", FOLDER],
            "A test did not find a page in the state that it expects; its output is above.",
        )
    README.write_text(readme())
    taken = {path.stem for path in FOLDER.glob("*.png")}
    if taken != NAMES:
        raise CommandError(
            f"Pictures and captions differ: {', '.join(sorted(taken ^ NAMES))}. "
            "Correct testing/pictures/captions.py, or delete pictures that nothing takes."
        )


if __name__ == "__main__":
    run_command(take_pictures)
