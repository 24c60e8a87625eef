"""The forty tests that finance wants to see of a system that moves money: by which tests of the suite each is shown."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Forty:
    """One of the forty. bugs : names of planted ones that turn its tests red. why : what of it nothing shows, and why
    that cannot be.
    """

    number: int
    about: str
    tests: tuple[str, ...]
    bugs: tuple[str, ...]
    why: str | None


def tests() -> list[Forty]:
    """All of them, as `forty.toml` has them."""
    given = tomllib.loads((Path(__file__).parent / "forty.toml").read_text())["test"]
    return [
        Forty(one["number"], one["about"], tuple(one["tests"]), tuple(one["bugs"]), one.get("why")) for one in given
    ]
