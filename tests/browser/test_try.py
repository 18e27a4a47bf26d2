"""The page for trying a photo in a real Chromium, with real photos and real engines."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browser.fake_site import busy_edge, fake_site
from tests.integration.running import ROOT, RunningTidegate
from tests.servers.chromium import Tab

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Route

SAMPLES = ROOT / "samples"
ROOF = SAMPLES / "roof-1.jpg"
UPRIGHT_BY = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


def open_page(tab: Tab, tidegate: RunningTidegate, query: str = "") -> None:
    tab.open(f"{tidegate.url}/dashboard/try{query}")


def detect(tab: Tab) -> dict[str, Any]:
    """Presses the button; returns the answer, once it is shown."""
    with tab.page.expect_response("**/orchestrator/detect") as answered:
        tab.page.get_by_role("button", name="Detect", exact=True).click()
    tab.page.locator("#answer").wait_for()
    answer: dict[str, Any] = json.loads(answered.value.body())
    return answer


def shoot(tab: Tab, name: str) -> None:
    """From the top: what sticks to the window would be in the middle of the picture."""
    tab.page.evaluate("scrollTo(0, 0)")
    tab.shoot(name)


def tab_to(tab: Tab, wanted: str) -> None:
    """Presses Tab until the element has the focus."""
    for _ in range(40):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.id") == wanted:
            return
    raise AssertionError(f"#{wanted} is not reached with the keyboard")


def boxes_of(answer: dict[str, Any]) -> list[list[float]]:
    found = [
        one["box"]
        for findings in answer["results"].values()
        for one in findings.get("detections", findings.get("items", []))
    ]
    edges = ("x_min", "y_min", "x_max", "y_max")
    return sorted([round(box[edge], 1) for edge in edges] for box in found)


def drawn(tab: Tab) -> list[list[float]]:
    """The boxes of the overlay, in its own units."""
    found: list[list[float]] = tab.page.evaluate(
        """() => [...document.querySelectorAll("#overlay .mark-line")].map((rect) => {
             const [x, y, w, h] = ["x", "y", "width", "height"].map((n) => +rect.getAttribute(n));
             return [x, y, x + w, y + h].map((n) => Math.round(n * 10) / 10);
           })"""
    )
    return sorted(found)


def rotated(orientation: int, kind: str = "JPEG") -> bytes:
    """The roof as a camera held otherwise has it: turned pixels, and a tag that turns them back."""
    image = Image.open(ROOF)
    turned = image.transpose(UPRIGHT_BY[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    turned.save(stream, kind, quality=92, exif=exif)
    return stream.getvalue()


def test_what_the_engines_find_is_drawn_where_they_say(tidegate: RunningTidegate, tab: Tab) -> None:
    open_page(tab, tidegate)
    page = tab.page
    assert page.get_by_role("button", name="Detect", exact=True).is_disabled()
    page.set_input_files("#photo", ROOF)
    answer = detect(tab)
    boxes = boxes_of(answer)
    assert boxes
    assert drawn(tab) == boxes
    with Image.open(ROOF) as image:
        assert (
            page.locator("#overlay").get_attribute("viewBox") == f"0 0 {image.width} {image.height}"
        )
    photo, overlay = (
        page.locator("#picture").bounding_box(),
        page.locator("#overlay").bounding_box(),
    )
    assert photo == overlay
    assert (
        f"{answer['results']['volume']['volume_m3']:.2f} m³"
        in page.locator("#figures").inner_text()
    )
    served = page.locator("#served").inner_text()
    assert answer["model_versions"]["damage"] in served
    assert answer["served_by"]["damage"]["instance"] in served
    assert page.locator("#answer-id").inner_text() == answer["correlation_id"]
    page.locator("#waterfall .panel").wait_for()
    steps = page.locator("#waterfall .fall-span")
    steps.first.wait_for()
    assert steps.count() >= 4
    assert "attempt" in page.locator("#waterfall").inner_text()
    steps.nth(1).locator("summary").click()
    steps.nth(1).locator("dl").wait_for()
    shoot(tab, "try")
    page.locator("#answer-trace").click()
    tab.wait_live()
    assert page.locator("#waterfall .fall-span").count() >= 4
    tab.shoot("trace")


def test_engines_and_confidence_choose_what_is_drawn(tidegate: RunningTidegate, tab: Tab) -> None:
    open_page(tab, tidegate)
    page = tab.page
    page.set_input_files("#photo", ROOF)
    answer = detect(tab)
    results = answer["results"]
    page.get_by_label("damage", exact=True).last.uncheck()
    assert drawn(tab) == boxes_of({"results": {**results, "damage": {"detections": []}}})
    page.get_by_label("damage", exact=True).last.check()
    page.locator("#least").fill("0.8")
    sure = {
        engine: {
            "items": [
                one
                for one in findings.get("detections", findings.get("items", []))
                if one["confidence"] >= 0.8
            ]
        }
        for engine, findings in results.items()
    }
    assert drawn(tab) == boxes_of({"results": sure})
    assert f"{len(boxes_of({'results': sure}))} of" in page.locator("#shown-count").inner_text()


@pytest.mark.parametrize(
    ("orientation", "kind"), [(6, "JPEG"), (3, "JPEG"), (6, "WEBP"), (6, "PNG")]
)
def test_a_photo_that_was_held_otherwise_has_its_boxes_in_the_right_places(
    tidegate: RunningTidegate, tab: Tab, orientation: int, kind: str
) -> None:
    photo = rotated(orientation, kind)
    if kind == "PNG":
        photo = small_png(orientation)
    open_page(tab, tidegate, "?engines=damage,materials")
    page = tab.page
    page.set_input_files(
        "#photo", {"name": "held", "mimeType": f"image/{kind.lower()}", "buffer": photo}
    )
    answer = detect(tab)
    assert drawn(tab) == boxes_of(answer)
    with Image.open(ROOF) as image:
        upright = image.width / image.height
    size = page.evaluate("[picture.naturalWidth, picture.naturalHeight]")
    assert size[0] / size[1] == pytest.approx(upright, rel=0.01)
    box = page.locator("#picture").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(upright, rel=0.02)
    shoot(tab, f"try-held-{orientation}-{kind.lower()}")


def small_png(orientation: int) -> bytes:
    with Image.open(ROOF) as whole:
        image = whole.resize((whole.width // 2, whole.height // 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    image.transpose(UPRIGHT_BY[orientation]).save(stream, "PNG", exif=exif)
    return stream.getvalue()


def test_a_bad_file_is_refused_in_words_beside_the_field(
    tidegate: RunningTidegate, tab: Tab
) -> None:
    tab.expected.append("422")
    open_page(tab, tidegate)
    page = tab.page
    page.set_input_files("#photo", ROOF)
    assert boxes_of(detect(tab))
    assert page.locator("#tools").is_visible()
    page.set_input_files(
        "#photo", {"name": HOSTILE + ".jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}
    )
    assert HOSTILE in page.locator("#chosen").inner_text()
    page.get_by_role("button", name="Detect", exact=True).click()
    error = page.locator("#photo-error")
    error.wait_for()
    assert "JPEG" in error.inner_text()
    # The words lead to the request, and nothing is left of the photo before.
    link = error.get_by_role("link")
    assert link.get_attribute("href") == f"/dashboard/traces/{link.inner_text()}"
    assert not page.locator("#tools").is_visible()
    assert page.locator("#photo").get_attribute("aria-invalid") == "true"
    assert page.title() == "Try it · Tidegate"
    shoot(tab, "try-refused")
    # And the next one is taken.
    page.set_input_files("#photo", ROOF)
    assert not error.is_visible()
    assert boxes_of(detect(tab))


def test_a_photo_of_18_megabytes_is_shown_and_sent_as_it_is(
    tidegate: RunningTidegate, tab: Tab, tmp_path: Path
) -> None:
    """The system of the tests takes less, so its answer is made up; what is sent is real."""
    large = tmp_path / "large.jpg"
    noise = Image.effect_noise((4000, 3000), 90).convert("RGB")
    noise.save(large, quality=97, subsampling=0)
    assert large.stat().st_size > 10_000_000
    sent: list[int] = []

    def answer(route: Any) -> None:
        sent.append(int(route.request.headers.get("content-length", "0")) or 1)
        route.fulfill(json=answer_of({"damage": {"detections": [box_at(3990, 2990)]}}))

    tab.page.route("**/orchestrator/detect", answer)
    open_page(tab, tidegate)
    tab.page.evaluate("document.forms[0].dataset.maxBytes = '50000000'")
    tab.page.set_input_files("#photo", large)
    detect(tab)
    assert sent
    assert tab.page.evaluate("picture.src").startswith("blob:")
    assert drawn(tab) == [[10, 10, 3990, 2990]]


def box_at(right: float, bottom: float, name: str = "hail") -> dict[str, Any]:
    box = {"x_min": 10, "y_min": 10, "x_max": right, "y_max": bottom}
    return {"class": name, "confidence": 0.9, "box": box}


def answer_of(results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "request_id": "r-1",
        "detection_id": "d-1",
        "correlation_id": "c-1",
        "status": "completed",
        "results": results,
        "errors": {},
        "processing_time_ms": 12.5,
        "model_versions": {},
        "served_by": {},
        **more,
    }


def test_a_photo_that_is_too_large_is_not_sent(tidegate: RunningTidegate, tab: Tab) -> None:
    open_page(tab, tidegate)
    page = tab.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    content = b"\xff" * (2 * 1024 * 1024 + 1)
    page.set_input_files("#photo", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content})
    page.get_by_role("button", name="Detect", exact=True).click()
    assert "the limit of a photo is 2097152" in page.locator("#photo-error").inner_text()
    assert not any("detect" in url for url in asked)


def test_a_photo_is_chosen_and_sent_with_the_keyboard_alone(
    tidegate: RunningTidegate, tab: Tab
) -> None:
    open_page(tab, tidegate)
    page = tab.page
    tab_to(tab, "photo")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(ROOF)
    page.locator("#send:not([disabled])").wait_for()
    tab_to(tab, "send")
    page.keyboard.press("Enter")
    page.locator("#answer").wait_for()


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(tidegate: RunningTidegate, tab: Tab, how: str) -> None:
    open_page(tab, tidegate)
    page = tab.page
    page.evaluate(
        """([how, bytes]) => {
             const data = new DataTransfer();
             const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
             data.items.add(new File([content], "roof.jpg", { type: "image/jpeg" }));
             const init = { bubbles: true, cancelable: true };
             const event = how === "drop"
               ? new DragEvent("drop", { ...init, dataTransfer: data })
               : new ClipboardEvent("paste", { ...init, clipboardData: data });
             document.querySelector("#drop").dispatchEvent(event);
           }""",
        [how, base64.b64encode(ROOF.read_bytes()).decode()],
    )
    assert "roof.jpg" in page.locator("#chosen").inner_text()
    assert boxes_of(detect(tab))


def test_a_person_says_whether_it_was_right(tidegate: RunningTidegate, tab: Tab) -> None:
    open_page(tab, tidegate, "?engines=damage,volume")
    page = tab.page
    page.set_input_files("#photo", ROOF)
    detect(tab)
    before = said_of(tidegate)
    damage = page.locator("[data-verdict=damage]")
    damage.get_by_role("button", name="Wrong").click()
    damage.get_by_text("Noted for 1.0.0: wrong.").wait_for()
    assert said_of(tidegate) == before + 1
    # The last word holds.
    damage.get_by_role("button", name="Right").click()
    damage.get_by_text("Noted for 1.0.0: right.").wait_for()
    assert said_of(tidegate) == before + 1
    assert damage.get_by_role("button", name="Right").get_attribute("aria-pressed") == "true"
    page.locator("[data-verdict=volume]").wait_for()
    shoot(tab, "try-feedback")


def said_of(tidegate: RunningTidegate) -> int:
    releases = tidegate.get("/api/v1/engines/damage/accuracy")["releases"]
    return int(releases["1.0.0"]["photos"]) if "1.0.0" in releases else 0


def test_what_was_chosen_outlives_a_reload(tidegate: RunningTidegate, tab: Tab) -> None:
    open_page(tab, tidegate)
    page = tab.page
    page.locator("input[name=engine][value=volume]").uncheck()
    page.get_by_label("Release of damage").select_option("1.0.0")
    page.get_by_label("Priority").select_option("high")
    page.reload()
    tab.wait_live()
    assert not page.locator("input[name=engine][value=volume]").is_checked()
    assert page.get_by_label("Release of damage").input_value() == "1.0.0"
    page.set_input_files("#photo", ROOF)
    answer = detect(tab)
    assert set(answer["results"]) == {"damage", "materials"}
    assert answer["model_versions"]["damage"] == "v1.0.0"


def test_a_partial_and_hostile_answer_is_text(tidegate: RunningTidegate, tab: Tab) -> None:
    answer = answer_of(
        {HOSTILE: {"detections": [box_at(200, 200, HOSTILE)]}, "odd": {"text": HOSTILE}},
        correlation_id=HOSTILE,
        status="partial",
        errors={"volume": {"code": "backend_fault", "message": HOSTILE, "retry_after_s": 3}},
        model_versions={HOSTILE: HOSTILE},
        served_by={HOSTILE: {"release": "1.0.0", "instance": HOSTILE, "attempts": 2}},
    )
    tab.page.route("**/orchestrator/detect", lambda route: route.fulfill(json=answer))
    open_page(tab, tidegate)
    page = tab.page
    page.set_input_files("#photo", ROOF)
    detect(tab)
    assert HOSTILE in page.locator("#answer-errors").inner_text()
    assert "backend_fault" in page.locator("#answer-errors").inner_text()
    assert page.locator("#overlay text").text_content() == f"{HOSTILE} 0.90"
    assert page.locator("main img").count() == 1
    assert page.title() == "Try it · Tidegate"
    shoot(tab, "try-partial")


def test_a_lost_connection_and_a_cancel_are_told(tidegate: RunningTidegate, tab: Tab) -> None:
    tab.expected.append("ERR_FAILED|ERR_ABORTED")
    page = tab.page
    page.route("**/orchestrator/detect", lambda route: route.abort())
    open_page(tab, tidegate)
    page.set_input_files("#photo", ROOF)
    page.get_by_role("button", name="Detect", exact=True).click()
    page.locator("#try-error", has_text="the connection to the control plane was lost").wait_for()
    page.unroute("**/orchestrator/detect")
    page.route("**/orchestrator/detect", lambda route: None)
    page.get_by_role("button", name="Detect", exact=True).click()
    page.get_by_role("button", name="Cancel", exact=True).first.click()
    page.locator("#try-error", has_text="Cancelled").wait_for()


@pytest.mark.parametrize("sample", ["site-1.jpg", "pile-1.jpg"])
def test_the_other_samples(tidegate: RunningTidegate, dark_tab: Tab, sample: str) -> None:
    open_page(dark_tab, tidegate)
    dark_tab.page.set_input_files("#photo", SAMPLES / sample)
    answer = detect(dark_tab)
    assert drawn(dark_tab) == boxes_of(answer)
    shoot(dark_tab, f"try-{Path(sample).stem}-dark")


def test_it_is_usable_on_a_phone(tidegate: RunningTidegate, phone: Tab) -> None:
    open_page(phone, tidegate)
    phone.page.set_input_files("#photo", ROOF)
    detect(phone)
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(phone, "try-phone")


def small(name: str) -> FilePayload:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


def test_the_waterfall_of_an_earlier_photo_is_not_shown_under_another(tab: Tab) -> None:
    answer = answer_of({"damage": {"detections": []}}, correlation_id="earlier")
    held: list[Route] = []
    tab.page.route("**/orchestrator/detect", lambda route: route.fulfill(json=answer))
    tab.page.route("**/traces/earlier/waterfall", lambda route: held.append(route))
    with fake_site(busy_edge()) as site:
        tab.open(f"{site.url}/dashboard/try")
        tab.page.set_input_files("#photo", small("one.png"))
        with tab.page.expect_request("**/waterfall"):
            detect(tab)
        tab.page.set_input_files("#photo", small("two.png"))
        tab.page.locator("#chosen", has_text="two.png").wait_for()
        with tab.page.expect_response("**/waterfall"):
            held[0].fulfill(body="<p data-complete='true'>of the earlier photo</p>")
        tab.page.wait_for_timeout(100)
        assert tab.page.locator("#waterfall").inner_text() == ""


@pytest.mark.parametrize("body", ["<p>Bad gateway</p>", "null", "7", ""])
def test_an_answer_that_is_none_of_ours_is_told(tab: Tab, body: str) -> None:
    tab.page.route("**/orchestrator/detect", lambda route: route.fulfill(body=body))
    with fake_site(busy_edge()) as site:
        tab.open(f"{site.url}/dashboard/try")
        tab.page.set_input_files("#photo", small("one.png"))
        tab.page.get_by_role("button", name="Detect", exact=True).click()
        tab.page.locator("#try-error", has_text="cannot be read (HTTP 200)").wait_for()
        assert tab.page.locator("#answer").is_hidden()


def test_the_focus_is_with_what_can_be_pressed(tab: Tab) -> None:
    answer = answer_of({"damage": {"detections": []}}, correlation_id="one")
    held: list[Route] = []
    focused = "document.activeElement.id"
    tab.page.route("**/orchestrator/detect", lambda route: held.append(route))
    with fake_site(busy_edge()) as site:
        tab.open(f"{site.url}/dashboard/try")
        tab.page.set_input_files("#photo", small("one.png"))
        tab.page.locator("#send").focus()
        with tab.page.expect_request("**/orchestrator/detect"):
            tab.page.keyboard.press("Enter")
        assert tab.page.evaluate(focused) == "cancel"
        held[0].fulfill(json=answer)
        tab.page.locator("#answer").wait_for()
        assert tab.page.evaluate(focused) == "send"
