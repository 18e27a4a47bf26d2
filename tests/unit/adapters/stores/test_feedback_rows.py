"""What was judged of a release comes back whole, and beside the event loop."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.adapters.stores import SqlFeedback, feedback_rows, open_store
from control_plane.adapters.stores.documents import UnreadableDocument, to_json
from control_plane.core.accuracy import ClassMatches, Counted, Feedback, Judged, Measured

shares = st.floats(0, 1)
classes = st.builds(
    ClassMatches,
    st.text(max_size=5).filter(lambda text: text.isprintable()),
    st.integers(0, 500),
    st.lists(shares, max_size=3).map(tuple),
    st.lists(st.booleans(), max_size=3).map(tuple),
)
counted = st.builds(Counted, st.integers(0, 99), st.integers(-99, 99), st.integers(0, 99))
judgements = st.builds(
    Judged,
    matches=st.none() | st.lists(classes, max_size=3).map(tuple),
    counted=st.none() | counted,
    measured=st.none() | st.builds(Measured, shares, shares),
    is_right=st.none() | st.booleans(),
)


@given(judgements)
def test_a_judgement_is_read_as_it_was_written(judged: Judged) -> None:
    assert feedback_rows.read_judged(to_json(judged)) == judged


@pytest.mark.parametrize(
    "document",
    ["", "[]", "7", '{"other": 1}', '{"matches": [7]}', '{"matches": [{}]}', '{"counted": {}}'],
)
def test_what_is_no_judgement_is_not_read(document: str) -> None:
    with pytest.raises(UnreadableDocument):
        feedback_rows.read_judged(document)


async def test_thousands_of_documents_do_not_hold_up_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def read(document: str, whole: object = feedback_rows.read_judged) -> Judged:
        threads.add(threading.current_thread())
        return whole(document)  # type: ignore[operator, no-any-return]

    monkeypatch.setattr(feedback_rows, "read_judged", read)
    async with open_store(tmp_path / "tidegate.db") as store:
        feedback = SqlFeedback(store.database)
        for name in ("a", "b"):
            judged = Judged(is_right=name == "a")
            await feedback.put(Feedback(f"r-{name}", f"d-{name}", "damage", "1.0.0", judged))
        found = await feedback.judged("damage", "1.0.0", limit=10)
    assert [one.is_right for one in found] == [True, False]
    assert threads
    assert threading.current_thread() not in threads
