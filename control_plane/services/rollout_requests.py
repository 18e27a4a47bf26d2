"""What is asked of rollouts, as both APIs and the command line mean it.

Puts a plan together from what a person said and the server's defaults. Whether a plan makes
sense is checked by ``Plan``; here only that nothing was said that its kind does not know, so
that nobody waits for a step that will never come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import DEFAULT_STEPS_PERCENT, Assessment, Command, Kind, Plan
from control_plane.core.state import AuditRecord
from control_plane.errors import InvalidArgument
from control_plane.services.rollout_views import RolloutView

MAX_WHO_CHARACTERS = 100

T = TypeVar("T")


class RolloutService(Protocol):
    """The rollouts of all engines. Raises ControlPlaneError, also STORE_UNAVAILABLE.

    who, reason: for the audit, as ``check_who`` and ``check_reason`` let them through.
    rollout_id: an id, a prefix of only one, or an engine's name for its latest rollout;
        NOT_FOUND otherwise.
    """

    async def start(
        self, engine: str, release: str, plan: Plan, *, who: str, reason: str
    ) -> RolloutView:
        """UNKNOWN_ENGINE, UNKNOWN_RELEASE, INVALID_ARGUMENT, CONFLICT."""
        ...

    async def experiment(
        self,
        engine: str,
        split: Mapping[str, int],
        *,
        ignored: tuple[str, ...] = (),
        who: str,
        reason: str,
    ) -> RolloutView:
        """As ``start``. ignored: as of a plan."""
        ...

    async def roll_back(self, engine: str, *, to: str | None, who: str, reason: str) -> RolloutView:
        """As ``start``."""
        ...

    async def command(
        self, rollout_id: str, command: Command, *, who: str, reason: str
    ) -> RolloutView:
        """CONFLICT where the command makes no sense in the state that the rollout is in."""
        ...

    async def rollouts(
        self, *, engine: str | None = None, limit: int = 50
    ) -> tuple[RolloutView, ...]:
        """The latest first."""
        ...

    async def show(self, rollout_id: str) -> RolloutView: ...

    async def evidence(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        """The latest looks, the oldest first."""
        ...

    async def audit(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        """The latest first."""
        ...


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A plan as it was asked for; None is what was left out."""

    kind: Kind = Kind.CANARY
    steps_percent: tuple[int, ...] | None = None
    shadow_percent: int | None = None
    min_step_s: float | None = None
    max_step_s: float | None = None
    min_samples: int | None = None
    is_manual: bool | None = None
    ignored: tuple[str, ...] = ()
    accuracy: AccuracyGate | None = None


_KNOWN: Mapping[Kind, frozenset[str]] = {
    Kind.CANARY: frozenset(
        {"steps_percent", "shadow_percent", "min_step_s", "max_step_s", "min_samples", "manual"}
        | {"ignore", "accuracy"}
    ),
    Kind.SHADOW: frozenset({"shadow_percent", "ignore"}),
    Kind.DIRECT: frozenset(),
    Kind.EXPERIMENT: frozenset({"ignore"}),
}


@dataclass(frozen=True, slots=True)
class PlanDefaults:
    """What a plan has where nothing was said.

    shadow_percent: of a rollout of kind shadow; a canary has no shadow unless one is asked for.
    """

    steps_percent: tuple[int, ...] = DEFAULT_STEPS_PERCENT
    min_step_s: float = 60.0
    max_step_s: float = 3600.0
    min_samples: int = 100
    shadow_percent: int = 10
    max_prepare_s: float = 600.0

    def plan(self, asked: PlanRequest) -> Plan:
        """Raises InvalidArgument, also for what the kind of the rollout does not know.

        A limit that was left out makes room for the one that was said: a step of two hours at
        least takes two hours at most, where the default is one.
        """
        check_known(asked)
        match asked.kind:
            case Kind.DIRECT:
                return Plan.direct(max_prepare_s=self.max_prepare_s)
            case Kind.SHADOW:
                share = _or(asked.shadow_percent, self.shadow_percent)
                return Plan(
                    Kind.SHADOW,
                    (),
                    share,
                    max_prepare_s=self.max_prepare_s,
                    ignored=asked.ignored,
                )
            case Kind.EXPERIMENT:
                raise InvalidArgument("an experiment has a split, not a plan", field="kind")
            case Kind.CANARY:
                return self._canary(asked)

    def _canary(self, asked: PlanRequest) -> Plan:
        least_s, most_s = asked.min_step_s, asked.max_step_s
        if least_s is None:
            least_s = self.min_step_s if most_s is None else min(self.min_step_s, most_s)
        if most_s is None:
            most_s = max(self.max_step_s, least_s)
        return Plan(
            Kind.CANARY,
            _or(asked.steps_percent, self.steps_percent),
            _or(asked.shadow_percent, 0),
            min_step_s=least_s,
            max_step_s=most_s,
            min_samples=_or(asked.min_samples, self.min_samples),
            max_prepare_s=self.max_prepare_s,
            is_manual=bool(asked.is_manual),
            ignored=asked.ignored,
            accuracy=asked.accuracy,
        )


def check_known(asked: PlanRequest) -> None:
    """Raises InvalidArgument for the first field that the kind has no use for."""
    said = {
        "steps_percent": asked.steps_percent is not None,
        "shadow_percent": asked.shadow_percent is not None,
        "min_step_s": asked.min_step_s is not None,
        "max_step_s": asked.max_step_s is not None,
        "min_samples": asked.min_samples is not None,
        "manual": bool(asked.is_manual),
        "ignore": bool(asked.ignored),
        "accuracy": asked.accuracy is not None,
    }
    for field, is_said in said.items():
        if is_said and field not in _KNOWN[asked.kind]:
            raise InvalidArgument(
                f"{field} means nothing to a rollout of kind {asked.kind}", field=field
            )


def check_who(who: str, default: str) -> str:
    """Who asks, as it is written down. Raises InvalidArgument.

    default: what is written where nobody was named. Until there are credentials it is as said.
    """
    who = who.strip()
    if len(who) > MAX_WHO_CHARACTERS:
        raise InvalidArgument(
            f"who has {len(who)} characters; the limit is {MAX_WHO_CHARACTERS}", field="who"
        )
    if not who.isprintable():
        # It is shown on terminals, where a control character is a command.
        raise InvalidArgument(
            "who must be one line of printable characters, without control characters",
            field="who",
        )
    return who or default


def _or(said: T | None, default: T) -> T:
    return default if said is None else said
