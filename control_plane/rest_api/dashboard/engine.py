"""One engine: its releases and how they fare, its rollout, and what may be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from control_plane.core.detections import ALIASES
from control_plane.core.drift import LARGE, MODERATE, Against, Drift
from control_plane.core.rollout import Command
from control_plane.core.traffic import Figures
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.dashboard import charts, tones, words
from control_plane.rest_api.dashboard.accuracy_view import show_accuracy
from control_plane.rest_api.dashboard.actions import Act, Order
from control_plane.rest_api.dashboard.engine_cards import (
    SPAN_WORDS,
    SPANS,
    error_share,
    shares_of,
)
from control_plane.rest_api.dashboard.evidence import make_panel, place_of, roll_back_button
from control_plane.rest_api.dashboard.overview import read_rollout
from control_plane.rest_api.dashboard.pages import Asked, Page, check_choice
from control_plane.rest_api.dashboard.readings import Reading, Readings
from control_plane.rest_api.services import RestServices
from control_plane.rest_api.status import find_engine
from control_plane.services.rollout_views import RolloutView
from control_plane.services.status import EngineView, ReleaseView

PATH = "/dashboard/engines/{engine}"
FRAGMENTS = ("head", "rollout", "releases", "curves", "confidence", "accuracy", "history")
PERCENTILES = ("p50", "p95", "p99")
MOST_LISTED = 20
_AGAINST = {Against.STABLE: "stable", Against.REFERENCE: "its own beginning"}


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release in the table. figures: None while it had no request in the span."""

    view: ReleaseView
    tone: str
    figures: Figures | None
    error_share: float | None
    drift: Drift | None

    @property
    def _has_traffic(self) -> bool:
        """Now, or by name lately: what drifted before it was taken back warns of nothing."""
        view = self.view
        is_asked_for = view.is_serving and self.figures is not None
        return bool(view.weight_bp or view.shadow_bp or is_asked_for)

    @property
    def drift_tone(self) -> str:
        index = self.drift.index if self.drift is not None else None
        if index is None or index < MODERATE or not self._has_traffic:
            return tones.IDLE
        return tones.WARN if index >= LARGE else tones.INFO

    @property
    def drift_words(self) -> str:
        """Of the confidences; a dash where too few were seen to say anything."""
        if self.drift is None or self.drift.index is None:
            return words.NOTHING
        index = self.drift.index
        size = "large" if index >= LARGE else "moderate" if index >= MODERATE else "none"
        return f"{size}, {words.decimal(index)} against {_AGAINST[self.drift.against]}"


def make_engine_page(services: RestServices, readings: Readings) -> Page:
    async def look(asked: Asked) -> Mapping[str, object]:
        span = check_choice(asked, "span", tuple(SPANS))
        percentile = check_choice(asked, "latency", PERCENTILES)
        view = find_engine(asked["engine"], services.status.engines())
        latest, history, accuracy = await asyncio.gather(
            read_rollout(services, readings, view.name),
            _read_history(services, readings, view),
            readings.read(f"accuracy {view.name}", partial(services.accuracy.of, view.name)),
        )
        last = latest.value.rollout if latest.value else None
        return {
            "tones": tones,
            "spans": tuple(SPAN_WORDS.items()),
            "span_word": SPAN_WORDS[span],
            "percentiles": tuple((one, one) for one in PERCENTILES),
            "view": view,
            "shares": shares_of(view),
            "latest": latest,
            "panel": make_panel(latest.value) if latest.value else None,
            "roll_back": roll_back_button(view.name, last),
            "rows": _rows(services, view, SPANS[span]),
            "history": history,
            "accuracy": accuracy,
            "right": show_accuracy(accuracy.value or {}, view),
            **_drawn(services, view, SPANS[span], percentile),
        }

    filters = {"span": "15m", "latency": "p95"}
    return Page("engine", PATH, FRAGMENTS, look, filters=filters, nav="engine")


async def _read_history(
    services: RestServices, readings: Readings, view: EngineView
) -> Reading[Sequence[RolloutView]]:
    async def ask() -> Sequence[RolloutView]:
        return await services.rollouts.rollouts(engine=view.name, limit=MOST_LISTED)

    return await readings.read(f"history {view.name}", ask)


