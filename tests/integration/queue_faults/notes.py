"""What the processes of a run leave in its folder, so that none of it dies with them.

Each note is one line, written at once by one call to the end of a file: no process's lines are
mixed with another's. The ledger of what was accepted is on the disk before anybody goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Notes:
    """The files of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def accept(self, number: int, job_id: str) -> None:
        """The submitter was told that a job is accepted."""
        self._write("accepted", {"number": number, "job_id": job_id}, is_kept=True)

    def refuse(self, number: int, code: str) -> None:
        self._write("refused", {"number": number, "code": code})

    def send(self, job_id: str, is_readable: bool) -> None:
        """The queue confirmed a message that was put straight on it, of which this job is made."""
        self._write("sent", {"job_id": job_id, "is_readable": is_readable}, is_kept=True)

    def execute(self, job_id: str, engines: int) -> None:
        """The fleet is asked about a job."""
        self._write("executed", {"job_id": job_id, "engines": engines, "at_s": time.time()})

    def take(self, message_id: str | None) -> None:
        """A worker was handed a message."""
        self._write("taken", {"message_id": message_id})

    def receive(self, result_id: str, body: bytes, answer: int) -> None:
        """The receiver of results was sent one."""
        digest = hashlib.sha256(body).hexdigest()
        self._write("received", {"result_id": result_id, "sha256": digest, "answer": answer})

    def fall(self, step: str) -> None:
        """A process kills itself at this step."""
        self._write("fallen", {"step": step})

    def accepted(self) -> dict[int, str]:
        """The job's id by its number."""
        return {one["number"]: one["job_id"] for one in self._read("accepted")}

    def accepted_twice_as_another(self) -> int:
        """How often a repeat was accepted as another job."""
        first: dict[int, str] = {}
        return sum(
            first.setdefault(one["number"], one["job_id"]) != one["job_id"]
            for one in self._read("accepted")
        )

    def sent(self) -> dict[str, bool]:
        """Whether it could be read, by the id of the job that is made of it."""
        return {one["job_id"]: one["is_readable"] for one in self._read("sent")}

    def refused(self) -> Counter[str]:
        return Counter(one["code"] for one in self._read("refused"))

    def fallen(self) -> Counter[str]:
        return Counter(one["step"] for one in self._read("fallen"))

    def executions(self) -> Counter[str]:
        """How often the fleet was asked, by job."""
        return Counter(one["job_id"] for one in self._read("executed"))

    def first_asked_at_s(self) -> dict[str, float]:
        """When the fleet was first asked about each job."""
        found: dict[str, float] = {}
        for one in self._read("executed"):
            found.setdefault(one["job_id"], one["at_s"])
        return found

    def takings(self) -> int:
        """How often a message was handed out."""
        return len(self._read("taken"))

    def receipts(self) -> list[Receipt]:
        return [
            Receipt(one["result_id"], one["sha256"], one["answer"])
            for one in self._read("received")
        ]

    def _write(self, name: str, note: dict[str, object], *, is_kept: bool = False) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        handle = os.open(self._folder / f"{name}.jsonl", flags, 0o600)
        try:
            os.write(handle, (json.dumps(note) + "\n").encode())
            if is_kept:
                os.fsync(handle)
        finally:
            os.close(handle)

    def _read(self, name: str) -> list[dict[str, Any]]:
        path = self._folder / f"{name}.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass(frozen=True, slots=True)
class Receipt:
    """One arrival of a result. answer: the status that its sender was given."""

    result_id: str
    sha256: str
    answer: int
