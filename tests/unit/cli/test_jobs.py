"""Jobs on the terminal: listed, shown, replayed, discarded, watched."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from cli.job_options import moment_of
from cli.job_picture import dead_picture, jobs_picture
from cli.job_watching import watch_job
from cli.main import app
from tests.unit.cli.job_replies import (
    DEAD,
    DONE,
    FIGURES,
    JOB,
    JOB_ID,
    OTHER_ID,
    UNREADABLE,
    WORKING,
)
from tests.unit.cli.plane import Plane, Reply, Seen, problem

Tidegate = Callable[..., Result]
JOBS = "/api/v1/jobs"
ONE = f"{JOBS}/{JOB_ID}"


def listing(*jobs: dict[str, Any], next_before: str | None = None) -> Reply:
    return Reply({"jobs": list(jobs), "next_before": next_before})


def test_jobs_are_a_line_each(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?limit=50"] = listing(DEAD, JOB, next_before=JOB_ID)
    result = tidegate("jobs", "list", "--url", plane.url)
    header, first, second, _, more = result.stdout.splitlines()
    assert header.split() == ["ID", "STATE", "PRIORITY", "ENGINES", "AGE", "ATTEMPTS", "ERROR"]
    assert first.split()[:3] == [JOB_ID, "failed", "normal"]
    assert first.split()[-2:] == ["10", "photo_unavailable"]
    assert second.split()[-1] == "-"
    assert more == f"there may be more: --before {JOB_ID}"


def test_jobs_are_chosen_by_the_control_plane(tidegate: Tidegate, plane: Plane) -> None:
    path = (
        f"{JOBS}?state=queued&state=failed&undelivered=true&code=x&engine=damage&priority=low"
        "&correlation_id=c-1&created_after=2025-01-31T12%3A00%3A00%2B00%3A00&limit=3&before=b"
    )
    plane.replies[path] = listing(JOB)
    options = ["--state", "queued", "--state", "failed", "--undelivered", "--code", "x"]
    options += ["--engine", "damage", "--priority", "low", "--correlation-id", "c-1"]
    options += ["--since", "2025-01-31T12:00:00Z", "--limit", "3", "--before", "b"]
    result = tidegate("jobs", "list", *options, "--json", "--url", plane.url)
    assert json.loads(result.stdout) == {"jobs": [JOB], "next_before": None}
    plane.replies[path] = listing()
    assert tidegate("jobs", "list", *options, "--url", plane.url).stdout == "no jobs\n"


def test_nothing_yet_is_said_with_what_to_type(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?limit=50"] = listing()
    plane.replies[f"{JOBS}?dead=any&limit=50"] = listing()
    nothing = tidegate("jobs", "list", "--url", plane.url).stdout
    assert nothing == "no jobs yet: tidegate detect PHOTO --async\n"
    assert tidegate("jobs", "dead", "--url", plane.url).stdout == "no dead letters\n"


def test_dead_letters_say_why_and_what_to_do(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?dead=any&limit=50"] = listing(DEAD, {**DEAD, "id": "x"}, UNREADABLE)
    result = tidegate("jobs", "dead", "--url", plane.url)
    lines = result.stdout.splitlines()
    assert lines[0].split()[:6] == ["ID", "REASON", "CODE", "ATTEMPTS", "AGE", "PHOTO"]
    assert lines[1].split()[:4] == [JOB_ID, "failed", "photo_unavailable", "10"]
    assert "s3://claims/[red]roof[/].jpg" in lines[1]
    assert lines[1].rstrip().endswith("replay, once its store is back")
    assert lines[3].rstrip().endswith("mend its sender; discard")
    assert lines[-3:] == [
        f"one of them: tidegate jobs show {JOB_ID} --url {plane.url}",
        f"then:        tidegate jobs replay {JOB_ID} --url {plane.url}",
        "all like it: tidegate jobs replay --reason failed --code photo_unavailable "
        f"--url {plane.url}",
    ]


def test_what_to_type_about_a_dead_letter_is_about_that_one(
    tidegate: Tidegate, plane: Plane
) -> None:
    unreadable = [{**UNREADABLE, "id": "y"}, UNREADABLE]
    plane.replies[f"{JOBS}?dead=any&limit=50"] = listing(DEAD, *unreadable)
    lines = tidegate("jobs", "dead", "--url", plane.url).stdout.splitlines()
    assert lines[-2:] == [
        f"one of them: tidegate jobs show y --url {plane.url}",
        f"then:        tidegate jobs discard y --url {plane.url}",
    ]


def test_a_job_that_was_discarded_says_so(tidegate: Tidegate, plane: Plane) -> None:
    discarded = {**DEAD, "dead": None}
    plane.replies[f"{JOBS}?limit=50"] = listing(discarded)
    plane.replies[ONE] = Reply(discarded)
    assert "failed (discarded)" in tidegate("jobs", "list", "--url", plane.url).stdout
    shown = tidegate("jobs", "show", JOB_ID, "--url", plane.url).stdout
    assert shown.startswith(f"{JOB_ID}  failed (discarded)\n")


@pytest.mark.parametrize("columns", [38, 80, 139, 140])
def test_on_a_narrow_terminal_nothing_is_lost(columns: int) -> None:
    """Not a word is cut, and none is written from top to bottom."""
    now = datetime(2025, 1, 31, 14, 5, tzinfo=UTC)
    far = {**UNREADABLE, "photo_url": "s3://claims/" + "x" * 300}
    for picture in (
        jobs_picture([JOB, DEAD], now, columns),
        dead_picture([DEAD, far], now, columns),
    ):
        out = Console(width=columns, file=io.StringIO(), color_system=None)
        out.print(picture)
        lines = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert any(line.startswith(JOB_ID) for line in lines)
        assert "photo_unavailable" in "".join(line.strip() for line in lines)
        assert "10" in " ".join(lines).replace(",", "").split()
        assert len(lines) < 30
    assert "".join(line.strip() for line in lines).count("x") >= 300


def test_dead_letters_are_chosen(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?dead=unprocessable&limit=50"] = listing(UNREADABLE)
    result = tidegate("jobs", "dead", "--reason", "unprocessable", "--url", plane.url)
    assert f"tidegate jobs discard {OTHER_ID}" in result.stdout
    plane.replies[f"{JOBS}?dead=failed&limit=50"] = listing()
    assert "no such" in tidegate("jobs", "dead", "--reason", "failed", "--url", plane.url).stdout


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (
            JOB,
            ["as soon as it is taken", "s3://claims/[red]roof[/].jpg", "damage=1.0.0", "photo-1"],
        ),
        ({**JOB, "published_at": None}, ["not yet: it will be sent again"]),
        ({**JOB, "due_at": "2999-01-01T00:00:00Z"}, ["(in "]),
        (WORKING, ["worker-1, until", "1 in run 0"]),
        ({**WORKING, "run": 1}, ["1 in run 1"]),
        (DEAD, ["dead letter: failed", "the store is away (photo_unavailable)", "what to do:"]),
        (UNREADABLE, ["the message as it came", "{[bold]not json?[31m"]),
        (DONE, ["given up after 3 tries: HTTP 500", f"jobs resend {JOB_ID}", "damage=v1.0.0"]),
        (DONE, ["damage: 3 hail", "volume: out of memory (backend_fault)"]),
        (
            {**DONE, "handover": {**DONE["handover"], "attempts": 1}},
            ["given up after 1 try: HTTP 500"],
        ),
        (
            {**DONE, "handover": {**DONE["handover"], "state": "waiting"}},
            ["waiting, 3 tries: HTTP 500"],
        ),
        (
            {**DONE, "handover": {"state": "delivered", "delivered_at": "2025-01-31T12:00:09Z"}},
            ["result sent"],
        ),
    ],
)
def test_a_job_is_shown_with_everything(
    tidegate: Tidegate, plane: Plane, job: dict[str, Any], words: list[str]
) -> None:
    plane.replies[ONE] = Reply(job)
    result = tidegate("jobs", "show", JOB_ID, "--url", plane.url)
    assert result.exit_code == 0
    for word in words:
        assert word in result.stdout
    assert "\x1b" not in result.stdout
    shown = json.loads(tidegate("jobs", "show", JOB_ID, "--json", "--url", plane.url).stdout)
    assert shown["id"] == job["id"]


def test_an_unknown_id_is_no_field(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[ONE] = problem(404, "not_found", "there is no job 'x'", field="request_id")
    assert tidegate("jobs", "show", JOB_ID, "--url", plane.url).stderr.startswith(
        "tidegate: there is no job 'x'"
    )


def test_an_unknown_job_is_told(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("jobs", "show", "x/y", "--url", plane.url)
    assert result.exit_code == 1
    assert plane.seen[-1].path == f"{JOBS}/x%2Fy"


def test_figures_are_shown(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}/figures"] = Reply(FIGURES)
    result = tidegate("jobs", "figures", "--url", plane.url)
    assert "low       40       39            2 min 5 s" in result.stdout
    assert "dead: failed" in result.stdout
    plane.replies[f"{JOBS}/figures"] = Reply({**FIGURES, "queue": None})
    assert "the queue does not answer" in tidegate("jobs", "figures", "--url", plane.url).stdout
    shown = tidegate("jobs", "figures", "--json", "--url", plane.url).stdout
    assert json.loads(shown)["queue"] is None


def test_status_has_a_line_about_jobs(tidegate: Tidegate, plane: Plane) -> None:
    assert "jobs:" not in tidegate("status", "--url", plane.url).stdout
    plane.replies[f"{JOBS}/figures"] = Reply(FIGURES)
    assert (
        "jobs: 41 waiting (1 high, 40 low), 2 under way, the oldest for 2 min 5 s, "
        "3 dead: tidegate jobs dead, 1 undelivered: tidegate jobs list --undelivered"
    ) in tidegate("status", "--url", plane.url).stdout
    shown = json.loads(tidegate("status", "--json", "--url", plane.url).stdout)
    assert shown["jobs"] == FIGURES


@pytest.mark.parametrize("action", ["replay", "discard", "resend"])
def test_named_jobs_are_acted_on_each_on_its_own(
    tidegate: Tidegate, plane: Plane, action: str
) -> None:
    plane.replies[f"{ONE}/{action}"] = Reply({**JOB, "run": 1})
    refused = problem(409, "conflict", "the job is queued: it does not apply to it now")
    plane.replies[f"{JOBS}/{OTHER_ID}/{action}"] = refused
    arguments = [OTHER_ID, JOB_ID, "--who", "ada", "--why", "it is back", "--url", plane.url]
    result = tidegate("jobs", action, *arguments)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{JOB_ID} ")
    assert result.stdout.endswith(": queued, replayed 1 time\n")
    assert f"{OTHER_ID}: the job is queued" in result.stderr
    assert json.loads(plane.seen[-1].body) == {"who": "ada", "reason": "it is back"}
    lines = tidegate("jobs", action, *arguments, "--json").stdout.splitlines()
    assert json.loads(lines[0])["error"]["code"] == "conflict"
    assert json.loads(lines[1])["id"] == JOB_ID


def test_a_control_plane_that_is_gone_is_told_once(tidegate: Tidegate, free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    result = tidegate("jobs", "replay", JOB_ID, OTHER_ID, "--url", url)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_many_are_acted_on_by_filter(tidegate: Tidegate, plane: Plane, action: str) -> None:
    done = {"count": 2, "ids": [JOB_ID, OTHER_ID], "may_have_more": True}
    plane.replies[f"{JOBS}/{action}"] = Reply(done)
    options = ["--reason", "failed", "--code", "photo_unavailable", "--limit", "2", "--yes"]
    result = tidegate("jobs", action, *options, "--who", "ada", "--url", plane.url)
    assert result.stdout.splitlines() == [
        f"2 dead letters {action}ed",
        f"there may be more: tidegate jobs {action} --reason failed --code photo_unavailable "
        f"--before {OTHER_ID} --limit 2 --yes --url {plane.url}",
    ]
    assert json.loads(plane.seen[-1].body) == {
        "dead": "failed",
        "code": "photo_unavailable",
        "limit": 2,
        "who": "ada",
        "reason": "",
    }
    everything = ["--all", "--yes", "--before", OTHER_ID, "--limit", "2", "--url", plane.url]
    more = tidegate("jobs", action, *everything).stdout.splitlines()[-1]
    assert more.startswith(f"there may be more: tidegate jobs {action} --all --before {OTHER_ID} ")
    assert json.loads(plane.seen[-1].body)["before"] == OTHER_ID
    shown = tidegate("jobs", action, "--all", "--yes", "--json", "--url", plane.url).stdout
    assert json.loads(shown) == done
    assert json.loads(plane.seen[-1].body)["all"] is True


def test_results_are_sent_again_by_filter(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?undelivered=true&engine=damage&limit=100"] = listing(DEAD)
    plane.replies[f"{JOBS}?undelivered=true&limit=100"] = listing()
    plane.replies[f"{JOBS}/resend"] = Reply({"count": 1, "ids": [JOB_ID], "may_have_more": False})
    nobody = tidegate("jobs", "resend", "--engine", "damage", "--url", plane.url)
    assert "this would resend 1 result, and nobody is there to be asked" in nobody.stderr
    none = tidegate("jobs", "resend", "--all", "--url", plane.url)
    assert none.stderr == "no result was given up\n"
    done = tidegate("jobs", "resend", "--engine", "damage", "--yes", "--url", plane.url)
    assert done.stdout == "1 result to be sent again\n"
    assert json.loads(plane.seen[-1].body)["engine"] == "damage"


@pytest.mark.parametrize(("says", "is_done"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked_before_many_are_acted_on(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, says: str, is_done: bool
) -> None:
    monkeypatch.setattr("cli.job_acts.has_person", lambda: True)
    plane.replies[f"{JOBS}?dead=failed&limit=100"] = listing(DEAD, DEAD)
    plane.replies[f"{JOBS}/replay"] = Reply({"count": 2, "ids": [], "may_have_more": True})
    arguments = ["jobs", "replay", "--reason", "failed", "--url", plane.url]
    result = CliRunner().invoke(app, arguments, input=says)
    assert "replay 2 dead letters? [y/N]" in result.stderr
    assert result.stdout.endswith("2 dead letters replayed\n") == is_done
    assert (plane.seen[-1].method == "POST") == is_done
    if is_done:
        assert json.loads(plane.seen[-1].body)["limit"] == 2, "more than was asked about"


def test_what_is_asked_about_begins_where_it_is_said(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?dead=failed&before={OTHER_ID}&limit=100"] = listing(DEAD)
    options = ["--reason", "failed", "--before", OTHER_ID, "--url", plane.url]
    assert "this would replay 1 dead letter," in tidegate("jobs", "replay", *options).stderr


def test_where_nobody_can_be_asked_nothing_is_done(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?dead=any&limit=100"] = listing(DEAD)
    result = tidegate("jobs", "discard", "--all", "--url", plane.url)
    assert result.exit_code == 1
    assert "this would discard 1 dead letter, and nobody is there to be asked" in result.stderr
    assert "--yes" in result.stderr
    assert [seen.method for seen in plane.seen] == ["GET"]


def test_where_there_are_none_nothing_is_done(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{JOBS}?dead=any&limit=100"] = listing()
    result = tidegate("jobs", "discard", "--all", "--url", plane.url)
    assert (result.exit_code, result.stderr) == (0, "no dead letters\n")
    shown = tidegate("jobs", "discard", "--all", "--json", "--url", plane.url).stdout
    assert json.loads(shown) == {"count": 0, "ids": [], "may_have_more": False}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "which?"),
        (["resend"], "--since 2h"),
        (["discard", JOB_ID, "--all"], "not both"),
        (["replay", JOB_ID, "--code", "x"], "not both"),
        (["replay", JOB_ID, "--before", OTHER_ID], "not both"),
        (["replay", "--before", OTHER_ID], "which?"),
        (["replay", "--reason", "the store is back"], "--why"),
        (["dead", "--priority", "urgent"], "high, normal, low"),
        (["list", "--since", "yesterday"], "2h"),
        (["list", "--limit", "501"], "500"),
    ],
)
def test_wrong_usage_is_told(tidegate: Tidegate, arguments: list[str], words: str) -> None:
    result = tidegate("jobs", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_moments_are_so_long_ago_or_named() -> None:
    noon = datetime(2025, 1, 31, 12, tzinfo=UTC)
    for text, said in (
        ("90s", "2025-01-31T11:58:30+00:00"),
        ("5 min", "2025-01-31T11:55:00+00:00"),
        ("2h", "2025-01-31T10:00:00+00:00"),
        ("1d", "2025-01-30T12:00:00+00:00"),
        ("2025-01-31T13:00:00+01:00", "2025-01-31T12:00:00+00:00"),
    ):
        assert moment_of(text, "--since", noon) == said
    assert moment_of(None, "--since") is None
    for bad in ("2x", "999999999d", "-1h", ""):
        with pytest.raises(typer.BadParameter):
            moment_of(bad, "--since", noon)


def in_turn(*replies: Reply) -> Callable[[Seen], Reply]:
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_a_job_is_watched_until_it_is_finished(tidegate: Tidegate, plane: Plane) -> None:
    away = problem(503, "store_unavailable", "the store is away")
    plane.replies[ONE] = in_turn(Reply(JOB), Reply(JOB), away, Reply(WORKING), Reply(DONE))
    arguments = ["jobs", "watch", JOB_ID, "--interval", "0.1", "--url", plane.url]
    result = tidegate(*arguments)
    assert result.exit_code == 0
    assert [line.split("  ", 1)[1] for line in result.stdout.splitlines()] == [
        "queued",
        "unreachable: the store is away",
        "processing, attempt 1",
        "completed, attempt 1",
    ]
    plane.replies[ONE] = in_turn(Reply(JOB), Reply(DEAD))
    failed = tidegate(*arguments, "--json")
    assert failed.exit_code == 1
    states = [json.loads(line)["state"] for line in failed.stdout.splitlines()]
    assert states == ["queued", "failed"]


def test_watching_ends_after_so_many_looks(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[ONE] = Reply(JOB)
    result = tidegate("jobs", "watch", JOB_ID, "--times", 1, "--url", plane.url)
    assert result.exit_code == 0
    assert len(plane.seen) == 1


def test_a_job_that_nobody_knows_is_not_waited_for(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("jobs", "watch", JOB_ID, "--url", plane.url)
    assert result.exit_code == 1
    assert len(plane.seen) == 1


def test_a_script_gives_up_on_a_control_plane_that_is_gone() -> None:
    from cli.failure import UNREACHABLE, Refused

    def look() -> dict[str, Any]:
        raise Refused("gone", code=UNREACHABLE)

    readings = iter([0.0, 30.0, 61.0])
    with pytest.raises(Refused, match="gave up watching after 60 s"):
        watch_job(look, interval_s=0, times=None, as_json=True, now_s=lambda: next(readings))
