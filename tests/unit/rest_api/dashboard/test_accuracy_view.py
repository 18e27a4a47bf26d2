"""How right each release is, one beside the other."""

from __future__ import annotations

from control_plane.core.accuracy import Accuracy, Estimate, Metric
from control_plane.rest_api.dashboard.accuracy_view import show_accuracy
from tests.unit.rest_api.fakes import engine_view

VIEW = engine_view()  # 1.0.0 and 1.1.0
THIN = "\u202f"


def test_where_nothing_was_said_nothing_is_shown() -> None:
    assert show_accuracy({}, VIEW) == ()
    assert show_accuracy({"1.0.0": Accuracy()}, VIEW) == ()
    unknown = {"1.0.0": Accuracy(3, {Metric.RECALL: Estimate(None, photos=3)})}
    assert show_accuracy(unknown, VIEW) == ()


def test_releases_are_beside_each_other_in_their_colours() -> None:
    found = {
        "1.1.0": Accuracy(20, {Metric.RECALL: Estimate(0.9, 0.8, 0.95, 20)}),
        "1.0.0": Accuracy(
            40,
            {
                Metric.RECALL: Estimate(0.7, 0.6, 0.8, 40),
                Metric.COUNT_ERROR: Estimate(1.25, None, None, 1),
                Metric.COUNT_BIAS: Estimate(0.25, None, None, 1),
            },
        ),
        "0.9.0": Accuracy(9, {Metric.RECALL: Estimate(0.1, 0.0, 0.2, 9)}),
    }
    recall, miscounted = show_accuracy(found, VIEW)
    assert recall.name == "recall"
    assert [(one.release, one.tone) for one in recall.figures] == [("1.0.0", "a"), ("1.1.0", "b")]
    first = recall.figures[0]
    assert first.text == f"70{THIN}% (60{THIN}% to 80{THIN}%)"
    assert (first.low, first.value, first.high, first.photos) == (0.6, 0.7, 0.8, 40)
    # What is no share has no bar, and one photo no interval.
    (count,) = miscounted.figures
    assert (count.text, count.value) == ("1.25", None)


def test_a_share_that_may_be_above_one_has_no_bar() -> None:
    found = {"1.0.0": Accuracy(20, {Metric.VOLUME_ERROR: Estimate(1.5, 1.0, 2.0, 20)})}
    ((figure,),) = [row.figures for row in show_accuracy(found, VIEW)]
    assert (figure.text, figure.value) == (f"150{THIN}% (100{THIN}% to 200{THIN}%)", None)


def test_very_few_photos_have_a_figure_without_an_interval() -> None:
    found = {"1.0.0": Accuracy(2, {Metric.RECALL: Estimate(0.0, 0.0, 0.0, 2)})}
    ((figure,),) = [row.figures for row in show_accuracy(found, VIEW)]
    assert figure.text == f"0{THIN}%"
    assert figure.photos_words == f"of 2{THIN}photos: too few for an interval"
    enough = {"1.0.0": Accuracy(10, {Metric.RECALL: Estimate(0.5, 0.2, 0.8, 10)})}
    ((figure,),) = [row.figures for row in show_accuracy(enough, VIEW)]
    assert figure.photos_words == f"of 10{THIN}photos"
    assert (figure.low, figure.high) == (0.2, 0.8)
