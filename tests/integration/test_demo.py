"""``make demo``'s script, run from this checkout as it is."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from PIL import Image, ImageOps

from tests.integration.running import ROOT, environment, wait_until

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
    # Each photo is answered whole. A probe that a busy machine was late for may have failed.
    assert done.stdout.count("completed") >= len(SAMPLES)
    before, _, after = done.stdout.partition("tidegate promote")
    assert "v1.1.0" not in before
    assert "v1.1.0" in after
    assert (output / "state" / "tidegate.db").exists()
    pictures = sorted(output.glob("*.jpg"))
    assert [path.name for path in pictures] == [f"{p.stem}.annotated.jpg" for p in SAMPLES]
    for picture, photo in zip(pictures, SAMPLES, strict=True):
        with Image.open(picture) as drawn, Image.open(photo) as original:
            upright = ImageOps.exif_transpose(original)
            assert drawn.width == upright.width
            assert drawn.height > upright.height
    assert '"event":"stopped"' in (output / "tidegate.log").read_text().replace(" ", "")


@pytest.mark.triton
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_told_to_end_leaves_nothing_running(number: signal.Signals) -> None:
    # Under nohup the demo would rightly go on.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        demo = psutil.Popen(
            [sys.executable, str(ROOT / "scripts" / "demo.py")],
            env=environment(),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        signal.signal(number, before)
    family: list[psutil.Process] = []

    def has_tritons() -> bool:
        family[:] = demo.children(recursive=True)
        return [each.name() for each in family].count("tritonserver") == 2

    try:
        wait_until(has_tritons, what="two Tritons of the demo")
        demo.send_signal(number)
        assert demo.wait(60) == 128 + number
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
    finally:
        for each in [demo, *family]:
            if each.is_running():
                each.kill()
