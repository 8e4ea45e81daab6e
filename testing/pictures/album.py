"""Pictures of a page, taken while a test looks at it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from playwright.async_api import Page

from testing.pictures.captions import NAMES


class Viewport(NamedTuple):
    """The size of a screen in CSS pixels."""

    width: int
    height: int


DESKTOP: Final = Viewport(1200, 760)
PHONE: Final = Viewport(390, 844)

_COLOURS: Final = 96
"""Enough for a page of flat colours, and a third of the bytes."""


class Album:
    """A folder for pictures, each named after the state that it shows; without a folder none is taken.

    A test of a call can't wait for pictures that nobody wants.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    async def take(self, page: Page, name: str, screen: Viewport = DESKTOP, *, dark: bool = False) -> None:
        """Take a picture of the page on a screen of this size."""
        await self._keep(page, name, screen, dark=dark, full_page=False)

    async def take_all(self, page: Page, name: str) -> None:
        """Take a picture of the whole page, however long it is."""
        await self._keep(page, name, DESKTOP, dark=False, full_page=True)

    async def _keep(self, page: Page, name: str, screen: Viewport, *, dark: bool, full_page: bool) -> None:
        assert name in NAMES, f"{name} needs a caption in testing/pictures/captions.py"
        if self._folder is None:
            return
        before = page.viewport_size
        await page.set_viewport_size({"width": screen.width, "height": screen.height})
        await page.emulate_media(color_scheme="dark" if dark else "light")
        picture = await page.screenshot(animations="disabled", caret="hide", full_page=full_page)
        _reduced(picture).save(self._folder / f"{name}.png", optimize=True)
        if before is not None:
            await page.set_viewport_size(before)


def _reduced(picture: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
