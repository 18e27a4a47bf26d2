"""Rollouts: how an engine's traffic moves from one release to another, and back.

``states`` is the machine as data, ``plan`` what a person asks for, ``rollout`` the value that is
stored. ``advance`` decides the next move from facts and time, ``commands`` from what a person
says. ``goals`` says what follows for the instances and for the routing table.
"""

from control_plane.core.rollout.advance import Decision, Facts, Verdict, advance
from control_plane.core.rollout.assessment import Assessment, MetricFigures
from control_plane.core.rollout.commands import Command, obey, roll_back
from control_plane.core.rollout.goals import Goal, routes_of
from control_plane.core.rollout.plan import DEFAULT_STEPS_PERCENT, IGNORABLE, Kind, Plan, read_split
from control_plane.core.rollout.rollout import Rollout, Traffic, start
from control_plane.core.rollout.states import FINISHED, Event, IllegalEvent, State, words_of

__all__ = [
    "DEFAULT_STEPS_PERCENT",
    "FINISHED",
    "IGNORABLE",
    "Assessment",
    "Command",
    "Decision",
    "Event",
    "Facts",
    "Goal",
    "IllegalEvent",
    "Kind",
    "MetricFigures",
    "Plan",
    "Rollout",
    "State",
    "Traffic",
    "Verdict",
    "advance",
    "obey",
    "read_split",
    "roll_back",
    "routes_of",
    "start",
    "words_of",
]
