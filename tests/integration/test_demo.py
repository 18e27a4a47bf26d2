"""``make demo``'s script, run from this checkout as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from PIL import Image, ImageOps

from tests.integration.running import ROOT, environment

SAMPLES = sorted((ROOT / "samples").glob("*.jpg"))


@pytest.mark.triton
def test_the_demo_shows_answers_writes_pictures_and_ends_well() -> None:
    output = ROOT / "demo-output"
    shutil.rmtree(output, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for word in ("triton-0", "triton-1", "completed", "damage", "materials", "volume", "m³"):
        assert word in done.stdout
    assert "failed" not in done.stdout
    pictures = sorted(output.glob("*.jpg"))
    assert [path.name for path in pictures] == [f"{p.stem}.annotated.jpg" for p in SAMPLES]
    for picture, photo in zip(pictures, SAMPLES, strict=True):
        with Image.open(picture) as drawn, Image.open(photo) as original:
            upright = ImageOps.exif_transpose(original)
            assert drawn.width == upright.width
            assert drawn.height > upright.height
    assert '"event":"stopped"' in (output / "tidegate.log").read_text().replace(" ", "")
