from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.annotation import SMALLEST_TEXT, annotate, draw, marks_of
from cli.legend import describe
from cli.palette import CLASSES, INK, PAPER, STATUSES, YELLOW, colour_of_class, ink_on
from cli.wording import failure_of, findings_of
from tests.unit.cli.conftest import encoded
from tests.unit.cli.plane import ANSWER

SIZES = [(640, 480), (480, 640), (1600, 1200), (4000, 3000)]
GREY = (110, 110, 112)


def box(x_min: float, y_min: float, x_max: float, y_max: float) -> dict[str, float]:
    return {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max}


def answer_with(*found: dict[str, Any]) -> dict[str, Any]:
    return {**ANSWER, "results": {"damage": {"detections": list(found), "counts": {}}}}


def hail(*edges: float) -> dict[str, Any]:
    return {"class": "hail", "confidence": 0.9, "box": box(*edges)}


def pixel(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    found = image.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return found


def count_of(image: Image.Image, colour: tuple[int, int, int]) -> int:
    counts = image.getcolors(image.width * image.height) or []
    return sum(int(number) for number, found in counts if found == colour)


@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_drawn_around_what_it_is_about(size: tuple[int, int]) -> None:
    width, height = size
    edges = (width * 0.3, height * 0.4, width * 0.6, height * 0.7)

    sheet = draw(encoded(size), answer_with(hail(*edges)))

    photo = sheet.crop((0, sheet.height - height, width, sheet.height))
    middle_x, middle_y = width * 0.45, height * 0.55
    for x, y in (
        (edges[0] - 1, middle_y),
        (edges[2] + 1, middle_y),
        (middle_x, edges[1] - 1),
        (middle_x, edges[3] + 1),
    ):
        assert pixel(photo, x, y) == YELLOW
    # What is in the box is left as it was.
    assert pixel(photo, edges[0] + 2, middle_y) == GREY
    assert pixel(photo, middle_x, middle_y) == GREY


@pytest.mark.parametrize("size", SIZES)
def test_labels_at_the_edges_stay_inside_and_grow_with_the_photo(size: tuple[int, int]) -> None:
    width, height = size
    side = width * 0.05
    corners = [
        hail(0, 0, side, side),
        hail(width - side, 0, width, side),
        hail(0, height - side, side, height),
        hail(width - side, height - side, width, height),
    ]
    text = max(SMALLEST_TEXT, round(0.0165 * max(size)))

    empty, full = draw(encoded(size), answer_with()), draw(encoded(size), answer_with(*corners))

    photo = full.crop((0, full.height - height, width, full.height))
    for left, top in ((0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2)):
        quarter = photo.crop((left, top, left + width // 2, top + height // 2))
        # A whole plate is at least as tall as its text and more than three times as wide.
        assert count_of(quarter, YELLOW) > 2 * text * text
    # The same rows above: a box adds nothing to the strip but its count.
    assert full.size == empty.size


def test_boxes_are_in_pixels_of_the_upright_photo() -> None:
    lying = encoded((640, 480), orientation=6)  # shown as 480 x 640

    sheet = draw(lying, answer_with(hail(100, 500, 200, 600)))

    photo = sheet.crop((0, sheet.height - 640, 480, sheet.height))
    assert pixel(photo, 99, 550) == YELLOW
    assert pixel(photo, 150, 550) == GREY


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_kinds_of_photo_become_jpeg(kind: str, tmp_path: Path) -> None:
    picture = tmp_path / "deep" / "x.annotated.jpg"

    annotate(encoded((64, 48), kind=kind), ANSWER, picture)

    with Image.open(picture) as opened:
        assert opened.format == "JPEG"


def test_a_transparent_photo_can_be_drawn_on() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (1, 2, 3, 0)).save(out, format="PNG")

    assert draw(out.getvalue(), ANSWER).mode == "RGB"


def test_what_is_no_photo_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    for wrong in (b"", b"no photo", encoded((64, 48))[:300]):
        with pytest.raises(OSError, match=r"image|Truncated"):
            annotate(wrong, ANSWER, tmp_path / "x.jpg")

    assert list(tmp_path.iterdir()) == []


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)

    with pytest.raises(OSError, match="decompression bomb"):
        draw(encoded((64, 48)), ANSWER)


def test_a_stamp_still_has_room_for_its_strip() -> None:
    sheet = draw(encoded((16, 16)), answer_with())

    assert sheet.width >= 300
    assert pixel(sheet, 8, sheet.height - 8) == GREY


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        "box",
        {"x_min": 1},
        box(math.nan, 0, 1, 1),
        {**box(0, 0, 1, 1), "x_max": "wide"},
    ],
)
def test_what_is_no_box_is_left_out(wrong: object) -> None:
    assert marks_of(answer_with({"class": "hail", "box": wrong}), (640, 480)) == []


