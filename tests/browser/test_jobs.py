"""The pages of jobs in a real Chromium, with jobs that really failed."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.browser.test_instance import act
from tests.integration.jobs.asking import accepted, finished, job_of, submit
from tests.integration.jobs.receiving import Receiver
from tests.integration.photos import small_photo
from tests.integration.running import ROOT, RunningTidegate, wait_until
from tests.servers.chromium import Tab

SAMPLE = (ROOT / "samples" / "roof-1.jpg").read_bytes()


def dead_letter(
    tidegate: RunningTidegate, folder: Path, priority: str = "normal"
) -> tuple[str, Path]:
    """A job whose photo is not there, and where it would have to be."""
    missing = folder / f"{uuid.uuid4()}.jpg"
    sent = submit(
        tidegate, photo_url=missing.as_uri(), detection_types=["damage"], priority=priority
    )
    job_id = accepted(sent)
    finished(tidegate, job_id)
    return job_id, missing


def test_the_queues_and_a_finished_job(tidegate: RunningTidegate, tab: Tab) -> None:
    job_id = accepted(submit(tidegate, SAMPLE, detection_types="damage,volume"))
    finished(tidegate, job_id)
    tab.open(f"{tidegate.url}/dashboard/jobs")
    page = tab.page
    queues = page.locator("#queues").inner_text()
    for word in ("high", "normal", "low", "In hand", "Dead letters"):
        assert word in queues
    page.locator("#latest").get_by_role("link", name=job_id[:8]).click()
    tab.wait_live()
    assert "m³" in page.locator("#outcome").inner_text()
    assert page.get_by_role("link", name="its waterfall").get_attribute("href") == (
        f"/dashboard/traces/{job_id}"
    )
    tab.shoot("job")
    page.get_by_role("link", name="its waterfall").click()
    tab.wait_live()
    page.locator(".fall-span").first.wait_for()
    assert "engine" in page.locator("#waterfall").inner_text()
    tab.shoot("job-trace")


def test_a_dead_letter_is_replayed_once_its_photo_is_there(
    tidegate: RunningTidegate, photo_root: Path, tab: Tab
) -> None:
    job_id, missing = dead_letter(tidegate, photo_root)
    tab.open(f"{tidegate.url}/dashboard/jobs/{job_id}")
    page = tab.page
    state = page.locator("#state").inner_text()
    assert "put the photo there and replay" in state
    assert "photo_not_found" in state
    tab.shoot("job-dead")
    missing.write_bytes(SAMPLE)
    assert "It waits in the queue again" in act(tab, "Replay")
    page.locator("#state .chip", has_text="completed").wait_for()
    assert (
        "hail" in page.locator("#outcome").inner_text()
        or "found" in page.locator("#outcome").inner_text()
    )
    assert job_of(tidegate, job_id)["state"] == "completed"


def test_a_dead_letter_is_discarded(tidegate: RunningTidegate, photo_root: Path, tab: Tab) -> None:
    job_id, _ = dead_letter(tidegate, photo_root)
    tab.open(f"{tidegate.url}/dashboard/jobs/{job_id}")
    assert "cannot be replayed" in act(tab, "Discard")
    tab.page.locator("#state .chip", has_text="discarded").wait_for()
    assert tab.page.get_by_role("button", name="Replay").count() == 0


def test_dead_letters_of_one_kind_are_replayed_and_discarded_together(
    tidegate: RunningTidegate, photo_root: Path, tab: Tab
) -> None:
    letters = [dead_letter(tidegate, photo_root) for _ in range(3)]
    tab.open(f"{tidegate.url}/dashboard/jobs")
    page = tab.page
    row = page.locator("#dead tbody tr", has_text="photo_not_found")
    row.wait_for()
    tab.shoot("jobs")
    count = int(row.locator("td.number").inner_text())
    assert count >= len(letters)
    said = act(tab, f"Replay {count}", shot="jobs-confirm")
    assert f"all {count} dead letters that are unprocessable with photo_not_found" in said
    assert f"{count} were replayed" in page.locator("#said").inner_text()
    for job_id, _ in letters:
        finished(tidegate, job_id)
    assert all(job_of(tidegate, one)["run"] == 1 for one, _ in letters)
    page.locator("#said [data-dismiss]").click()
    discard = page.get_by_role("button", name=f"Discard {count}", exact=True)
    discard.wait_for()
    act(tab, f"Discard {count}")
    page.locator("#dead", has_text="every job that was given up has been seen to").wait_for()
    assert all(job_of(tidegate, one)["dead"] is None for one, _ in letters)


def refused_results(tidegate: RunningTidegate, receiver: Receiver, count: int) -> tuple[str, ...]:
    """Their correlation id, and the ids of as many jobs whose result nobody took."""
    correlation_id = f"resend-{uuid.uuid4()}"
    receiver.answers[correlation_id] = [410] * count
    headers = {"x-correlation-id": correlation_id}
    ids = [accepted(submit(tidegate, small_photo(), headers=headers)) for _ in range(count)]
    for job_id in ids:
        wait_handover(tidegate, job_id, "given_up")
    return correlation_id, *ids


def wait_handover(tidegate: RunningTidegate, job_id: str, wanted: str) -> None:
    def is_there() -> bool:
        handover = job_of(tidegate, job_id)["handover"]
        return handover is not None and handover["state"] == wanted

    wait_until(is_there, timeout_s=90, what=f"the result of {job_id} is {wanted}")


def test_a_result_that_nobody_took_is_sent_again(
    tidegate: RunningTidegate, receiver: Receiver, tab: Tab
) -> None:
    _, job_id = refused_results(tidegate, receiver, 1)
    tab.open(f"{tidegate.url}/dashboard/jobs/{job_id}")
    state = tab.page.locator("#state")
    state.get_by_text("given up, 1 try").wait_for()
    tab.shoot("job-undelivered")
    said = act(tab, "Send its result again", reason="the receiver is mended")
    assert "Its result is delivered again" in said
    assert f"The result of job {job_id} is sent again." in tab.page.locator("#said").inner_text()
    # The page follows without a reload, and offers it no more.
    state.locator("dd", has_text="delivered").wait_for()
    assert tab.page.get_by_role("button", name="Send its result again").count() == 0
    first, *again = receiver.received[f"{job_id}.0"]
    assert again == [first]
    entry = tidegate.get("/api/v1/audit?limit=1")["entries"][0]
    assert (entry["action"], entry["reason"]) == ("resend_job", "the receiver is mended")


def test_results_that_nobody_took_are_sent_again_together(
    tidegate: RunningTidegate, receiver: Receiver, tab: Tab
) -> None:
    correlation_id, *ids = refused_results(tidegate, receiver, 2)
    page = tab.page
    tab.open(f"{tidegate.url}/dashboard/jobs?correlation_id={correlation_id}&undelivered=true")
    latest = page.locator("#latest")
    latest.get_by_text("result not delivered").nth(1).wait_for()
    said = act(tab, "Send again 2", shot="jobs-resend")
    assert "Send again all 2 undelivered results of this list?" in said
    assert "2 were sent again." in page.locator("#said").inner_text()
    for job_id in ids:
        wait_handover(tidegate, job_id, "delivered")
        assert len(receiver.received[f"{job_id}.0"]) == 2
    latest.get_by_text("No job is like that.").wait_for()
    assert page.get_by_role("button", name="Send again 2").count() == 0


def test_the_filters_are_in_the_address(
    tidegate: RunningTidegate, photo_root: Path, tab: Tab
) -> None:
    job_id, _ = dead_letter(tidegate, photo_root, priority="low")
    tab.open(f"{tidegate.url}/dashboard/jobs")
    page = tab.page
    page.get_by_label("Priority").select_option("low")
    page.get_by_label("Dead letter").select_option(label="of any reason")
    page.get_by_role("button", name="Filter").click()
    tab.wait_live()
    assert page.url.endswith("/dashboard/jobs?priority=low&dead=any")
    page.reload()
    tab.wait_live()
    assert page.get_by_label("Priority").input_value() == "low"
    assert page.get_by_label("Dead letter").input_value() == "any"
    page.locator("#latest").get_by_role("link", name=job_id[:8]).wait_for()
    page.locator("#latest").get_by_role("button", name="Discard").wait_for()
    tab.shoot("jobs-filtered")
    page.get_by_role("link", name="Show all").click()
    tab.wait_live()
    assert page.url.endswith("/dashboard/jobs")


@pytest.mark.parametrize("address", ["?state=lost", "?code=%3Cscript%3Ealert(1)%3C/script%3E"])
def test_an_address_that_means_nothing_is_told(
    tidegate: RunningTidegate, tab: Tab, address: str
) -> None:
    tab.open(f"{tidegate.url}/dashboard/jobs{address}")
    assert "unknown" in tab.page.locator("main [role=alert]").first.inner_text()


def test_jobs_are_readable_on_a_phone_and_in_the_dark(
    tidegate: RunningTidegate, photo_root: Path, phone: Tab
) -> None:
    dead_letter(tidegate, photo_root)
    phone.open(f"{tidegate.url}/dashboard/jobs")
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    phone.shoot("jobs-phone")
    phone.page.emulate_media(color_scheme="dark")
    phone.shoot("jobs-phone-dark")
