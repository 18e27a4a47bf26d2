"""The reconciler: from desired and observed to the next actions, over and over until none is left.

``facts`` is what is known of each instance, ``desired`` what each should have, ``plan`` the
comparison of the two and its actions (``actions``), ``progress`` what a rollout learns of it.
"""

from control_plane.core.reconcile.actions import (
    Action,
    NarrowVersions,
    Prove,
    engines_touched,
    unmet,
)
from control_plane.core.reconcile.desired import Desired, Reason, Wanted, desired_of
from control_plane.core.reconcile.facts import (
    Fleet,
    InstanceFacts,
    ReleaseKey,
    keep_proofs,
    key_of,
    routable,
)
from control_plane.core.reconcile.plan import engines_at_risk, plan_fleet, plan_instance
from control_plane.core.reconcile.progress import is_gone, is_ready_everywhere, lacking, refusal
from control_plane.core.reconcile.record import Failure, Record

__all__ = [
    "Action",
    "Desired",
    "Failure",
    "Fleet",
    "InstanceFacts",
    "NarrowVersions",
    "Prove",
    "Reason",
    "Record",
    "ReleaseKey",
    "Wanted",
    "desired_of",
    "engines_at_risk",
    "engines_touched",
    "is_gone",
    "is_ready_everywhere",
    "keep_proofs",
    "key_of",
    "lacking",
    "plan_fleet",
    "plan_instance",
    "refusal",
    "routable",
    "unmet",
]
