"""The world, made once for a test process, and the stage it is played on."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.access.canaries import Marks
from tests.access.stage import Stage, logged, open_stage
from tests.access.world import World, build
from tests.conftest import Urls


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `tests.access.mutate` bring a world that is there already."""
    parser.addoption("--world", type=Path, help="play in a saved world instead of making one")


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """Everybody who calls and everything there is."""
    saved: Path | None = request.config.getoption("--world", None)
    if saved is not None:
        return World.load(saved)
    new_database: Callable[[], Urls] = request.getfixturevalue("new_database")
    return build(new_database())


@pytest.fixture(scope="session")
def stage(world: World) -> Iterator[Stage]:
    """Where requests are sent; `stage.scene()` rolls back."""
    with open_stage(world) as opened:
        yield opened


@pytest.fixture(scope="session")
def marks(stage: Stage) -> Marks:
    """Every canary, and who may see it."""
    with stage.scene() as session:
        return Marks(session)


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """All that is logged in a test, and is not said beside it."""
    with logged("debug") as book:
        yield book
