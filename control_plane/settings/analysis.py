"""The settings of the analysis: how sure a judgement of a release must be, and of what."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.core.analysis import AnalysisOptions, Margin, Metric
from control_plane.core.gates import Condition, Gate
from control_plane.settings.request_path import EngineName
from control_plane.settings.section import Section

Share = Annotated[float, Field(ge=0, le=1)]


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    is_plain = value.isascii() and value.isprintable() and not set(value) & set(" @?#\\")
    if not (is_sound and is_plain):
        raise PydanticCustomError(
            "url", "should be http://host:port or https://host:port, without credentials or query"
        )
    return value


def _check_condition(value: str) -> str:
    try:
        Condition.read(value)
    except ValueError as error:
        raise PydanticCustomError(
            "condition", "should be a condition: {why}", {"why": str(error)}
        ) from None
    return value


class AlphaShareSettings(Section):
    """How ``analysis.alpha`` is shared out; at most 1 together."""

    errors: float = Field(default=0.75, gt=0, le=1, description="of alpha, for errors")
    latency: Share = Field(default=0.10, description="of alpha, for slow answers; 0: not judged")
    confidence: Share = Field(
        default=0.10, description="of alpha, for drifted confidences; 0: not judged"
    )
    sample_ratio: Share = Field(
        default=0.05, description="of alpha, for a split that is off; 0: not judged"
    )


class MarginSettings(Section):
    """How much worse than the stable release still counts as no worse."""

    absolute: float = Field(
        default=0.01, gt=0, lt=0.5, description="more than stable's share by so much is worse"
    )
    ratio: float = Field(
        default=1.5,
        gt=1,
        le=2,
        description="more than so many times stable's share is worse; the wider of the two counts",
    )


class QuerySettings(Section):
    """One question to Prometheus."""

    name: str = Field(
        pattern=r"^[a-z0-9_-]+$", max_length=63, description="shown as query:NAME in the evidence"
    )
    query: str = Field(
        min_length=1,
        max_length=4096,
        description="PromQL with {engine}, {release} and {stable}, that yields one number",
    )
    condition: Annotated[str, Field(max_length=100), AfterValidator(_check_condition)] = Field(
        description="what must hold of a good release, such as result < 0.05"
    )
    interval_s: float = Field(default=30, ge=1, le=3600, description="how often it is asked")
    failures: int = Field(
        default=2, ge=1, le=100, description="failing measures in a row that roll a release back"
    )


class PrometheusSettings(Section):
    """The Prometheus that rollouts ask, besides what is counted here."""

    url: Annotated[str, Field(max_length=500), AfterValidator(_check_url)] | None = Field(
        default=None, description="where Prometheus is; no query is asked if not set"
    )
    token: SecretStr | None = Field(
        default=None, description="sent as a bearer token, if it wants one"
    )
    timeout_s: float = Field(default=5, gt=0, le=60, description="how long a query may take")
    queries: tuple[QuerySettings, ...] = Field(
        default=(), max_length=32, description="what is asked of a rollout's target besides counts"
    )

    @field_validator("queries")
    @classmethod
    def _has_unique_names(cls, value: tuple[QuerySettings, ...]) -> tuple[QuerySettings, ...]:
        names = [query.name for query in value]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "unique_names", "names two queries {name}", {"name": repr(name)}
                )
        return value

    @model_validator(mode="after")
    def _has_somebody_to_ask(self) -> PrometheusSettings:
        if self.queries and self.url is None:
            raise PydanticCustomError(
                "url",
                "should be set: there are {count} queries, and no Prometheus to ask",
                {"field": "analysis.prometheus.url", "count": len(self.queries)},
            )
        return self


class ShadowSettings(Section):
    """How much may be copied to a release that answers nobody."""

    concurrency: int = Field(
        default=4, ge=1, le=1000, description="copies of one engine's requests under way at once"
    )
    max_waiting: int = Field(
        default=32, ge=1, le=10_000, description="copies of one engine's requests that may wait"
    )
    max_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024 * 1024,
        le=16 * 1024**3,
        description="bytes of requests and answers held for copies, of all engines",
    )


class EngineAnalysisSettings(Section):
    """What is judged otherwise of one engine."""

    confidence: bool = Field(
        default=True, description="whether a drift of this engine's confidences is judged at all"
    )
    confidence_tolerance: float | None = Field(
        default=None, ge=0, lt=0.5, description="as for all engines if not set"
    )
    confidence_margin: float | None = Field(
        default=None, gt=0, le=0.5, description="as for all engines if not set"
    )


class AnalysisSettings(Section):
    """How sure a judgement of a new release must be, and of what."""

    alpha: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="chance that a rollout of a release that is no worse is ever rolled back",
    )
    alpha_shares: AlphaShareSettings = AlphaShareSettings()
    tolerated_error_ratio: float = Field(
        default=1, ge=1, le=10, description="times stable's errors that are no alarm"
    )
    tolerated_slow_ratio: float = Field(
        default=1.25, ge=1, le=10, description="times stable's slow answers that are no alarm"
    )
    error_margin: MarginSettings = MarginSettings()
    slow_margin: MarginSettings = MarginSettings()
    confidence_tolerance: float = Field(
        default=0.03, ge=0, lt=0.5, description="drift of the mean confidence that is no alarm"
    )
    confidence_margin: float = Field(
        default=0.1,
        gt=0,
        le=0.5,
        validate_default=True,
        description="drift of the mean confidence that a good release must be shown not to have",
    )
    least_units: int = Field(
        default=50,
        ge=1,
        le=1_000_000,
        description="requests that each release must have in a step before it may go on",
    )
    baseline_window_s: float = Field(
        default=600,
        ge=10,
        le=86_400,
        description="how far back stable's latency and confidence are looked at before a step",
    )
    max_keys: int = Field(
        default=200_000,
        ge=1_000,
        le=10_000_000,
        description="routing keys told apart in one rollout; requests of further ones do not count",
    )
    max_waiting: int = Field(
        default=4096,
        ge=16,
        le=1_000_000,
        description="ended requests that may wait to be counted; further ones do not count",
    )
    engines: dict[EngineName, EngineAnalysisSettings] = Field(
        default_factory=dict, max_length=256, description="what differs for single engines, by name"
    )
    shadow: ShadowSettings = ShadowSettings()
    prometheus: PrometheusSettings = PrometheusSettings()

    @model_validator(mode="after")
    def _engines_over_tolerance(self) -> AnalysisSettings:
        for name, engine in self.engines.items():
            tolerance, margin = _confidence(self, engine)
            if margin <= tolerance:
                raise PydanticCustomError(
                    "bounds",
                    "should be over its confidence_tolerance, {least}",
                    {
                        "field": f"analysis.engines.{name}.confidence_margin",
                        "least": tolerance,
                    },
                )
        return self

    @field_validator("alpha_shares")
    @classmethod
    def _sum_to_one(cls, value: AlphaShareSettings) -> AlphaShareSettings:
        total = value.errors + value.latency + value.confidence + value.sample_ratio
        if total > 1 + 1e-9:
            raise PydanticCustomError(
                "shares", "should sum to at most 1, not {total}", {"total": f"{total:g}"}
            )
        return value

    @field_validator("confidence_margin")
    @classmethod
    def _over_tolerance(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("confidence_tolerance", 0.0)
        if value <= least:
            raise PydanticCustomError(
                "bounds",
                "should be over analysis.confidence_tolerance, {least}",
                {"least": least},
            )
        return value


def analysis_options(settings: AnalysisSettings) -> AnalysisOptions:
    """What ``judge`` is told."""
    shares = settings.alpha_shares
    return AnalysisOptions(
        alpha=settings.alpha,
        alpha_shares={
            Metric.ERRORS: shares.errors,
            Metric.LATENCY: shares.latency,
            Metric.CONFIDENCE: shares.confidence,
            Metric.SAMPLE_RATIO: shares.sample_ratio,
        },
        tolerated_error_ratio=settings.tolerated_error_ratio,
        tolerated_slow_ratio=settings.tolerated_slow_ratio,
        error_margin=Margin(settings.error_margin.absolute, settings.error_margin.ratio),
        slow_margin=Margin(settings.slow_margin.absolute, settings.slow_margin.ratio),
        confidence_tolerance=settings.confidence_tolerance,
        confidence_margin=settings.confidence_margin,
        least_units=settings.least_units,
    )


def analysis_by_engine(settings: AnalysisSettings) -> dict[str, AnalysisOptions]:
    """What ``judge`` is told of the engines that the settings name."""
    found = {}
    for name, engine in settings.engines.items():
        tolerance, margin = _confidence(settings, engine)
        options = analysis_options(settings)
        shares = dict(options.alpha_shares)
        if not engine.confidence:
            shares[Metric.CONFIDENCE] = 0.0
        found[name] = replace(
            options,
            alpha_shares=shares,
            confidence_tolerance=tolerance,
            confidence_margin=margin,
        )
    return found


def _confidence(settings: AnalysisSettings, engine: EngineAnalysisSettings) -> tuple[float, float]:
    """An engine's tolerance and margin."""
    tolerance, margin = engine.confidence_tolerance, engine.confidence_margin
    return (
        settings.confidence_tolerance if tolerance is None else tolerance,
        settings.confidence_margin if margin is None else margin,
    )


def gates_of(settings: AnalysisSettings) -> tuple[Gate, ...]:
    """The queries as gates."""
    return tuple(
        Gate(
            name=one.name,
            query=one.query,
            condition=Condition.read(one.condition),
            interval_s=one.interval_s,
            failures=one.failures,
        )
        for one in settings.prometheus.queries
    )
