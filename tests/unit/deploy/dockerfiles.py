"""What a Dockerfile and a .dockerignore say, as far as the tests here ask; no engine is needed."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its continuation lines joined."""

    word: str
    rest: str

    def arguments(self) -> list[str]:
        """The words after the flags; both the JSON form and the plain one."""
        if self.rest.startswith("["):
            return [str(each) for each in json.loads(self.rest)]
        return [each for each in shlex.split(self.rest) if not each.startswith("--")]

    def flag(self, name: str) -> str | None:
        found = re.search(rf"--{name}=(\S+)", self.rest)
        return found and found[1]


class Dockerfile:
    def __init__(self, path: Path) -> None:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
        self.instructions = [
            Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()
        ]

    def all(self, word: str) -> list[Instruction]:
        return [each for each in self.instructions if each.word == word]

    def defaults(self) -> dict[str, str]:
        """The build arguments that have a default, by name."""
        return dict(each.rest.split("=", 1) for each in self.all("ARG") if "=" in each.rest)

    def images(self) -> list[str]:
        """The images built upon, with the arguments' defaults put in."""
        found = []
        for each in self.all("FROM"):
            image = each.arguments()[0]
            for name, value in self.defaults().items():
                image = image.replace(f"${{{name}}}", value)
            found.append(image)
        return found

    def sources(self) -> list[str]:
        """What is copied from the build context, not from another stage."""
        copies = [each for each in self.all("COPY") if not each.flag("from")]
        return [source for each in copies for source in each.arguments()[:-1]]


class DockerIgnore:
    """The last pattern that matches a path, or a folder above it, decides."""

    def __init__(self, text: str) -> None:
        self._rules = [
            (not line.startswith("!"), _pattern(line.removeprefix("!")))
            for line in map(str.strip, text.splitlines())
            if line and not line.startswith("#")
        ]

    def is_ignored(self, path: str) -> bool:
        parts = path.split("/")
        places = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        is_ignored = False
        for excludes, pattern in self._rules:
            if any(pattern.fullmatch(place) for place in places):
                is_ignored = excludes
        return is_ignored


def _pattern(glob: str) -> re.Pattern[str]:
    translated = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?)", glob.strip("/")):
        wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        translated += wild.get(part, re.escape(part))
    return re.compile(translated)
