"""Nothing that opens a door stays in a text, and what is no secret stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.redaction import without_secrets

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-._~%+/:!$*", min_size=4, max_size=30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at amqp://ada:pw1@mq:5672/x: refused", "at amqp://***@mq:5672/x: refused"),
        ("postgresql://u:p/w@1@db/t", "postgresql://***@db/t"),
        ("GET https://h/a.jpg?X-Amz-Signature=f00&b=1 failed", "GET https://h/a.jpg?*** failed"),
        ("'https://u:p@h/a?sig=1'", "'https://***@h/a?***'"),
        ("X-Amz-Security-Token=abc&x=1", "X-Amz-Security-Token=***&x=1"),
        ("authorization: Bearer eyJhbGciOi.J9", "authorization: Bearer ***"),
        ("Basic YWRhOnB3MQ==", "Basic ***"),
        ("signed with whsec_MfKQ9r8G", "signed with whsec_***"),
        ("password=pw1, next", "password=***, next"),
    ],
)
def test_a_secret_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "connection refused",
        "http://10.0.0.5:8002/metrics answered 503",
        "s3://roof-photos/2025/roof 1.jpg",
        "damage 1.1.0 is ready on triton-0 (3 of 4); mean=0.71",
        "who asked: ada@example.com?",
        "basic checks passed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@given(user=WORD, password=WORD, signature=WORD)
def test_no_password_or_signature_survives(user: str, password: str, signature: str) -> None:
    secret, signed = f"<pw{len(password)}", f"sg{len(signature)}x"
    url = f"https://{user}:{password}{secret[1:]}Q9@host/photo.jpg?a=b&X-Amz-Signature={signed}Q9"

    shown = without_secrets(f"cannot read {url}: refused")

    assert "Q9" not in shown
    assert shown.startswith("cannot read https://")
    assert shown.endswith("refused")
