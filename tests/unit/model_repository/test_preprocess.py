from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from control_plane.adapters.photo_heads import MAX_JPEG_SCANS
from control_plane.core.catalogue import PHOTO_FAULT
from tests.unit.model_repository.conftest import InferenceRequest, TritonError

GREY = 114
Model = Callable[..., Any]


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def halves(width: int, height: int, left: Any = "red", right: Any = "blue") -> Image.Image:
    image = Image.new("RGB", (width, height), left)
    image.paste(Image.new("RGB", (width - width // 2, height), right), (width // 2, 0))
    return image


def oriented(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, quality=95, exif=exif)


def request(*photos: bytes, outputs: tuple[str, ...] = ("PIXELS_512", "GEOMETRY")) -> Any:
    column = np.array([[photo] for photo in photos], dtype=np.object_)
    return InferenceRequest({"IMAGE": column}, list(outputs))


def run(model: Any, *photos: bytes, outputs: tuple[str, ...] = ("PIXELS_512", "GEOMETRY")) -> Any:
    (response,) = model.execute([request(*photos, outputs=outputs)])
    return response.arrays()


def refusal(model: Any, photo: bytes) -> str:
    with pytest.raises(TritonError) as caught:
        run(model, photo)
    assert caught.value.code() == TritonError.INVALID_ARG
    assert caught.value.message().startswith(PHOTO_FAULT)
    return caught.value.message()


def test_a_photo_fills_the_square_from_the_top_left(model: Model) -> None:
    arrays = run(model("preprocess"), encoded(halves(1280, 960), quality=95))
    (square,) = arrays["PIXELS_512"]
    assert square.shape == (512, 512, 3)
    assert square.dtype == np.uint8
    assert arrays["GEOMETRY"].tolist() == [[1280.0, 960.0]]
    assert np.abs(square[192, 100].astype(int) - (254, 0, 0)).max() < 8
    assert np.abs(square[192, 400].astype(int) - (0, 0, 254)).max() < 8
    assert (square[384:] == GREY).all()
    assert not (square[:384] == GREY).all(axis=-1).any()


def test_only_the_outputs_asked_for_are_made(model: Model) -> None:
    arrays = run(model("preprocess"), encoded(halves(300, 200)), outputs=("PIXELS_256",))
    assert list(arrays) == ["PIXELS_256"]
    assert arrays["PIXELS_256"].shape == (1, 256, 256, 3)


def test_several_squares_of_one_photo_show_the_same(model: Model) -> None:
    names = ("PIXELS_512", "PIXELS_384", "PIXELS_256", "GEOMETRY")
    arrays = run(model("preprocess"), encoded(halves(640, 640)), outputs=names)
    assert list(arrays) == list(names)
    for name in names[:3]:
        side = arrays[name].shape[1]
        assert arrays[name][0, side // 2, side // 4, 0] > 245


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_photo_upright(model: Model, orientation: int) -> None:
    """The stored pixels are turned so that the upright photo is red on the left."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = halves(800, 400)
    upright.paste(Image.new("RGB", (800, 200), "lime"), (0, 200))
    stored = upright if undo is None else upright.transpose(undo)
    arrays = run(model("preprocess"), oriented(stored, orientation))
    (square,) = arrays["PIXELS_512"]
    assert arrays["GEOMETRY"].tolist() == [[800.0, 400.0]]
    assert square[64, 64, 0] > 200
    assert square[64, 64, 1] < 60
    assert square[64, 448, 2] > 200
    assert square[192, 256, 1] > 200
    assert (square[257:] == GREY).all()


def test_unreadable_exif_is_no_reason_to_refuse(model: Model) -> None:
    photo = oriented(halves(64, 32), 6).replace(b"Exif\0\0MM", b"Exif\0\0XX")
    assert run(model("preprocess"), photo)["GEOMETRY"].tolist() == [[64.0, 32.0]]


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "1", "LA", "I;16"])
def test_every_mode_becomes_rgb(model: Model, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 30), 200 * 256 + 77, dtype=np.uint16))
    else:
        grey = Image.new("RGB", (30, 20), (200, 200, 200))
        image = grey.quantize() if mode == "P" else grey.convert(mode)
        if mode == "1":
            image = Image.new("1", (30, 20), 1)
    form = "JPEG" if mode == "CMYK" else "PNG"
    (square,) = run(model("preprocess"), encoded(image, form))["PIXELS_512"]
    wanted = 255 if mode == "1" else 200
    assert np.abs(square[:300].astype(int) - wanted).max() <= 4


def test_what_is_transparent_is_laid_on_white(model: Model) -> None:
    photo = encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), "PNG")
    assert (run(model("preprocess"), photo)["PIXELS_512"] == 255).all()


def test_a_palette_with_transparency(model: Model) -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 10, 200, 10])
    photo = encoded(image, "PNG", transparency=0)
    assert run(model("preprocess"), photo)["PIXELS_512"][0, 5, 5].tolist() == [10, 200, 10]


def test_of_an_animated_image_the_first_frame(model: Model) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    photo = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert run(model("preprocess"), photo)["PIXELS_512"][0, 9, 9].tolist() == [255, 0, 0]


def test_a_photo_of_one_row_is_a_photo(model: Model) -> None:
    arrays = run(model("preprocess"), encoded(Image.new("RGB", (4000, 1), "red"), "PNG"))
    assert arrays["PIXELS_512"][0, 0, 0, 0] == 255
    assert (arrays["PIXELS_512"][0, 1:] == GREY).all()


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (b"", "IMAGE: the photo is empty (0 bytes)"),
        (b"no photo", "IMAGE: not a JPEG, PNG or WebP image"),
        (encoded(halves(9, 9), "GIF"), "IMAGE: not a JPEG, PNG or WebP image"),
        (encoded(halves(9, 9), "TIFF"), "IMAGE: not a JPEG, PNG or WebP image"),
        (encoded(halves(900, 900))[:3000], "IMAGE: the JPEG image is truncated or corrupt"),
        (
            encoded(Image.effect_noise((90, 90), 60), "PNG")[:3000],
            "IMAGE: the PNG image is truncated or corrupt",
        ),
    ],
)
def test_what_is_no_photo_is_refused_by_name(model: Model, photo: bytes, message: str) -> None:
    assert refusal(model("preprocess"), photo) == message


def test_the_byte_limit(model: Model) -> None:
    limited = model("preprocess", max_bytes="100")
    photo = encoded(halves(64, 64))
    assert refusal(limited, photo) == (f"IMAGE: {len(photo)} bytes, above the limit of 100 bytes")


def test_the_pixel_limit_is_read_from_the_head_before_anything_is_decoded(model: Model) -> None:
    bomb = encoded(Image.new("L", (20_000, 20_000)), "PNG")
    assert len(bomb) < 500_000
    assert refusal(model("preprocess"), bomb) == (
        "IMAGE: 20000x20000 = 400000000 pixels, above the limit of 25000000 pixels for a PNG"
    )


def test_what_cannot_be_decoded_small_has_a_limit_of_its_own(model: Model) -> None:
    limited = model("preprocess", max_full_pixels="5000")
    assert refusal(limited, encoded(halves(80, 64), "PNG")) == (
        "IMAGE: 80x64 = 5120 pixels, above the limit of 5000 pixels for a PNG"
    )
    assert "for a WEBP" in refusal(limited, encoded(halves(80, 64), "WEBP"))
    run(limited, encoded(halves(80, 64)))


def repeated_scans(scans: int) -> bytes:
    photo = encoded(Image.new("RGB", (640, 640), "grey"), progressive=True)
    last = photo.rindex(b"\xff\xda")
    return photo[:last] + photo[last:-2] * (scans - photo.count(b"\xff\xda") + 1) + photo[-2:]


def test_the_scans_of_a_jpeg_are_bounded_as_they_are_at_the_edge(model: Model) -> None:
    preprocess = model("preprocess")
    run(preprocess, repeated_scans(MAX_JPEG_SCANS))
    assert refusal(preprocess, repeated_scans(MAX_JPEG_SCANS + 1)) == (
        f"IMAGE: more scans than the limit of {MAX_JPEG_SCANS} scans in a JPEG"
    )
    film_behind = encoded(halves(64, 64)) + b"\xff\xda\x00\x08" * 500
    run(preprocess, film_behind)


def test_sixteen_bits_of_depth_take_no_wide_copy(model: Model) -> None:
    photo = encoded(Image.fromarray(np.full((2000, 2000), 51_400, np.uint16)), "PNG")
    preprocess = model("preprocess")
    tracemalloc.start()
    try:
        arrays = run(preprocess, photo)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (arrays["PIXELS_512"] == 200).all()
    assert most < 2000 * 2000 * 2 * 4  # two bytes a pixel, and fewer than four such frames


def test_a_bad_photo_costs_its_own_request_only(model: Model) -> None:
    good = encoded(halves(64, 64))
    first, second, third = model("preprocess").execute(
        [request(good), request(good, b"no photo"), request(good, good)]
    )
    assert first.arrays()["PIXELS_512"].shape == (1, 512, 512, 3)
    assert second.error().message() == "IMAGE: not a JPEG, PNG or WebP image"
    assert third.arrays()["PIXELS_512"].shape == (2, 512, 512, 3)
    assert third.arrays()["GEOMETRY"].tolist() == [[64.0, 64.0]] * 2


def test_a_configuration_that_contradicts_itself_fails_to_load(
    load: Callable[..., Any],
) -> None:
    from tests.unit.model_repository.conftest import REPOSITORY, arguments, config_of

    config = config_of("preprocess")
    config.output[0].dims[0] = 500
    instance = load(REPOSITORY / "preprocess/1/model.py").TritonPythonModel()
    with pytest.raises(ValueError, match=r"PIXELS_512 must have dims \[512, 512, 3\]"):
        instance.initialize(arguments(config, REPOSITORY / "preprocess"))


def test_it_can_be_unloaded(model: Model) -> None:
    model("preprocess").finalize()
