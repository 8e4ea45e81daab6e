"""The pictures in the docs are those that the tests take, all shown, and light enough for a README."""

from testing.pictures.captions import FOLDER, NAMES, README, readme

MOST_BYTES = 1_500_000


def test_each_picture_has_a_caption_and_is_shown() -> None:
    pictures = {path.stem for path in FOLDER.glob("*.png")}
    assert pictures == NAMES, "run scripts/pictures, and delete pictures that no test takes"
    assert README.read_text() == readme(), "run scripts/pictures"


def test_the_pictures_weigh_little() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.png")) < MOST_BYTES
