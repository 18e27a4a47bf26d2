"""What the page for trying a photo offers: the engines, their releases, and what an answer is.

Pure: values of the services go in, values to be written by a template come out. What was chosen
is in the page's address, so that a reload keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_plane.core.detections import Priority
from control_plane.services.status import EngineView, ReleaseView

AS_ROUTED = ""
STABLE, CANARY = "stable", "canary"
SEPARATOR = ","


@dataclass(frozen=True, slots=True)
class ReleaseChoice:
    """value: as the interface takes it; empty for whatever the split gives."""

    value: str
    words: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """is_ready: whether its stable release answers anywhere; it may be asked all the same."""

    name: str
    is_chosen: bool
    is_ready: bool
    releases: tuple[ReleaseChoice, ...]


@dataclass(frozen=True, slots=True)
class TryPage:
    """max_bytes: the largest photo. is_fresh: whether the engines look anew at a known photo."""

    engines: tuple[EngineChoice, ...]
    priorities: tuple[tuple[str, bool], ...]
    max_bytes: int
    is_fresh: bool

    @property
    def max_megabytes(self) -> str:
        """Rounded down: what is said to be taken is taken."""
        return f"{self.max_bytes // 100_000 / 10:.4g}"


def show_try(
    known: Sequence[str],
    views: Iterable[EngineView],
    *,
    asked: Mapping[str, str],
    max_bytes: int,
) -> TryPage:
    """known: the engines that take a photo. asked: what the address says; what nobody offers is
    passed over, because a bookmark outlives a release."""
    by_name = {view.name: view for view in views}
    wanted = _names(asked.get("engines", ""))
    chosen = [name for name in known if name in wanted] or list(known)
    releases = dict(pair.split("=", 1) for pair in _names(asked.get("releases", "")) if "=" in pair)
    priority = asked.get("priority", "")
    if priority not in tuple(Priority):
        priority = Priority.NORMAL.value
    return TryPage(
        engines=tuple(
            _engine(name, by_name.get(name), releases.get(name, ""), is_chosen=name in chosen)
            for name in known
        ),
        priorities=tuple((one.value, one.value == priority) for one in Priority),
        max_bytes=max_bytes,
        is_fresh=asked.get("cached", "") != "yes",
    )


def _engine(name: str, view: EngineView | None, wanted: str, *, is_chosen: bool) -> EngineChoice:
    choices = [(AS_ROUTED, "as routed")]
    if view is not None:
        choices.append((STABLE, f"stable (now {view.stable})"))
        choices += [
            (CANARY, f"canary (now {one.release})") for one in view.releases if one.is_canary
        ]
        choices += [(one.release, _words(one)) for one in view.releases if one.is_serving]
    if wanted not in {value for value, _ in choices}:
        wanted = AS_ROUTED
    return EngineChoice(
        name,
        is_chosen,
        view is not None and view.is_ready,
        tuple(ReleaseChoice(value, words, value == wanted) for value, words in choices),
    )


def _words(release: ReleaseView) -> str:
    return release.release if release.ready_on else f"{release.release} (ready nowhere)"


def _names(text: str) -> list[str]:
    return [one.strip() for one in text.split(SEPARATOR) if one.strip()]
