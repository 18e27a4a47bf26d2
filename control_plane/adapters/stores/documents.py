"""Values to JSON documents and back, exactly: what is read equals what was written.

What a document looks like follows from the value's class: a dataclass is an object with a name
for each field, a mapping whose keys are no text a list of pairs, a set a sorted list. So a field
that is added to a class with a default can be read from older documents, too.

A field that the class does not know was written by a newer Tidegate. Where the value is only
shown, or replaced as a whole by who wrote it, the field is ignored. Everywhere else it is an
error: who reads the state writes it back, and would take the field away in doing so; and counts
must not be added up by who does not know what tells them apart.

NaN and infinity are no JSON, and are refused (ValueError) before anything is stored.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from math import isfinite
from operator import index
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from control_plane.core.drift import Reference
from control_plane.core.rollout import Assessment, MetricFigures
from control_plane.core.state import AuditEntry, PlaneReport
from control_plane.core.traffic import Counted, SlotCounts

T = TypeVar("T")

FORGIVING: frozenset[type] = frozenset(
    {Assessment, MetricFigures, AuditEntry, PlaneReport, SlotCounts, Counted, Reference}
)
"""Whose unknown fields are ignored."""


# Every whole number up to here is a float, too.
_EXACT_BELOW = 1 << 53


class UnreadableDocument(Exception):
    """A stored document is no such value; the words name the place in it."""


def to_json(value: object) -> str:
    """ASCII, because not every database takes every character. Raises ValueError."""
    document = _form(type(value)).write(value)
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def to_fields(value: object) -> dict[str, Any]:
    """A value's fields, each as its document has it. Raises ValueError."""
    fields: dict[str, Any] = _form(type(value)).write(value)
    return fields


def from_json(kind: type[T], text: str) -> T:
    """The value of this class that a document holds. Raises UnreadableDocument."""
    try:
        document = json.loads(text)
    except ValueError:
        raise UnreadableDocument(f"{kind.__name__}: the document is not JSON") from None
    return cast(T, _form(kind).read(document, kind.__name__))


def copy_of(value: T) -> T:
    """Equal, and sharing nothing with the original that can change. Raises ValueError."""
    return from_json(type(value), to_json(value))


@dataclass(frozen=True, slots=True)
class _Form:
    """How values of one type are written and read. read: also takes the place, for errors."""

    write: Callable[[Any], Any]
    read: Callable[[Any, str], Any]


def _form(kind: Any) -> _Form:
    """Raises TypeError for a type that no document can hold."""
    return _found_form(kind)