def _rows(services: RestServices, view: EngineView, span_s: int) -> list[ReleaseRow]:
    toned = tones.release_tones(release.release for release in view.releases)
    counted = services.traffic.summary().engines.get(view.name)
    summary = counted.summary if counted is not None else None
    drifts = counted.drifts if counted is not None else {}
    rows = []
    for release in view.releases:
        spans = summary.releases.get(release.release) if summary is not None else None
        figures = spans[span_s] if spans is not None and spans[span_s].requests else None
        rows.append(
            ReleaseRow(
                view=release,
                tone=toned[release.release],
                figures=figures,
                error_share=error_share(figures),
                drift=drifts.get(release.release),
            )
        )
    return rows


def _drawn(
    services: RestServices, view: EngineView, span_s: int, percentile: str
) -> Mapping[str, object]:
    """The curves; None where there is nothing to draw."""
    toned = tones.release_tones(release.release for release in view.releases)
    seen = services.traffic.curves(view.name, float(span_s))
    confidences = seen.curves.confidences
    bars = None
    if any(charts.total_of(one) for one in confidences.values()):
        bars = charts.confidence_bars(confidences, toned)
    curves: Mapping[str, str] | None = None
    if charts.moments(seen) is not None:
        pick = {
            "p50": lambda curve: curve.p50_ms,
            "p95": lambda curve: curve.p95_ms,
            "p99": lambda curve: curve.p99_ms,
        }
        curves = {
            "shares": charts.traffic_shares(seen, toned),
            "latency": charts.lines(seen, toned, "ms", pick[percentile]),
            "errors": charts.lines(seen, toned, "%", charts.error_shares),
        }
    return {
        "curves": curves,
        "is_merged": seen.is_merged,
        "bars": bars,
        "answers": {release: charts.total_of(one) for release, one in confidences.items()},
    }


def make_engine_actions(services: RestServices) -> Mapping[str, Act]:
    return {
        PATH + "/rollout/{action}": partial(_command, services),
        PATH + "/rollback": partial(_roll_back, services),
    }


async def _command(services: RestServices, order: Order) -> str:
    """``rollout``: the id of the one that the page showed, so that no other is steered."""
    try:
        command = Command(order.path["action"])
    except ValueError:
        known = ", ".join(one.value for one in Command)
        raise InvalidArgument(
            f"a rollout knows no {order.path['action'][:80]!r}; it knows {known}", field="action"
        ) from None
    rollout_id = order.fields.get("rollout", "")
    if not rollout_id:
        raise InvalidArgument("rollout is missing: name the one to steer", field="rollout")
    if command is Command.ADVANCE:
        await _check_place(services, rollout_id, order.fields.get("place"))
    view = await services.rollouts.command(rollout_id, command, who=order.who, reason=order.reason)
    return f"{_DONE[command]} {view.rollout.rollout_id}. It is {_where(view)} now."


async def _check_place(services: RestServices, rollout_id: str, place: str | None) -> None:
    """Raises CONFLICT where the rollout has moved on by itself since it was asked about: the
    step that would begin is then not the one that was agreed to."""
    if place is None:
        return
    rollout = (await services.rollouts.show(rollout_id)).rollout
    if place != place_of(rollout):
        raise ControlPlaneError(
            ErrorCode.CONFLICT,
            f"{rollout_id} has moved on since you were asked; look at where it is, and order "
            "again what you want",
        )


async def _check_latest(services: RestServices, engine: str, rollout_id: str | None) -> None:
    """Raises CONFLICT where the engine has had another rollout since it was asked about."""
    if rollout_id is None:
        return
    latest = (await services.rollouts.show(engine)).rollout
    if latest.rollout_id != rollout_id:
        raise ControlPlaneError(
            ErrorCode.CONFLICT,
            f"{engine} has had another rollout since you were asked, {latest.rollout_id}; look "
            "at it, and order again what you want",
        )


async def _roll_back(services: RestServices, order: Order) -> str:
    """``rollout``: the id of the one that the page showed, so that no other is taken back."""
    name = order.path["engine"]
    await _check_latest(services, ALIASES.get(name, name), order.fields.get("rollout"))
    view = await services.rollouts.roll_back(
        ALIASES.get(name, name), to=None, who=order.who, reason=order.reason
    )
    rollout = view.rollout
    to = rollout.target if rollout.is_reversal else rollout.stable
    return f"Rolling {rollout.engine} back to {to}: {rollout.rollout_id} is {_where(view)} now."


_DONE = {
    Command.PAUSE: "Paused",
    Command.RESUME: "Resumed",
    Command.ADVANCE: "Advanced",
    Command.ABORT: "Aborted",
}


def _where(view: RolloutView) -> str:
    return make_panel(view).where
