"""docs/settings.md, made from the settings themselves: names, kinds, limits, defaults, meanings.

``python -m control_plane.settings.reference > docs/settings.md``

What a section is for is its class's docstring, what a setting means its field's description.
:func:`described` gives them as values. Nothing is read but the code and the example file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.settings.schema import Settings
from control_plane.settings.sources import PREFIX, WITH_FLAG, flag_of

EXAMPLE = Path(__file__).parents[2] / "docs" / "tidegate.example.yaml"
UNITS = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_percent": "percent",
    "_per_s": "a second",
}
TOP = "Places and instances"
LARGE = 100_000
"""From here on the digits of a number are set in groups, as YAML and Python read them."""

INTRODUCTION = f"""\
# Settings

*Made from the code: `python -m control_plane.settings.reference > docs/settings.md`.*

A setting is given in `tidegate.yaml` (`--config PATH`, else `TIDEGATE_CONFIG`, else
`./tidegate.yaml` if there is one), in the environment, or by a flag. Flags win over the
environment, the environment over the file, leaf by leaf. All of them are read at the start; the
level of log lines can be changed later too (`tidegate log-level`).

- In the environment a name is `{PREFIX}`, then the path in capitals with `__` between its levels:
  `http.port` is `{PREFIX}HTTP__PORT`. A list is written with commas or as JSON, names with values
  as JSON. An empty variable counts as not set.
- A name that there is not is an error, and so is a value beyond its limits: Tidegate does not
  start, and says the setting, who gave it and the limit.
- `tidegate config show` prints what holds and who gave it, `tidegate config check` validates.
- Settings marked **secret** are shown masked, wherever settings are shown. Give them by the
  environment, or by a file that only Tidegate's user can read.
- Durations are in seconds (`…_s`), sizes in bytes (`…_bytes`). *Not set* is a default that can be
  had again by `null`.
- Relative paths are relative to the working directory.

`TIDEGATE_URL` and `TIDEGATE_TOKEN` are no settings: commands read them, to find a control plane.
What AWS's own libraries read (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, …) and MLflow's
`MLFLOW_TRACKING_…` hold as everywhere.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. path: as in the file, `[]` for each of a list and `*` for each name."""

    path: str
    kind: str
    limits: str
    default: str
    meaning: str
    is_secret: bool

    @property
    def variable(self) -> str | None:
        """None inside of lists and names, which are given whole."""
        if "[]" in self.path or "*" in self.path:
            return None
        return PREFIX + self.path.upper().replace(".", "__")

    @property
    def flag(self) -> str | None:
        return flag_of(self.path) if self.path in WITH_FLAG else None


@dataclass(slots=True)
class Part:
    """A section with its settings. path: empty for those that lie in none."""

    path: str
    meaning: str
    settings: list[Setting] = field(default_factory=list)


def described() -> list[Part]:
    """Every section and every setting, in the order of the code."""
    schema = Settings.model_json_schema()
    found = [Part("", "")]
    _walk(schema, "", schema["$defs"], found)
    # In the code settings and sections lie side by side.
    return sorted(found, key=lambda part: part.path != "")


def _walk(
    section: Mapping[str, Any], path: str, known: Mapping[str, Any], into: list[Part]
) -> None:
    here, below = into[-1], []
    required = section.get("required", [])
    for name, schema in section["properties"].items():
        place = f"{path}.{name}" if path else name
        if "$ref" in schema:
            below.append((place, _named(schema, known)))
            continue
        here.settings.append(_setting(place, schema, is_required=name in required))
        for inner_path, inner in _inside(place, schema):
            below.append((inner_path, _named(inner, known)))
    for place, inner in below:
        into.append(Part(place, _plain(inner.get("description", ""))))
        _walk(inner, place, known, into)


def _named(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = known[schema["$ref"].rpartition("/")[2]]
    return found


def _inside(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Sections that a list or a mapping holds."""
    if "$ref" in schema.get("items", {}):
        yield f"{path}[]", schema["items"]
    for inner in schema.get("patternProperties", {}).values():
        yield f"{path}.*", inner


def _setting(path: str, schema: Mapping[str, Any], *, is_required: bool) -> Setting:
    value = dict(schema)
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            value |= choice
    return Setting(
        path=path,
        kind=_kind(path, value),
        limits=_limits(value),
        default="must be given" if is_required else _shown(schema.get("default")),
        meaning=_plain(schema.get("description", "")),
        is_secret=any(
            one.get("writeOnly") for one in (value, value.get("additionalProperties") or {})
        ),
    )


def _kind(path: str, value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value["enum"])
    match value.get("type"):
        case "array":
            inner = value["items"]
            what = "as below" if "$ref" in inner else f"of {_kind('', inner)}s"
            return f"list {what}"
        case "object":
            return "names with values" + (", as below" if "patternProperties" in value else "")
        case "boolean":
            return "`true` or `false`"
        case "string":
            return "path" if value.get("format") == "path" else "text"
        case number:
            unit = next((words for end, words in UNITS.items() if path.endswith(end)), "")
            return f"{number}, {unit}" if unit else str(number)


def _limits(value: Mapping[str, Any]) -> str:
    """What the value is held to, besides its kind; a form it must have is told by the meaning."""
    found = []
    for key, words in (
        ("minimum", "≥ {}"),
        ("exclusiveMinimum", "> {}"),
        ("maximum", "≤ {}"),
        ("exclusiveMaximum", "< {}"),
        ("minItems", "at least {} of them"),
        ("maxItems", "at most {} of them"),
        ("maxProperties", "at most {} of them"),
        ("minLength", "at least {} characters"),
        ("maxLength", "at most {} characters"),
        ("pattern", "`{}`"),
    ):
        if key in value:
            limit = value[key]
            shown = limit if isinstance(limit, str) else _number(limit)
            found.append(words.format(shown.replace("|", "\\|")))
    return ", ".join(found)


def _shown(default: Any) -> str:
    match default:
        case None | "":
            return "not set"
        case bool():
            return f"`{str(default).lower()}`"
        case dict():
            return "none"
        case list():
            return f"`{', '.join(map(str, default))}`" if default else "none"
        case int() | float():
            return f"`{_number(default)}`"
        case _:
            return f"`{default}`"


def _number(value: float) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return f"{value:_}" if value >= LARGE else str(value)


def _plain(text: str) -> str:
    """A docstring or a description as one line of Markdown."""
    return re.sub(r"\s+", " ", text.replace("``", "`").replace("|", "\\|")).strip()


def reference_text() -> str:
    """The file."""
    parts = [INTRODUCTION, f"## An example\n\n```yaml\n{EXAMPLE.read_text(encoding='utf-8')}```\n"]
    for part in described():
        title = f"`{part.path}`" if part.path else TOP
        level = "##" if "." not in part.path and "[]" not in part.path else "###"
        words = f"{part.meaning}\n\n" if part.meaning else ""
        parts.append(f"{level} {title}\n\n{words}{_table(part.settings)}")
    return "\n".join(parts)


def _table(settings: list[Setting]) -> str:
    if not settings:
        return ""
    rows = ["| setting | kind and limits | default | what it is |", "| --- | --- | --- | --- |"]
    for one in settings:
        names = [f"`{one.path}`"]
        names += [f"`{other}`" for other in (one.variable, one.flag) if other]
        kind = "; ".join(part for part in (one.kind, one.limits) if part)
        meaning = f"**Secret.** {one.meaning}" if one.is_secret else one.meaning
        rows.append(f"| {'<br>'.join(names)} | {kind} | {one.default} | {meaning} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference_text())
