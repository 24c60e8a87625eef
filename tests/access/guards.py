"""The guards of guards.toml, and every way in which one could be missing."""

import tomllib
from pathlib import Path
from typing import Any

from tests.planting import Edit

_GIVEN: dict[str, list[dict[str, Any]]] = tomllib.loads((Path(__file__).parent / "guards.toml").read_text())


def mutants() -> list[Edit]:
    """Every file with a guard taken out of it, or turned around."""
    return [Edit(guard["file"], guard["is"], becomes) for guard in _GIVEN["guard"] for becomes in guard["becomes"]]


def known() -> list[tuple[str, str]]:
    """Every place that is either a guard or known to be none, as (file, source)."""
    return [(place["file"], place["is"]) for place in [*_GIVEN["guard"], *_GIVEN["left"]]]