# Remembers what follows from a class; there are as many as the ports name.
@cache
def _found_form(kind: Any) -> _Form:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if dataclasses.is_dataclass(kind):
        return _dataclass_form(cast(type, kind))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_form(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        return _optional_form(_form(next(one for one in arguments if one is not type(None))))
    if origin is tuple and arguments[-1] is Ellipsis:
        return _list_form(_form(arguments[0]), tuple)
    if origin is tuple:
        return _row_form(tuple(map(_form, arguments)))
    if origin is frozenset:
        return _list_form(_form(arguments[0]), frozenset)
    if origin in (Mapping, dict):
        return _mapping_form(*arguments)
    raise TypeError(f"no document holds a {kind}")


def _dataclass_form(kind: type) -> _Form:
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    forms = {field.name: _form(hints[field.name]) for field in fields}
    needed = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def write(value: Any) -> Any:
        return {name: form.write(getattr(value, name)) for name, form in forms.items()}

    def read(document: Any, where: str) -> Any:
        _expect(document, dict, where)
        unknown = sorted(document.keys() - forms.keys())
        if unknown and kind not in FORGIVING:
            raise UnreadableDocument(
                f"{where} has the field {unknown[0]!r}, which this Tidegate does not know: "
                f"it was written by a newer one"
            )
        missing = sorted(needed - document.keys())
        if missing:
            raise UnreadableDocument(f"{where} lacks the field {missing[0]!r}")
        known = {
            name: form.read(document[name], f"{where}.{name}")
            for name, form in forms.items()
            if name in document
        }
        try:
            return kind(**known)
        except Exception as error:
            raise UnreadableDocument(f"{where} cannot be: {error}") from None

    return _Form(write, read)


def _enum_form(kind: type[StrEnum]) -> _Form:
    def read(document: Any, where: str) -> Any:
        try:
            return kind(document)
        except ValueError:
            raise UnreadableDocument(
                f"{where} is {document!r:.80}, which this Tidegate does not know"
            ) from None

    return _Form(lambda value: kind(value).value, read)


def _optional_form(form: _Form) -> _Form:
    return _Form(
        lambda value: None if value is None else form.write(value),
        lambda document, where: None if document is None else form.read(document, where),
    )


def _list_form(form: _Form, build: Callable[[list[Any]], Any]) -> _Form:
    def write(value: Any) -> Any:
        written = [form.write(one) for one in value]
        return sorted(written) if isinstance(value, frozenset) else written

    def read(document: Any, where: str) -> Any:
        _expect(document, list, where)
        return build([form.read(one, f"{where}[{n}]") for n, one in enumerate(document)])

    return _Form(write, read)


def _row_form(forms: tuple[_Form, ...]) -> _Form:
    def write(value: Any) -> Any:
        return [form.write(one) for form, one in zip(forms, value, strict=True)]

    def read(document: Any, where: str) -> Any:
        _expect(document, list, where)
        if len(document) != len(forms):
            raise UnreadableDocument(f"{where} should have {len(forms)} parts")
        return tuple(form.read(one, where) for form, one in zip(forms, document, strict=True))

    return _Form(write, read)


def _mapping_form(key_kind: Any, value_kind: Any) -> _Form:
    """In its order, which means something in a route's weights."""
    values = _form(value_kind)
    if key_kind is not str:
        pairs = _list_form(_row_form((_form(key_kind), values)), dict)
        return _Form(lambda value: pairs.write(value.items()), pairs.read)

    def read(document: Any, where: str) -> Any:
        _expect(document, dict, where)
        return {key: values.read(one, f"{where}[{key!r}]") for key, one in document.items()}

    return _Form(lambda value: {_text(key): values.write(one) for key, one in value.items()}, read)


def _expect(document: Any, kind: type, where: str) -> Any:
    # Exactly: True is an int to isinstance.
    if type(document) is not kind:
        raise UnreadableDocument(f"{where} should be {kind.__name__}, not {document!r:.80}")
    return document


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} should be text")  # noqa: TRY004 -- as for other values
    return str(value)


def _whole(value: Any) -> int:
    # Not int(), which would cut a fraction off.
    return int(index(value))


def _write_float(value: Any) -> float:
    if not isfinite(value):
        raise ValueError(f"{value} cannot be stored: numbers must be finite")
    return float(value)


def _read_float(document: Any, where: str) -> float:
    # What is a float now may have been a whole number in an older class.
    if type(document) is int and abs(document) < _EXACT_BELOW:
        return float(document)
    value: float = _expect(document, float, where)
    if not isfinite(value):
        raise UnreadableDocument(f"{where} should be finite")
    return value


def _write_json(value: Any) -> Any:
    """What is JSON already; a tuple comes back as a list."""
    if isinstance(value, Mapping):
        return {_text(key): _write_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_write_json(one) for one in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    return _write_float(value) if isinstance(value, float) else _text(value)


def _read_time(document: Any, where: str) -> datetime:
    try:
        return datetime.fromisoformat(_expect(document, str, where))
    except ValueError:
        raise UnreadableDocument(f"{where} should be a time, not {document!r:.80}") from None


_PLAIN: Mapping[Any, _Form] = {
    str: _Form(_text, lambda document, where: _expect(document, str, where)),
    int: _Form(_whole, lambda document, where: _expect(document, int, where)),
    bool: _Form(bool, lambda document, where: _expect(document, bool, where)),
    float: _Form(_write_float, _read_float),
    datetime: _Form(datetime.isoformat, _read_time),
    Any: _Form(_write_json, lambda document, _: document),
    object: _Form(_write_json, lambda document, _: document),
}
