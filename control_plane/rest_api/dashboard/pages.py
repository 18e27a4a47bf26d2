"""What a page of the dashboard is, and what was asked of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from control_plane.errors import InvalidArgument

Asked = Mapping[str, str]
"""What the address names: the parts of its path and its filters, each of the latter at least
with its default."""

Look = Callable[[Asked], Awaitable[Mapping[str, object]]]
"""What the templates of a page are given. Raises ControlPlaneError for what is not there."""

EVENTS = "/dashboard/events"
MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    name: of its template, ``NAME.html``, and of the folder that its fragments are in.
    path: with the names of its parts in braces. filters: with their defaults; what they may be
        is for ``look`` to check.
    fragments: what is kept current, each by the template ``NAME/FRAGMENT.html``.
    nav: which entry of the navigation it belongs to.
    """

    name: str
    path: str
    fragments: tuple[str, ...]
    look: Look
    filters: Mapping[str, str] = field(default_factory=dict)
    nav: str = ""

    def read(self, path: Mapping[str, str], query: Mapping[str, str]) -> Asked:
        """What was asked; other parameters are no business of the page.

        Raises InvalidArgument.
        """
        asked = dict(path)
        for name, default in self.filters.items():
            asked[name] = query.get(name, default)
        for name, value in asked.items():
            if len(value) > MOST_CHARACTERS:
                raise InvalidArgument(
                    f"{name} has {len(value)} characters; the limit is {MOST_CHARACTERS}",
                    field=name,
                )
        return asked

    def parts(self, query: Mapping[str, str]) -> dict[str, str]:
        """The parts of the path, where they come as parameters (of the stream of events)."""
        names = [part.partition("}")[0] for part in self.path.split("{")[1:]]
        return {name: query.get(name, "") for name in names}

    def url(self, asked: Asked, **changes: str) -> str:
        """The page's address with other filters."""
        wanted = {**asked, **changes}
        path = self.path
        for name in self.parts({}):
            path = path.replace("{" + name + "}", quote(wanted[name], safe=""))
        said = {
            name: wanted[name]
            for name, default in self.filters.items()
            if wanted.get(name, default) != default
        }
        return f"{path}?{urlencode(said)}" if said else path

    def events_url(self, asked: Asked) -> str:
        return f"{EVENTS}?{urlencode({'page': self.name, **asked})}"


def check_choice(asked: Asked, name: str, choices: tuple[str, ...]) -> str:
    """The filter's value. Raises InvalidArgument."""
    value = asked[name]
    if value not in choices:
        raise InvalidArgument(
            f"{name} is {value[:80]!r}; it must be one of {', '.join(choices)}", field=name
        )
    return value
