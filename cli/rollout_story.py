"""What a person reads when a rollout has begun or was taken back: what happens next, and how."""

from __future__ import annotations

from typing import Any

from cli.rollout_options import elsewhere
from cli.rollout_words import FINISHED_WELL, duration, moved, stays

GAP = 3


def begun_words(rollout: dict[str, Any], url: str) -> str:
    """What happens next, and how to watch, hold and stop it: the first thing a newcomer reads."""
    engine, stable, target = rollout["engine"], rollout["stable"], rollout["target"]
    lines = [
        f"{rollout['kind']} rollout {rollout['id']} of {engine} has begun: {moved(rollout)}",
        "",
        f"{target} is loaded and proved on every instance first; until then it gets no traffic.",
        *_course(rollout),
    ]
    if rollout["kind"] != "direct":
        back = "the copying ends" if rollout["kind"] == "shadow" else "the traffic goes back"
        lines.append(f"If it is found worse than {stable}, {back} by itself.")
    if ignored := rollout.get("ignored"):
        lines.append(f"Ignored, so that it decides nothing here: {', '.join(ignored)}.")
    commands = [
        (f"tidegate rollout watch {engine}", "see it live, with the evidence of each test"),
        (f"tidegate rollout pause {engine}", "hold it where it is; `resume` goes on"),
        (f"tidegate rollback {engine}", f"stop it: all traffic is with {stable} at once"),
    ]
    if stays(rollout):
        commands.insert(2, (f"tidegate rollout advance {engine}", _advanced(rollout)))
    lines.append("")
    shown = [(command + elsewhere(url), does) for command, does in commands]
    column = max(len(command) for command, _ in shown) + GAP
    lines += [f"  {command:{column}}{does}" for command, does in shown]
    return "\n".join(lines)


def taken_back(rollout: dict[str, Any], url: str) -> str:
    """What a rollback has done, and what is still to come."""
    engine, stable, target = rollout["engine"], rollout["stable"], rollout["target"]
    state = rollout["state"]
    if not rollout.get("is_reversal"):
        if state == "rolling_back":
            return (
                f"all traffic of {engine} is with {stable}; "
                f"{target} is unloaded once its last request is over"
            )
        return f"nothing to take back: all traffic of {engine} is with {stable}"
    if state == FINISHED_WELL:
        return f"nothing to take back: {target} is the stable release of {engine}"
    return (
        f"rollout {rollout['id']} takes {engine} back to {target}: it is loaded and proved, then "
        f"all traffic goes there\n  tidegate rollout watch {engine}{elsewhere(url)}"
    )


def _advanced(rollout: dict[str, Any]) -> str:
    match rollout["kind"]:
        case "shadow":
            return "end it"
        case "experiment":
            return f"promote {rollout['target']}: all traffic goes to it at once"
        case _:
            return "go on to the next step; after the last it is promoted"


def _course(rollout: dict[str, Any]) -> list[str]:
    """What its kind does once the target is ready."""
    kind, target = rollout["kind"], rollout["target"]
    if kind == "direct":
        return [f"Then all traffic goes to {target} at once."]
    if kind == "shadow":
        return [
            f"Then {rollout['shadow_percent']} % of the traffic is copied to it, and no caller "
            "gets its answers.",
            "It stays so until you end it.",
        ]
    if kind == "experiment":
        share = rollout["steps_percent"][0]
        return [f"Then it answers {share} % of the traffic, until you end it."]
    shares = " → ".join(f"{share} %" for share in rollout["steps_percent"])
    if rollout["steps_percent"][-1] < 100:
        shares += ", and then all traffic"
    first = rollout.get("shadow_percent")
    copied = [f"Then {first} % of the traffic is copied to it first."] if first else []
    if rollout["is_manual"]:
        goes_on = "Each step takes until you say `advance`."
    else:
        least = f"{duration(rollout['min_step_s'])} and {rollout['min_samples']} requests at least"
        goes_on = (
            f"Each step takes {least}; it goes on once it is found not to be worse, and asks "
            f"you after {duration(rollout['max_step_s'])}."
        )
    return [*copied, f"Then its share of the traffic grows: {shares}.", goes_on]
