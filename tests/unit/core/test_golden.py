"""An answer is the golden one within tolerance, and a flickering faint box does not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.answers import Tensors
from control_plane.core.golden import Differs, Matches, RowRule, Tolerance, compare_answer

EXACT = Tolerance(atol=0.0, rtol=0.0)
LOOSE = Tolerance(atol=0.5, rtol=0.0)
ROWS = Tolerance(atol=0.05, rtol=0.0, row_rule=RowRule(sure_score=0.5))


def floats(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def words(*values: bytes) -> npt.NDArray[np.object_]:
    return np.array(values, np.object_)


def reason(answer: Tensors, golden: Tensors, tolerance: Tolerance = LOOSE) -> str:
    result = compare_answer(answer, golden, tolerance)
    assert isinstance(result, Differs)
    return result.reason


class TestValues:
    @pytest.mark.parametrize("given_", [1.5, 2.0, 2.5])
    def test_floats_within_atol_match(self, given_: float) -> None:
        assert compare_answer({"V": floats(given_)}, {"V": floats(2)}, LOOSE) == Matches()

    def test_floats_beyond_it_differ_and_the_first_is_named(self) -> None:
        answer = {"V": np.array([[1, 2], [3.6, 9]], np.float32)}
        golden = {"V": np.array([[1, 2], [3, 4]], np.float32)}
        assert reason(answer, golden) == "V[1, 0] is 3.6; golden is 3.0"

    def test_rtol_is_a_share_of_the_golden_value(self) -> None:
        tolerance = Tolerance(atol=0.0, rtol=0.25)
        assert compare_answer({"V": floats(5)}, {"V": floats(4)}, tolerance) == Matches()
        assert reason({"V": floats(4)}, {"V": floats(5.5)}, tolerance)
        assert compare_answer({"V": floats(-5)}, {"V": floats(-4)}, tolerance) == Matches()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3e38])
    def test_what_is_no_finite_number_differs(self, value: float) -> None:
        assert reason({"V": floats(value)}, {"V": floats(3e38)})

    def test_integers_and_truths_have_no_tolerance(self) -> None:
        count = np.array([2], np.int32)
        assert compare_answer({"N": count}, {"N": count.copy()}, LOOSE) == Matches()
        assert reason({"N": count + 1}, {"N": count}) == "N[0] is 3; golden is 2"
        assert reason({"B": np.array([True])}, {"B": np.array([False])})

    def test_strings_are_equal_or_not(self) -> None:
        answer, golden = {"S": words(b"hail", b"wind")}, {"S": words(b"hail", b"wind")}
        assert compare_answer(answer, golden, EXACT) == Matches()
        assert reason({"S": words(b"hail", b"x" * 999)}, golden).startswith("S[1] is b'xxx")
        assert len(reason({"S": words(b"hail", b"x" * 999)}, golden)) < 200

    def test_every_output_is_compared_and_the_first_difference_told(self) -> None:
        golden = {"A": floats(1), "B": floats(1), "C": floats(1)}
        answer = {"A": floats(1), "B": floats(3), "C": floats(9)}
        assert reason(answer, golden) == "B[0] is 3.0; golden is 1.0"

    def test_nothing_matches_nothing(self) -> None:
        assert compare_answer({}, {}, EXACT) == Matches()
        assert compare_answer({"V": floats()}, {"V": floats()}, EXACT) == Matches()


class TestShapes:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ({}, "outputs are none; golden has V"),
            ({"V": floats(1, 2), "W": floats(1)}, "outputs are V, W; golden has V"),
            ({"V": floats(1)}, "V has shape (1,); golden has (2,)"),
            ({"V": np.array([[1, 2]], np.float32)}, "V has shape (1, 2); golden has (2,)"),
            ({"V": np.array([1, 2], np.float64)}, "V is of float64; golden is of float32"),
        ],
    )
    def test_names_dtypes_and_shapes_must_be_equal(
        self, answer: dict[str, npt.NDArray[Any]], told: str
    ) -> None:
        assert reason(answer, {"V": floats(1, 2)}) == told
        assert reason(answer, {"V": floats(1, 2)}, ROWS) == told


Row = tuple[float, float, bytes]


def detected(*rows: Row, size: int = 4, count: int | None = None, extra: int = 7) -> Tensors:
    """Rows of (left edge, score, class), padded; EXTRA belongs to no row."""
    padded = [*rows, *[(0.0, 0.0, b"")] * (size - len(rows))]
    return {
        "BOXES": np.array([[left, 1, 2, 3] for left, _, _ in padded], np.float32),
        "SCORES": np.array([score for _, score, _ in padded], np.float32),
        "CLASSES": np.array([label for _, _, label in padded], np.object_),
        "COUNT": np.array([len(rows) if count is None else count], np.int32),
        "EXTRA": np.array([extra], np.int32),
    }


HAIL: Row = (10.0, 0.9, b"hail")
WIND: Row = (20.0, 0.8, b"wind")
FAINT: Row = (30.0, 0.31, b"hail")


class TestRows:
    @pytest.mark.parametrize(
        ("answer", "golden"),
        [
            ([], []),
            ([HAIL, WIND], [HAIL, WIND]),
            ([WIND, HAIL], [HAIL, WIND]),
            ([HAIL, WIND], [HAIL, WIND, FAINT]),
            ([HAIL, WIND, FAINT], [HAIL, WIND]),
            ([FAINT], []),
            ([], [FAINT]),
            ([(10.04, 0.88, b"hail")], [HAIL]),
            # A row at the sure score may fall below it on the other side.
            ([(10.0, 0.48, b"hail")], [(10.0, 0.51, b"hail")]),
            ([(10.0, 0.51, b"hail")], [(10.0, 0.48, b"hail")]),
            ([HAIL, HAIL], [HAIL, HAIL]),
        ],
    )
    def test_these_match(self, answer: list[Row], golden: list[Row]) -> None:
        assert compare_answer(detected(*answer), detected(*golden), ROWS) == Matches()

    @pytest.mark.parametrize(
        ("answer", "golden", "told"),
        [
            ([], [HAIL], "golden row 0 is not found: BOXES [10.  1.  2.  3.], SCORES 0.9"),
            ([HAIL], [], "row 0 is not in golden: BOXES [10."),
            ([HAIL], [HAIL, WIND], "golden row 1 is not found"),
            ([HAIL, WIND], [WIND], "row 0 is not in golden"),
            ([(10.1, 0.9, b"hail")], [HAIL], "golden row 0"),
            ([(10.0, 0.84, b"hail")], [HAIL], "golden row 0"),
            ([(10.0, 0.9, b"wind")], [HAIL], "golden row 0"),
            ([HAIL], [HAIL, HAIL], "golden row 1"),
            ([HAIL, HAIL], [HAIL], "row 1 is not in golden"),
            ([(10.0, float("nan"), b"hail")], [], "row 0 is not in golden"),
            ([(10.0, 0.5, b"hail")], [], "row 0 is not in golden"),
            ([], [(10.0, 0.5, b"hail")], "golden row 0"),
        ],
    )
    def test_these_differ(self, answer: list[Row], golden: list[Row], told: str) -> None:
        assert reason(detected(*answer), detected(*golden), ROWS).startswith(told)

    @pytest.mark.parametrize("count", [-1, 5])
    def test_a_count_of_rows_that_are_not_there_differs(self, count: int) -> None:
        told = reason(detected(HAIL, count=count), detected(HAIL), ROWS)
        assert told == f"COUNT is {count} of 4 rows"

    def test_all_rows_may_be_real_and_what_lies_beyond_the_count_is_padding(self) -> None:
        assert compare_answer(detected(*[HAIL] * 4), detected(*[HAIL] * 4), ROWS) == Matches()
        hidden = detected(HAIL, WIND, count=1)
        assert compare_answer(hidden, detected(HAIL), ROWS) == Matches()
        assert compare_answer(detected(HAIL), hidden, ROWS) == Matches()

    def test_what_belongs_to_no_row_is_compared_as_ever(self) -> None:
        told = reason(detected(HAIL, extra=8), detected(HAIL), ROWS)
        assert told == "EXTRA[0] is 8; golden is 7"

    @pytest.mark.parametrize("made", [["BOXES", "SCORES", "COUNT"], ["BOXES"], ["SCORES", "EXTRA"]])
    def test_an_answer_has_the_rows_that_its_release_makes(self, made: list[str]) -> None:
        stored = {name: detected(HAIL)[name] for name in made}
        given_ = {name: detected(WIND)[name] for name in made}
        assert compare_answer(stored, stored, ROWS) == Matches()
        assert reason(given_, stored, ROWS)

    def test_scores_and_a_count_are_enough_to_be_rows(self) -> None:
        one, other = (
            {name: detected(*rows)[name] for name in ("SCORES", "COUNT")}
            for rows in ([HAIL, WIND], [WIND, HAIL])
        )
        assert compare_answer(one, other, ROWS) == Matches()

    def test_a_tensor_may_have_a_tolerance_of_its_own(self) -> None:
        rule = RowRule(sure_score=0.5)
        pixels = Tolerance(atol=0.05, rtol=0.0, row_rule=rule, atol_of={"BOXES": 2.0})
        golden = detected(HAIL)
        assert compare_answer(detected((12.0, 0.9, b"hail")), golden, pixels) == Matches()
        assert reason(detected((12.1, 0.9, b"hail")), golden, pixels)
        assert reason(detected((12.0, 0.8, b"hail")), golden, pixels)
        exact = Tolerance(atol=0.5, rtol=0.0, atol_of={"V": 0.0})
        assert reason({"V": floats(1.25)}, {"V": floats(1)}, exact) == "V[0] is 1.25; golden is 1.0"

    @given(
        st.lists(
            st.tuples(
                st.floats(0, 99, width=32), st.floats(0, 1, width=32), st.sampled_from([b"a", b"b"])
            ),
            max_size=4,
        ),
        st.randoms(use_true_random=False),
    )
    def test_the_same_rows_in_any_order_match(self, rows: list[Row], rng: Any) -> None:
        shuffled = rng.sample(rows, len(rows))
        assert compare_answer(detected(*shuffled), detected(*rows), ROWS) == Matches()
