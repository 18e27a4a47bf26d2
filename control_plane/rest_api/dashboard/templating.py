"""HTML from the templates beside this module.

What a template writes is escaped unless it is markup, and a name that is not there is an error:
what strangers chose (engines, releases, reasons) is text wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from control_plane.rest_api.dashboard import words
from control_plane.rest_api.dashboard.assets import FOLDER, Assets

TEMPLATES = FOLDER.with_name("templates")


def make_environment(assets: Assets) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(asset=assets.url, assets_version=assets.version, live=live)
    environment.filters.update(
        count=words.count,
        counted=words.counted,
        rate=words.rate,
        ms=words.milliseconds,
        percent=words.percent,
        bp=words.basis_points,
        span=words.span,
        size=words.size,
        decimal=words.decimal,
        when=when,
        part=lambda text: quote(str(text), safe=""),
    )
    return environment


@pass_context
def live(context: Context, name: str, tag: str = "section", **attributes: str) -> Markup:
    """A fragment in its place: what the stream brings under its name is put there.

    attributes: of the element, with ``_`` for ``-`` and for a keyword's end: ``class_``.
    """
    fragments: Mapping[str, str] = context["fragments"]
    written = "".join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
    )
    # The fragment was rendered by this environment, and the attributes were escaped above.
    return Markup(
        '<{tag} id="{name}" sse-swap="{name}" hx-swap="morph"{written}>{html}</{tag}>'
    ).format(
        tag=tag,
        name=name,
        written=Markup(written),  # noqa: S704
        html=Markup(fragments[name]),  # noqa: S704
    )


def when(at: datetime | float | None) -> Markup:
    """A moment, from which the page tells how long ago it was. at: or seconds since the epoch."""
    if at is None:
        return escape(words.NOTHING)
    moment = at if isinstance(at, datetime) else words.from_epoch(at)
    shown = words.clock(moment)
    # In whole seconds: more is not shown, and each change is sent.
    return Markup('<time data-ago datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), shown, shown
    )


def render_fragments(
    environment: Environment, folder: str, names: tuple[str, ...], values: Mapping[str, Any]
) -> dict[str, str]:
    """The fragments of a page, each by its template."""
    return {
        name: environment.get_template(f"{folder}/{name}.html").render(values).strip()
        for name in names
    }
