"""What is secret within a text, hidden: passwords and queries of URLs, signatures, bearer tokens.

Errors of others quote the address that they could not reach, and an address may carry what opens
it. Those who write a text still see to it that nothing secret is in it; this is the net beneath
them. It hides too much rather than too little: a whole query goes, not the one parameter.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_END = r"\s'\"<>"
# To the last @: a bit of the address may be hidden, a bit of the password never shown.
_USER = re.compile(rf"(?<=://)[^{_END}]*@")
_QUERY = re.compile(rf"(?<=://)([^?{_END}]*)\?[^{_END}]+")
_NAMED = re.compile(
    r"\b(x-amz-(?:signature|credential|security-token)|awsaccesskeyid|signature|sig"
    rf"|access_?token|api_?key|password|passwd|secret)=[^&;,{_END}]+",
    re.IGNORECASE,
)
# "basic" is also a word: what follows it has to look encoded.
_CREDENTIAL = re.compile(
    r"\b((?i:bearer)(?=\s+\S{6})|(?i:basic)(?=\s+\S*[A-Z0-9=]))\s+[A-Za-z0-9._~+/=-]+"
)
_SIGNING = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def without_secrets(text: str) -> str:
    """The text with three stars for each secret in it."""
    if "://" in text:
        text = _USER.sub(f"{HIDDEN}@", text)
        text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    if "=" in text:
        text = _NAMED.sub(rf"\1={HIDDEN}", text)
    text = _CREDENTIAL.sub(rf"\1 {HIDDEN}", text)
    return _SIGNING.sub(f"whsec_{HIDDEN}", text)