def test_boxes_are_cut_to_the_photo_and_turned_the_right_way_round() -> None:
    answer = answer_with(hail(-50, -50, 1e9, 20), hail(200, 220, 100, 120))

    edges = [
        (mark.box.left, mark.box.top, mark.box.right, mark.box.bottom)
        for mark in marks_of(answer, (640, 480))
    ]

    assert edges == [(0, 0, 640, 20), (100, 120, 200, 220)]


def test_a_box_of_no_size_can_be_drawn() -> None:
    draw(encoded((64, 48)), answer_with(hail(10, 10, 10, 10), hail(64, 48, 64, 48)))


def test_a_label_says_class_brand_and_confidence_and_then_less() -> None:
    item = {"class": "shingle", "brand": "ridgeline", "confidence": 0.876, "box": box(0, 0, 9, 9)}
    bare = {"class": "missing_shingle", "box": box(0, 0, 9, 9)}

    full, poor = marks_of({"results": {"materials": {"items": [item, bare]}}}, (64, 64))

    assert full.wordings() == ["shingle ridgeline 0.88", "ridgeline 0.88", "0.88"]
    assert poor.wordings() == ["missing shingle"]


def test_the_strip_says_status_counts_volume_releases_and_failures() -> None:
    answer = {
        **ANSWER,
        "status": "partial",
        "results": {
            **ANSWER["results"],
            "materials": {
                "items": [
                    {"class": "shingle", "brand": "ridgeline"},
                    {"class": "shingle", "brand": "northgate"},
                    {"class": "shingle", "brand": "ridgeline"},
                    {"class": "plywood", "brand": None},
                ]
            },
        },
        "errors": {"colour": {"code": "backend_fault", "message": "it broke " * 100}},
    }

    rows = describe(answer)
    said = [" ".join(piece.text for piece in row) for row in rows]

    assert said[0] == "PARTIAL Tidegate 42 ms"
    assert said[1] == "damage v1.0.0 1 hail"
    assert said[2] == "volume v1.0.0 4.12 m (confidence 0.87)"
    assert [piece.raised for piece in rows[2] if piece.raised] == ["3"]
    assert said[3] == "materials 1 plywood 3 shingle (1 northgate, 2 ridgeline)"
    assert said[4].startswith("colour FAILED it broke it broke")
    assert len(said[4]) < 400
    assert rows[0][0].plate == STATUSES["partial"]


def test_a_failed_engine_is_drawn_and_a_long_message_wraps() -> None:
    failed = {
        "status": "failed",
        "errors": {"damage": {"code": "backend_unavailable", "message": "no instance " * 20}},
    }

    sheet, plain = draw(encoded((640, 480)), failed), draw(encoded((640, 480)), {})

    assert count_of(sheet, STATUSES["failed"]) > 500
    assert sheet.height > plain.height + 4 * SMALLEST_TEXT


def test_a_thousand_boxes_are_enough() -> None:
    assert len(marks_of(answer_with(*[hail(1, 1, 2, 2)] * 1500), (64, 48))) == 1000


def test_classes_have_colours_of_their_own_and_readable_labels() -> None:
    assert len(set(CLASSES.values())) == len(CLASSES)
    assert colour_of_class("never seen") == colour_of_class("never seen")
    assert ink_on((255, 255, 255)) == INK
    assert ink_on((0, 0, 60)) == PAPER


@pytest.mark.parametrize(
    ("engine", "findings", "said"),
    [
        ("damage", {"detections": [], "counts": {"hail": 0}}, "nothing found"),
        ("damage", {"detections": [{"class": "hail"}]}, "1 hail"),
        ("damage", {"detections": [], "counts": {"missing_shingle": 2}}, "2 missing shingle"),
        (
            "materials",
            {"items": [{"class": "shingle", "brand": "r"}] * 2, "counts": {"shingle": 2}},
            "2 shingle (2 r)",
        ),
        ("volume", {"volume_m3": None}, "no volume"),
        ("volume", {"volume_m3": 2}, "2.00 m³"),
        ("other", {"SCORE": 0.5, "NAMES": ["a"]}, "SCORE 0.5"),
        ("other", {}, "answered"),
    ],
)
def test_findings_in_words(engine: str, findings: dict[str, Any], said: str) -> None:
    assert findings_of(engine, findings) == said


def test_failures_in_words() -> None:
    assert failure_of({"code": "x", "message": "it broke"}) == "it broke (x)"
    assert failure_of({}) == "failed"
