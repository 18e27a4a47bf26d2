"""An answer's findings in a few words, the same on the terminal and on the picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

NAMES = {"missing_shingle": "missing shingle"}


def name_of(class_name: str) -> str:
    """A class as a person says it."""
    return NAMES.get(class_name, class_name.replace("_", " "))


def findings_of(engine: str, findings: Mapping[str, Any]) -> str:
    """What one engine found; engines that are not known here are shown by their keys."""
    if engine == "volume" or "volume_m3" in findings:
        return _volume(findings)
    if "detections" in findings or "items" in findings:
        return _counted(findings)
    pairs = (f"{k} {v}" for k, v in findings.items() if isinstance(v, (str, int, float)))
    return ", ".join(pairs) or "answered"


def failure_of(failure: Mapping[str, Any]) -> str:
    """Why one engine gave no result."""
    message, code = str(failure.get("message") or ""), str(failure.get("code") or "failed")
    return f"{message} ({code})" if message else code


def boxes_of(findings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The detections or items of an engine's findings, whichever it has."""
    return list(findings.get("detections") or findings.get("items") or [])


def _volume(findings: Mapping[str, Any]) -> str:
    volume, confidence = findings.get("volume_m3"), findings.get("confidence")
    if volume is None:
        return "no volume"
    sure = "" if confidence is None else f" (confidence {float(confidence):.2f})"
    return f"{float(volume):.2f} m³{sure}"


def _counted(findings: Mapping[str, Any]) -> str:
    found = boxes_of(findings)
    counts = findings.get("counts")
    if not isinstance(counts, dict):
        counts = Counter(str(one.get("class")) for one in found)
    brands: dict[str, Counter[str]] = {}
    for one in found:
        if one.get("brand"):
            brands.setdefault(str(one.get("class")), Counter())[str(one["brand"])] += 1
    words = []
    for class_name, count in counts.items():
        if not isinstance(count, (int, float)) or not count:
            continue
        by_brand = ", ".join(f"{n} {brand}" for brand, n in brands.get(class_name, {}).items())
        words.append(f"{count:g} {name_of(class_name)}" + (f" ({by_brand})" if by_brand else ""))
    return ", ".join(words) or "nothing found"
