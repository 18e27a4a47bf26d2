"""One instance: what is believed of it and since when, what it serves, and what may be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from control_plane.rest_api.dashboard import tones
from control_plane.rest_api.dashboard.actions import Act, Order
from control_plane.rest_api.dashboard.instance_view import show_instance
from control_plane.rest_api.dashboard.load_view import show_load
from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.services import RestServices
from control_plane.services.operations import Action

PATH = "/dashboard/instances/{instance}"
FRAGMENTS = ("head", "state", "served", "load", "history")

SAID: Mapping[Action, str] = {
    Action.DRAIN: "{} drains: what is in flight is finished, and nothing new is sent there.",
    Action.UNDRAIN: "{} is looked at now and takes requests again as soon as it is found well.",
    Action.ISOLATE: "{} is isolated: nothing is sent there until it is healed.",
    Action.HEAL: "{} is believed to be well until shown otherwise.",
}


def make_instance_page(services: RestServices, now: Callable[[], datetime]) -> Page:
    async def look(asked: Asked) -> dict[str, object]:
        name = asked["instance"]
        view = services.status.instance(name)
        shown = show_instance(
            view,
            history=services.status.history(name),
            engines=services.status.engines(),
            now=now(),
        )
        return {
            "shown": shown,
            "load": show_load(view.load, view.load_reason),
            "tones": tones,
        }

    return Page("instance", PATH, FRAGMENTS, look)


def make_instance_actions(services: RestServices) -> Mapping[str, Act]:
    return {f"{PATH}/{action.value}": _act(services, action) for action in Action}


def _act(services: RestServices, action: Action) -> Act:
    async def act(order: Order) -> str:
        name = order.path["instance"]
        await services.operations.act(
            action, name, who=order.who, reason=order.reason, force=order.is_forced
        )
        return SAID[action].format(name)

    return act
