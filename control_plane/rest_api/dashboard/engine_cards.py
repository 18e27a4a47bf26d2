"""An engine in a few figures: its traffic, its releases and their shares, its rollout in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from control_plane.core.rollout import Rollout, Verdict, words_of
from control_plane.core.traffic import EngineSummary, Figures
from control_plane.rest_api.dashboard import tones, words
from control_plane.services.rollout_views import RolloutView
from control_plane.services.status import EngineView, ReleaseView

SPANS: Mapping[str, int] = {"1m": 60, "5m": 300, "15m": 900}
SPAN_WORDS: Mapping[str, str] = {"1m": "1 min", "5m": "5 min", "15m": "15 min"}

MANY_ERRORS, SOME_ERRORS = 0.1, 0.01
"""From which share of errors on it is said that something is wrong."""

VERDICT_WORDS: Mapping[str, str] = {
    Verdict.WORSE: "worse",
    Verdict.NOT_WORSE: "not worse",
    Verdict.UNDECIDED: "undecided yet",
    Verdict.ERROR: "nothing to judge by",
}


@dataclass(frozen=True, slots=True)
class Share:
    """One release in the engine's bar. word: what it is now: stable, canary, shadow …"""

    release: str
    bp: int
    tone: str
    word: str
    ready_on: int


@dataclass(frozen=True, slots=True)
class RolloutLine:
    """A rollout in a line. evidence: in a word; empty where nothing is compared."""

    rollout: Rollout
    what: str
    where: str
    tone: str
    evidence: str
    evidence_tone: str


@dataclass(frozen=True, slots=True)
class EngineCard:
    """figures: of the span that was asked; None while there was no request in it."""

    view: EngineView
    figures: Figures | None
    error_share: float | None
    shares: tuple[Share, ...]
    rollout: RolloutLine | None
    spark: Sequence[float | None] = ()

    @property
    def error_tone(self) -> str:
        """Empty where there are few enough errors to say nothing more of them."""
        share = self.error_share or 0.0
        return tones.BAD if share >= MANY_ERRORS else tones.WARN if share >= SOME_ERRORS else ""

    @property
    def failures_href(self) -> str:
        return failures_href(self.view.name)

    @property
    def bar(self) -> str:
        """What the bar shows, in words."""
        return ", ".join(
            f"{share.release} {words.basis_points(share.bp)}" for share in self.shares if share.bp
        )


def make_card(
    view: EngineView,
    summary: EngineSummary | None,
    span_s: int,
    rollout: RolloutView | None,
    spark: Sequence[float | None] = (),
) -> EngineCard:
    figures = summary.total[span_s] if summary is not None else None
    if figures is not None and not figures.requests:
        figures = None
    return EngineCard(
        view=view,
        figures=figures,
        error_share=error_share(figures),
        shares=shares_of(view),
        rollout=rollout_line(rollout) if rollout and not rollout.rollout.is_finished else None,
        spark=spark,
    )


def failures_href(engine: str) -> str:
    """Where the requests are that failed."""
    return f"/dashboard/traces?{urlencode({'engine': engine, 'failed': 'true'})}"


def error_share(figures: Figures | None) -> float | None:
    if figures is None or not figures.requests:
        return None
    return figures.errors / figures.requests


def shares_of(view: EngineView) -> tuple[Share, ...]:
    """The releases that have traffic or may be asked for, in the catalogue's order."""
    toned = tones.release_tones(release.release for release in view.releases)
    return tuple(
        Share(
            release=one.release,
            bp=one.weight_bp,
            tone=toned[one.release],
            word=_word_of(one),
            ready_on=len(one.ready_on),
        )
        for one in view.releases
        if one.weight_bp or one.shadow_bp or one.is_serving or one.is_stable
    )


def _word_of(release: ReleaseView) -> str:
    if release.is_stable:
        return "stable"
    if release.is_canary:
        return "canary"
    if release.shadow_bp:
        return f"shadow of {words.basis_points(release.shadow_bp)}"
    return "served by name"


def rollout_line(view: RolloutView) -> RolloutLine:
    rollout, look = view.rollout, view.step_assessment
    plan = rollout.plan
    where = words_of(rollout.state, rollout.paused_in)
    if rollout.step and plan.steps > 1:
        where = f"{where.replace('in a step', 'in step')} {rollout.step} of {plan.steps}"
    verdict = look.verdict if look is not None else None
    return RolloutLine(
        rollout=rollout,
        what=f"{plan.kind.value} {rollout.stable} → {rollout.target}",
        where=where,
        tone=tones.ROLLOUT[rollout.state],
        evidence=VERDICT_WORDS[verdict] if verdict else "",
        evidence_tone=tones.VERDICT[verdict] if verdict else tones.IDLE,
    )
