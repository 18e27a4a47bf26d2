"""wire.py against the real protobuf: the same head, and a re-targeted message that is equal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from control_plane.core import wire
from control_plane.core.detections import Priority
from control_plane.core.wire import (
    MAX_FIELDS,
    MAX_NAME_BYTES,
    MalformedMessage,
    RequestHead,
    has_stream_response,
    priority_suffix,
    read_request_head,
    stream_target_suffix,
    target_suffix,
)
from control_plane.errors import ErrorCode, InvalidArgument

Request = service_pb2.ModelInferRequest
Response = service_pb2.ModelInferResponse
StreamResponse = service_pb2.ModelStreamInferResponse

names = st.text(max_size=20)
int64 = st.integers(-(2**63), 2**63 - 1)
uint64 = st.integers(0, 2**64 - 1)


@st.composite
def parameters(draw: st.DrawFn) -> service_pb2.InferParameter:
    """A parameter of any kind, or of none."""
    parameter = service_pb2.InferParameter()
    kind, values = draw(
        st.sampled_from(
            [
                ("bool_param", st.booleans()),
                ("int64_param", int64),
                ("uint64_param", uint64),
                ("string_param", st.text(max_size=30) | st.just("é" * MAX_NAME_BYTES)),
                ("double_param", st.floats(allow_nan=False)),
                (None, st.none()),
            ]
        )
    )
    if kind is not None:
        setattr(parameter, kind, draw(values))
    return parameter


keys = st.sampled_from(["sequence_id", "sequence_start", "priority", ""]) | names


@st.composite
def requests(draw: st.DrawFn) -> Request:
    request = Request(model_name=draw(names), model_version=draw(names), id=draw(names))
    for key, parameter in draw(st.dictionaries(keys, parameters(), max_size=4)).items():
        request.parameters[key].CopyFrom(parameter)
    for _ in range(draw(st.integers(0, 2))):
        tensor = request.inputs.add(name=draw(names), datatype="FP32", shape=draw(st.lists(int64)))
        tensor.contents.fp32_contents.extend([1.0, 2.0])
        tensor.parameters["sequence_id"].int64_param = 99
        request.raw_input_contents.append(draw(st.binary(max_size=300)))
    return request


def varint(value: int) -> bytes:
    return wire._varint(value)


def field(number: int, kind: int, payload: bytes) -> bytes:
    size = varint(len(payload)) if kind == 2 else b""
    return varint(number << 3 | kind) + size + payload


@st.composite
def unknown_fields(draw: st.DrawFn) -> bytes:
    number = draw(st.integers(100, 2**29 - 1))
    kind = draw(st.sampled_from([0, 1, 2, 5]))
    payload = {
        0: varint(draw(uint64)),
        1: bytes(8),
        2: draw(st.binary(max_size=200)),
        5: bytes(4),
    }[kind]
    return field(number, kind, payload)


@st.composite
def scrambled(draw: st.DrawFn) -> bytes:
    """Parts of requests and unknown fields in any order; what is repeated is merged or wins."""
    whole = draw(st.lists(requests(), min_size=1, max_size=3))
    parts: list[bytes] = []
    for request in whole:
        for name in ("model_name", "model_version", "id", "parameters", "inputs"):
            part = Request()
            part.MergeFrom(request)
            for other in {entry.name for entry in Request.DESCRIPTOR.fields} - {name}:
                part.ClearField(other)
            parts.append(part.SerializeToString())
    parts.extend(draw(st.lists(unknown_fields(), max_size=3)))
    return b"".join(draw(st.permutations(parts)))


def head_by_parser(message: bytes) -> RequestHead:
    request = Request.FromString(message)
    sequence: str | None = None
    if "sequence_id" in request.parameters:
        parameter = request.parameters["sequence_id"]
        kind = parameter.WhichOneof("parameter_choice")
        if kind in ("int64_param", "uint64_param"):
            # Triton reads the id as unsigned.
            sequence = str(int(getattr(parameter, kind)) % 2**64)
        elif kind == "string_param":
            sequence = parameter.string_param
    return RequestHead(
        request.model_name,
        request.model_version,
        request.id,
        sequence if sequence not in ("", "0") else None,
        priority_by_parser(request),
    )


def priority_by_parser(request: Request) -> Priority:
    if "priority" not in request.parameters:
        return Priority.NORMAL
    parameter = request.parameters["priority"]
    kind = parameter.WhichOneof("parameter_choice")
    if kind not in ("int64_param", "uint64_param", "string_param"):
        return Priority.NORMAL
    levels = {"1": Priority.HIGH, "2": Priority.NORMAL, "3": Priority.LOW}
    return levels.get(str(getattr(parameter, kind)), Priority.NORMAL)


def is_readable(head: RequestHead) -> bool:
    texts = (head.model_name, head.model_version, head.request_id, head.sequence or "")
    return max(len(text.encode()) for text in texts) <= MAX_NAME_BYTES


@given(requests())
def test_the_head_is_what_the_parser_reads(request: Request) -> None:
    message = request.SerializeToString()
    expected = head_by_parser(message)
    if is_readable(expected):
        assert read_request_head(message) == expected
    else:
        with pytest.raises(InvalidArgument, match="the limit is 1024"):
            read_request_head(message)


@given(scrambled())
def test_order_repetition_and_unknown_fields_change_nothing(message: bytes) -> None:
    expected = head_by_parser(message)
    if is_readable(expected):
        assert read_request_head(message) == expected


# Entries of the parameters map as no official client writes them, and every parser reads them.
_KEY = field(1, 2, b"sequence_id")
_SEVEN = field(2, 2, field(2, 0, varint(7)))


@pytest.mark.parametrize(
    ("entry", "sequence"),
    [
        (_KEY + _SEVEN, "7"),
        (_SEVEN + _KEY, "7"),
        (field(1, 2, b"other") + _KEY + _SEVEN, "7"),
        (_KEY + _SEVEN + field(1, 2, b"other"), None),
        (_KEY, None),
        (_SEVEN, None),
        (b"", None),
        (_KEY + _SEVEN + field(2, 2, b""), "7"),
        (_KEY + _SEVEN + field(2, 2, field(3, 2, b"s")), "s"),
        (_KEY + _SEVEN + field(2, 2, field(4, 1, bytes(8))), None),
        (_KEY + field(2, 2, field(3, 2, b"s") + field(2, 0, varint(9))), "9"),
        (_KEY + field(2, 2, field(2, 5, bytes(4)) + field(3, 0, varint(1))), None),
        (
            _KEY + field(2, 2, field(9, 2, b"unknown") + field(5, 0, varint(2**64 - 1))),
            str(2**64 - 1),
        ),
        (_KEY + field(1, 0, varint(5)) + field(2, 0, varint(5)) + field(9, 1, bytes(8)), None),
        (_KEY + _SEVEN + field(2, 2, field(1, 0, varint(1))), None),
        (_KEY + field(2, 2, field(2, 0, varint(0))), None),
    ],
)
def test_a_sequence_is_found_however_its_entry_is_written(
    entry: bytes, sequence: str | None
) -> None:
    message = field(4, 2, entry)
    assert head_by_parser(message).sequence == sequence
    assert read_request_head(message).sequence == sequence


def test_the_last_of_two_entries_of_a_key_wins() -> None:
    eight = field(4, 2, _KEY + field(2, 2, field(2, 0, varint(8))))
    message = field(4, 2, _KEY + _SEVEN) + eight
    assert head_by_parser(message).sequence == read_request_head(message).sequence == "8"


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (1, Priority.HIGH),
        (2, Priority.NORMAL),
        (3, Priority.LOW),
        (0, Priority.NORMAL),
        (4, Priority.NORMAL),
    ],
)
@pytest.mark.parametrize("kind", ["int64_param", "uint64_param"])
def test_a_priority_is_found_among_the_parameters(
    level: int, priority: Priority, kind: str
) -> None:
    request = Request(model_name="damage")
    request.parameters["sequence_id"].int64_param = 7
    setattr(request.parameters["priority"], kind, level)
    head = read_request_head(request.SerializeToString())
    assert (head.priority, head.sequence) == (priority, "7")


def test_other_parameters_are_not_looked_into() -> None:
    request = Request(model_name="damage")
    request.parameters["note"].string_param = "x" * 100_000
    assert read_request_head(request.SerializeToString()).model_name == "damage"


def test_known_fields_of_another_wire_type_are_stepped_over() -> None:
    message = field(1, 0, varint(5)) + field(3, 5, bytes(4)) + field(4, 1, bytes(8))
    assert read_request_head(message) == RequestHead("", "", "", None)
    assert read_request_head(message) == head_by_parser(message)


def read_or_problem(message: bytes) -> tuple[RequestHead | None, str]:
    try:
        return read_request_head(message), ""
    except InvalidArgument as refusal:
        return None, refusal.message


@given(st.binary(max_size=60))
@example(b"\x0b\x0c")
@example(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
def test_random_bytes_are_read_as_the_parser_does_or_refused(message: bytes) -> None:
    try:
        expected = head_by_parser(message)
    except DecodeError:
        expected = None
    head, problem = read_or_problem(message)
    if expected is None:
        return  # what lies inside a tensor is not looked at here: the instance will refuse it
    # A group is the only thing that is refused though a parser would take it.
    assert head == expected or "wire type" in problem


@given(requests(), st.data())
def test_a_truncated_message_is_refused_or_read_as_the_parser_does(
    request: Request, data: st.DataObject
) -> None:
    whole = request.SerializeToString()
    message = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        head = read_request_head(message)
    except InvalidArgument:
        return
    try:
        assert head == head_by_parser(message)
    except DecodeError:
        assert message != whole


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (b"\x0a", "ends inside a number"),
        (b"\x80", "ends inside a number"),
        (b"\x0a\x05ab", "field 1 ends after the message"),
        (b"\x2a\x80", "ends inside a number"),
        (b"\x2d\x00\x00\x00", "field 5 ends after the message"),
        (b"\x29" + bytes(7), "field 5 ends after the message"),
        (b"\x28\x80", "ends inside a number"),
        (b"\x02\x00", "field number 0"),
        (b"\x00\x00", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0c", "wire type 4"),
        (b"\x0e", "wire type 6"),
        (b"\x80" * 10, "a number of more than ten bytes"),
        (b"\x08" + b"\xff" * 10, "a number of more than ten bytes"),
        (field(4, 2, b"\x0a\x05ab"), "field 1 ends after the message"),
        (field(4, 2, b"\x00"), "field number 0"),
        (field(4, 2, _KEY + field(2, 2, b"\x1a\x05ab")), "field 3 ends after the message"),
    ],
)
def test_what_is_malformed_is_named(message: bytes, problem: str) -> None:
    with pytest.raises(MalformedMessage) as refusal:
        read_request_head(message)
    assert refusal.value.message == f"malformed protobuf: {problem}"
    assert refusal.value.field == "message"
    assert refusal.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_number_may_have_ten_bytes() -> None:
    assert wire._read_varint(b"\xff" * 9 + b"\x01", 0, 10) == (2**64 - 1, 10)


def test_the_number_of_fields_is_bounded() -> None:
    empty = field(7, 2, b"")
    assert MAX_FIELDS == 8192
    assert read_request_head(empty * MAX_FIELDS).model_name == ""
    with pytest.raises(MalformedMessage, match=f"more than {MAX_FIELDS} fields"):
        read_request_head(empty * (MAX_FIELDS + 1))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inside: field(4, 2, inside),
        lambda inside: field(4, 2, _KEY + field(2, 2, inside)),
    ],
)
def test_fields_inside_parameters_count_too(wrap: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedMessage, match=f"more than {MAX_FIELDS} fields"):
        read_request_head(wrap(field(9, 0, b"\x01") * MAX_FIELDS))


@pytest.mark.parametrize(("number", "name"), [(1, "model_name"), (2, "model_version"), (3, "id")])
def test_texts_are_bounded_and_utf8(number: int, name: str) -> None:
    longest = "x" * MAX_NAME_BYTES
    head = read_request_head(field(number, 2, longest.encode()))
    assert longest in (head.model_name, head.model_version, head.request_id)
    with pytest.raises(InvalidArgument) as refusal:
        read_request_head(field(number, 2, longest.encode() + b"x"))
    assert refusal.value.message == f"{name} has 1025 bytes; the limit is 1024"
    assert refusal.value.field == name
    with pytest.raises(InvalidArgument) as refusal:
        read_request_head(field(number, 2, b"\xff"))
    assert refusal.value.message == f"{name} is not UTF-8"
    assert refusal.value.field == name


def test_a_sequence_id_is_bounded_and_utf8() -> None:
    for raw in (b"\xff", b"x" * (MAX_NAME_BYTES + 1)):
        message = field(4, 2, _KEY + field(2, 2, field(3, 2, raw)))
        with pytest.raises(InvalidArgument) as refusal:
            read_request_head(message)
        assert refusal.value.field == "parameters.sequence_id"


@given(requests(), names, names)
def test_a_suffix_retargets_a_request_and_leaves_the_rest(
    request: Request, name: str, version: str
) -> None:
    sent = Request.FromString(request.SerializeToString() + target_suffix(name, version))
    request.model_name, request.model_version = name, version
    assert sent == request


@given(names, names, st.text(max_size=300), st.binary())
def test_a_suffix_renames_a_response_alone_and_in_a_stream(
    name: str, version: str, request_id: str, raw: bytes
) -> None:
    response = Response(model_name="damage--1.0.0", model_version="1", id=request_id)
    response.outputs.add(name="BOXES", datatype="FP32", shape=[1, 100, 4])
    response.raw_output_contents.append(raw)
    streamed = StreamResponse(infer_response=response)
    alone = response.SerializeToString() + target_suffix(name, version)
    inside = streamed.SerializeToString() + stream_target_suffix(name, version)
    response.model_name, response.model_version = name, version
    assert Response.FromString(alone) == response
    assert StreamResponse.FromString(inside) == StreamResponse(infer_response=response)


@given(requests(), st.integers(0, 2**32))
def test_a_suffix_sets_the_priority_over_any_there_is_and_leaves_the_rest(
    request: Request, level: int
) -> None:
    sent = Request.FromString(request.SerializeToString() + priority_suffix(level))
    request.parameters["priority"].uint64_param = level
    assert sent == request


def test_a_suffix_longer_than_a_byte_counts_is_exact() -> None:
    assert target_suffix("n", "") == b"\x0a\x01n\x12\x00"
    assert target_suffix("n" * 200, "1") == b"\x0a\xc8\x01" + b"n" * 200 + b"\x12\x011"
    assert target_suffix("n" * 128, "1")[:3] == b"\x0a\x80\x01"
    assert target_suffix("n" * 127, "1")[:2] == b"\x0a\x7f"


@given(st.builds(StreamResponse, error_message=st.text(max_size=200)), st.booleans(), st.booleans())
def test_a_stream_answer_with_a_response_is_told_from_an_error(
    answer: StreamResponse, has_response: bool, is_empty: bool
) -> None:
    if has_response:
        answer.infer_response.SetInParent()
        answer.infer_response.id = "" if is_empty else "7"
    assert has_stream_response(answer.SerializeToString()) == has_response


@given(st.binary(max_size=40))
def test_random_stream_answers_never_surprise(message: bytes) -> None:
    try:
        expected = StreamResponse.FromString(message).HasField("infer_response")
    except DecodeError:
        expected = None
    try:
        found = has_stream_response(message)
    except MalformedMessage:
        return
    if expected is not None:
        assert found == expected


def test_a_stream_answer_is_bounded_too() -> None:
    assert not has_stream_response(field(7, 2, b"") * MAX_FIELDS)
    assert not has_stream_response(field(2, 0, varint(1)))
    with pytest.raises(MalformedMessage, match=f"more than {MAX_FIELDS} fields"):
        has_stream_response(field(7, 2, b"") * (MAX_FIELDS + 1))
