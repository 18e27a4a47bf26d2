"""Health probe of the control plane's container: exit status 0 when the URL answers 200.

The slim image has no curl. Only the standard library, so that it starts in a moment, and no
proxy: what the environment names as one would be asked for this very container.
"""

from __future__ import annotations

import http.client
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 2.0


def main(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        # Docker keeps what a probe prints: `docker inspect` then says which engines are missing.
        print(answer.status, answer.read(500).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        print(f"{url}: {error}")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
