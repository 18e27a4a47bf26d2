"""Every value that is stored comes back as it was, and no other value does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from enum import StrEnum
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.adapters.stores.documents import (
    UnreadableDocument,
    copy_of,
    from_json,
    to_fields,
    to_json,
)
from control_plane.core.analysis import ArmCounts, Step, StepCounts
from control_plane.core.analysis.counts import ALL_BP, BUCKETS
from control_plane.core.catalogue import Release
from control_plane.core.rollout import (
    IGNORABLE,
    Assessment,
    Kind,
    MetricFigures,
    Plan,
    Rollout,
    Verdict,
)
from control_plane.core.rollout import State as RolloutState
from control_plane.core.routing import Route, RoutingTable, Shadow, Trial
from control_plane.core.state import (
    AuditEntry,
    Change,
    EngineState,
    Hold,
    HoldKind,
    KeyedUnit,
    PlaneReport,
    State,
)
from control_plane.ports import RolloutCounts
from tests.contract.stores import samples

names = st.text(max_size=12)
# Lone surrogates too: what JSON escapes need not be what a database encodes.
words = st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
wholes = st.integers(min_value=0, max_value=2**53)
shares = st.floats(min_value=0, max_value=1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


plans = st.one_of(
    st.builds(
        Plan,
        kind=st.just(Kind.CANARY),
        steps_percent=st.sets(st.integers(1, 100), min_size=1, max_size=20).map(
            lambda found: tuple(sorted(found))
        ),
        shadow_percent=st.integers(0, 100),
        min_step_s=st.floats(0, 100),
        max_step_s=st.floats(100, 1000),
        min_samples=st.integers(1, 1000),
        max_prepare_s=st.floats(1, 1000),
        is_manual=st.booleans(),
        ignored=st.permutations(IGNORABLE).map(tuple) | st.just(()),
    ),
    st.builds(Plan.shadow, st.integers(1, 100)),
    st.builds(Plan.experiment, st.integers(1, 99)),
    st.builds(Plan.direct, max_prepare_s=st.integers(1, 1000)),
)
rollouts = st.builds(
    Rollout,
    words,
    words,
    words,
    words,
    plans,
    st.sampled_from(RolloutState),
    wholes,
    numbers,
    maybe(st.sampled_from(RolloutState)),
    words,
    st.booleans(),
    numbers,
)
trials = st.builds(Trial, words, wholes, numbers, shares)
engine_states = st.builds(EngineState, words, maybe(rollouts), maybe(trials))
releases = st.builds(
    Release, words, words, st.dictionaries(words, wholes, max_size=3), st.booleans()
)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    serving = draw(st.dictionaries(names, releases, min_size=1, max_size=4))
    order = draw(st.permutations(list(serving)))
    first = draw(st.integers(0, ALL_BP))
    weights = {order[0]: first, order[-1]: ALL_BP - first} if len(order) > 1 else {order[0]: ALL_BP}
    served = st.sampled_from(order)
    return Route(
        engine=draw(words),
        salt=draw(words),
        stable=draw(words),
        weights_bp=weights,
        serving=serving,
        known=draw(st.frozensets(words, max_size=4)),
        canary=draw(maybe(words)),
        fallback=draw(maybe(served)),
        shadow=draw(maybe(st.builds(Shadow, served, st.integers(0, ALL_BP)))),
        trial=draw(maybe(trials)),
    )


tables = st.builds(RoutingTable, wholes, st.dictionaries(words, routes(), max_size=3))
holds = st.builds(Hold, st.sampled_from(HoldKind), words)
states = st.builds(
    State,
    wholes,
    st.dictionaries(words, engine_states, max_size=3),
    tables,
    st.dictionaries(words, holds, max_size=3),
)
changes = st.dictionaries(words, json_values, max_size=3)
entries = st.builds(AuditEntry, *[words] * 6, changes, changes)
arms = st.integers(0, 1000).flatmap(
    lambda units: st.builds(
        ArmCounts,
        st.just(units),
        st.integers(0, units),
        st.integers(0, units),
        st.integers(0, units // BUCKETS).map(lambda each: (each,) * BUCKETS),
    )
)
step_counts = st.builds(
    StepCounts,
    st.builds(Step, st.integers(1, 20), st.integers(100, ALL_BP - 1), shares),
    st.integers(0, 99),
    arms,
    arms,
)
counts = st.builds(
    RolloutCounts,
    st.lists(step_counts, max_size=3).map(tuple),
    st.lists(step_counts, max_size=3).map(tuple),
    st.dictionaries(wholes, wholes, max_size=3),
    st.dictionaries(words, wholes, max_size=3),
)
keyed = st.builds(
    KeyedUnit,
    st.integers(0, 2**64 - 1),
    wholes,
    wholes,
    shares,
    *[st.booleans()] * 3,
    maybe(st.integers(0, BUCKETS - 1)),
)
pairs = st.tuples(words, words)
reports = st.builds(
    PlaneReport,
    words,
    wholes,
    st.frozensets(pairs, max_size=4),
    st.dictionaries(words, st.dictionaries(pairs, wholes, max_size=3), max_size=3),
)
figures = st.builds(
    MetricFigures,
    words,
    st.sampled_from(Verdict),
    *[numbers] * 2,
    maybe(numbers),
    numbers,
    *[maybe(numbers)] * 2,
)
assessments = st.builds(
    Assessment,
    numbers,
    wholes,
    st.sampled_from(Verdict),
    words,
    wholes,
    st.lists(figures, max_size=3).map(tuple),
)
change_sets = st.builds(
    Change,
    st.dictionaries(words, engine_states, max_size=2),
    maybe(tables),
    st.dictionaries(words, maybe(holds), max_size=2),
    st.lists(entries, max_size=2).map(tuple),
)
values = st.one_of(
    states, change_sets, entries, counts, keyed, reports, assessments, rollouts, tables, holds
)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    text = to_json(value)

    again = from_json(type(value), text)

    assert again == value
    assert hash_of_order(again) == hash_of_order(value)
    assert text.isascii()
    assert "\0" not in text
    json.loads(text, parse_constant=pytest.fail)


def hash_of_order(value: Any) -> Any:
    """Equal mappings may differ in their order, and 1 equals 1.0 and True."""
    if isinstance(value, Mapping):
        return [(key, hash_of_order(one)) for key, one in value.items()]
    if isinstance(value, (tuple, list)):
        return [hash_of_order(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        # A duration given as a whole number is stored as what the field says it is.
        return [hash_of_order(getattr(value, one.name)) for one in fields(value)]
    return float(value) if type(value) is int and value < 2**53 else value


SAMPLES = (
    samples.engine_state(),
    samples.table(),
    samples.entry(),
    samples.report("a"),
    samples.assessment(3),
    RolloutCounts((samples.step_counts(),)),
)


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: type(value).__name__)
def test_an_older_document_lacks_what_has_a_default(value: Any) -> None:
    document = json.loads(to_json(value))
    needed = [f.name for f in fields(value) if f.default is f.default_factory is MISSING]
    bare = {name: document[name] for name in needed}

    read = json.loads(to_json(from_json(type(value), json.dumps(bare))))

    assert read != document
    assert {name: read[name] for name in needed} == bare


def test_a_rollout_stored_before_anything_could_be_ignored_ignores_nothing() -> None:
    document = json.loads(to_json(samples.rollout()))
    del document["plan"]["ignored"]

    read = from_json(Rollout, json.dumps(document))

    plan = samples.rollout().plan
    assert plan.ignored == ("confidence", "latency")
    assert read == replace(samples.rollout(), plan=replace(plan, ignored=()))


def with_field(text: str, path: tuple[str | int, ...], name: str = "later") -> str:
    document = json.loads(text)
    place = document
    for part in path:
        place = place[part]
    place[name] = 1
    return json.dumps(document)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (samples.engine_state(), ()),
        (samples.engine_state(), ("rollout",)),
        (samples.engine_state(), ("rollout", "plan")),
        (samples.engine_state(), ("trial",)),
        (samples.table(), ("routes", "damage")),
        (samples.table(), ("routes", "damage", "shadow")),
        (samples.table(), ("routes", "damage", "serving", "1.0.0")),
        (RolloutCounts((samples.step_counts(),)), ()),
        (RolloutCounts((samples.step_counts(),)), ("steps", 0)),
        (RolloutCounts((samples.step_counts(),)), ("steps", 0, "step")),
        (Hold(HoldKind.DRAINED, "x"), ()),
    ],
)
def test_a_later_field_is_not_lost_by_who_does_not_know_it(
    value: Any, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(UnreadableDocument, match=r"'later'.*newer"):
        from_json(type(value), with_field(to_json(value), path))


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (samples.assessment(3), ()),
        (samples.assessment(3), ("metrics", 0)),
        (samples.entry(), ()),
        (samples.report("a"), ()),
    ],
)
def test_a_later_field_of_what_is_only_shown_is_ignored(
    value: Any, path: tuple[str | int, ...]
) -> None:
    assert from_json(type(value), with_field(to_json(value), path)) == value


@pytest.mark.parametrize("number", [nan, inf, -inf])
@pytest.mark.parametrize(
    "build",
    [
        lambda number: replace(samples.rollout(), since_s=number),
        lambda number: replace(samples.TRIAL, slow_s=number),
        lambda number: replace(samples.entry(), before={"a": [{"b": number}]}),
        lambda number: replace(samples.assessment(1), at_s=number),
        lambda number: replace(samples.unit(1), confidence_centre=number),
    ],
)
def test_what_is_no_number_is_refused(build: Callable[[float], Any], number: float) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        to_json(build(number))


def test_half_of_a_whole_number_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json(replace(samples.unit(1), step=1.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("odd", [{1: "a"}, {"a": object()}, {"a": {2}}, {"a": b"x"}])
def test_what_is_no_json_is_refused(odd: Any) -> None:
    with pytest.raises(ValueError, match="should be text"):
        to_json(replace(samples.entry(), after=odd))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Hold, "{", "Hold: the document is not JSON"),
        (Hold, "[]", "Hold should be dict"),
        (Hold, '{"kind": "drained"}', "Hold lacks the field 'reason'"),
        (Hold, '{"kind": "burnt", "reason": ""}', "Hold.kind is 'burnt', which this Tidegate"),
        (Hold, '{"kind": ["drained"], "reason": ""}', "Hold.kind is"),
        (Hold, '{"kind": "drained", "reason": 1}', "Hold.reason should be str, not 1"),
        (Shadow, '{"release": "a", "share_bp": true}', "Shadow.share_bp should be int, not True"),
        (Shadow, '{"release": "a", "share_bp": 1.0}', "Shadow.share_bp should be int"),
        (Trial, '{"rollout_id": "r", "step": 1, "slow_s": "1"}', "Trial.slow_s should be float"),
        (Trial, '{"rollout_id": "r", "step": 1, "slow_s": NaN}', "Trial.slow_s should be finite"),
        (Trial, '{"rollout_id": "r", "step": 1, "slow_s": null}', "Trial.slow_s should be float"),
        (Trial, '{"rollout_id": "r", "step": 1, "slow_s": 1e999}', "Trial.slow_s should be finite"),
        (
            Trial,
            '{"rollout_id": "r", "step": 1, "slow_s": 1' + "0" * 400 + "}",
            "Trial.slow_s should be float",
        ),
        (PlaneReport, '{"plane": "a", "revision": 1, "routed": [["x"]]}', "should have 2 parts"),
        (PlaneReport, '{"plane": "a", "revision": 1, "routed": {}}', "routed should be list"),
        (Plan, '{"steps_percent": [5, 5]}', "Plan cannot be: steps_percent"),
        (Plan, '{"ignored": ["errors"]}', "Plan cannot be: ignore names 'errors'"),
        (ArmCounts, '{"units": 1, "errors": 2}', "ArmCounts cannot be: counts must not"),
        (RoutingTable, '{"routes": {"a": {"engine": 1}}}', "RoutingTable.routes['a'] lacks"),
    ],
)
def test_a_document_that_is_no_such_value_is_told(kind: type, text: str, said: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        from_json(kind, text)

    assert said in str(caught.value)


def test_a_whole_number_is_read_as_the_float_that_it_is_now() -> None:
    read = from_json(Trial, '{"rollout_id": "r", "step": 1, "slow_s": 2}')

    assert read.slow_s == 2
    assert type(read.slow_s) is float


def test_a_copy_shares_nothing_that_can_change() -> None:
    after = {"x": [1]}
    entry = replace(samples.entry(), after=after)

    copied = copy_of(entry)
    after["x"].append(2)

    assert copied.after == {"x": [1]}


def test_fields_are_as_the_document_has_them() -> None:
    assert to_fields(Hold(HoldKind.DRAINED, "x")) == {"kind": "drained", "reason": "x"}
    assert type(to_fields(Hold(HoldKind.DRAINED, "x"))["kind"]) is str


def test_text_of_another_class_is_stored_as_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert copy_of(replace(samples.entry(), who=Colour.RED)).who == "red"
    assert type(to_fields(replace(samples.entry(), who=Colour.RED))["who"]) is str


def test_a_class_that_no_document_can_hold_is_a_mistake_of_ours() -> None:
    @dataclass
    class Odd:
        when: complex

    with pytest.raises(TypeError, match="no document holds"):
        to_json(Odd(1j))
