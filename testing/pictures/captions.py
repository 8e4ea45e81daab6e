"""What each picture of docs/pictures shows, in the order of its README.

Run as `python -m testing.pictures.captions`, writes that README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
README: Final = FOLDER / "README.md"

CAPTIONS: Final = {
    "A call": {
        "idle": "Before the call. What one can say becomes buttons in the call.",
        "connecting": "The bot is being started. The keyboard's focus is in the conversation.",
        "call": "A product is saved: the agent's own panel shows it, and offers only what can be done.",
        "not-understood": "A turn that was not understood stays. Beside it are the tools that were called.",
        "ended": "After hanging up, with the record's figures.",
    },
    "A phone": {
        "idle-phone": "Before the call.",
        "no-microphone-phone": "The microphone is refused: the caller can type.",
        "call-phone": "Results are in sight without scrolling.",
    },
    "Dark": {
        "idle-dark": "Before the call.",
        "call-dark": "In the call.",
    },
    "Errors": {
        "error-bad-key": "The model refuses the bot's key; the details are open.",
        "error-controller-gone": "The controller was killed during the call.",
        "error-full": "All the capacity is in use.",
        "error-other-site": "The page has an address that the controller does not know as its own.",
        "error-no-network": "The caller's device lost its network.",
    },
    "Endings": {
        "endings": "What a caller reads at the end of a call, for each reason on record.",
    },
    "The example web app": {
        "shop-call": "In the call.",
        "shop-controller-gone": "The controller was killed during the call.",
        "shop-other-site": "The controller does not let this site's pages call it.",
    },
}

NAMES: Final = frozenset(name for section in CAPTIONS.values() for name in section)


def readme() -> str:
    """Return the README of the pictures that there are."""
    parts = [
        "# Pictures of the pages",
        "",
        "<!-- Made by scripts/pictures from testing/pictures/captions.py. -->",
        "",
        "`scripts/pictures` takes these from the running pages: it runs the tests of these states.",
    ]
    for title, section in CAPTIONS.items():
        parts += ["", f"## {title}"]
        for name, caption in section.items():
            if (FOLDER / f"{name}.png").exists():
                parts += ["", caption, "", f"![{caption}]({name}.png)"]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    README.write_text(readme())
