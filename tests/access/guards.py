"""The guards of guards.toml, and every way in which one could be missing."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GIVEN: dict[str, list[dict[str, Any]]] = tomllib.loads((Path(__file__).parent / "guards.toml").read_text())


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with a guard taken out of it, or turned around."""

    file: str
    guard: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.guard.split())!r} becomes {' '.join(self.becomes.split())!r}"

    def of(self, source: str) -> str:
        """What becomes of a source."""
        return source.replace(self.guard, self.becomes)


def mutants() -> list[Mutant]:
    """Every mutant of every guard."""
    return [Mutant(guard["file"], guard["is"], becomes) for guard in _GIVEN["guard"] for becomes in guard["becomes"]]


def known() -> list[tuple[str, str]]:
    """Every place that is either a guard or known to be none, as (file, source)."""
    return [(place["file"], place["is"]) for place in [*_GIVEN["guard"], *_GIVEN["left"]]]
