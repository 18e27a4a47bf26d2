"""The data of curves and bars, as ``charts.js`` draws them: JSON in an attribute of an element."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import orjson

from control_plane.core.traffic import Curve, Distribution
from control_plane.services.traffic import CurvesView

Values = Sequence[float | None]


def lines(
    view: CurvesView, toned: Mapping[str, str], unit: str, pick: Callable[[Curve], Values]
) -> str:
    """A curve for each release. toned: the releases' tones; one that is not in it is left out:
    it is in the catalogue no more."""
    return _written(
        {
            "at": [round(at.timestamp(), 1) for at in view.at],
            "unit": unit,
            "series": [
                {"label": release, "tone": tone, "values": _rounded(pick(curve))}
                for release, tone in toned.items()
                if (curve := view.curves.releases.get(release)) is not None
            ],
        }
    )


def traffic_shares(view: CurvesView, toned: Mapping[str, str]) -> str:
    """The part of the engine's requests that each release had, step by step; nothing where there
    was no request."""
    totals = [
        sum(rates) for rates in zip(
            *(curve.requests_per_s for curve in view.curves.releases.values()), strict=True
        )
    ]  # fmt: skip

    def share(curve: Curve) -> Values:
        return [
            rate / total if total else None
            for rate, total in zip(curve.requests_per_s, totals, strict=True)
        ]

    return lines(view, toned, "%", share)


def error_shares(curve: Curve) -> Values:
    return [
        errors / requests if requests else None
        for errors, requests in zip(curve.errors_per_s, curve.requests_per_s, strict=True)
    ]


def confidence_bars(seen: Mapping[str, Distribution], toned: Mapping[str, str]) -> str:
    """How sure the answers of each release were: the share of them in each tenth."""
    found = {release: seen[release] for release in toned if total_of(seen.get(release))}
    bounds = next(iter(found.values())).bounds if found else ()
    return _written(
        {
            "bounds": [round(bound, 3) for bound in bounds],
            "unit": "%",
            "series": [
                {
                    "label": release,
                    "tone": toned[release],
                    # What is above all bounds cannot be: a confidence is 1 at most.
                    "values": _rounded(
                        [count / total_of(one) for count in one.counts[: len(bounds)]], 4
                    ),
                }
                for release, one in found.items()
            ],
        }
    )


def total_of(seen: Distribution | None) -> int:
    """How many answers a distribution is of."""
    return sum(seen.counts) if seen is not None else 0


def rates(view: CurvesView) -> list[float | None]:
    """The engine's requests a second, step by step: for a line without a scale."""
    each = [curve.requests_per_s for curve in view.curves.releases.values()]
    return [round(sum(step), 2) for step in zip(*each, strict=True)]


def moments(view: CurvesView) -> tuple[datetime, datetime] | None:
    """From when to when the curves go; None while there is nothing to draw."""
    return (view.at[0], view.at[-1]) if len(view.at) > 1 and view.curves.releases else None


def _rounded(values: Values, digits: int = 3) -> list[float | None]:
    return [None if value is None else round(value, digits) for value in values]


def _written(data: Mapping[str, object]) -> str:
    return orjson.dumps(data).decode()
