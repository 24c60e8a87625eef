"""Alembic migrations; `rookery migrate` runs them as the owner."""

from pathlib import Path


def head() -> str:
    """The newest version, by the names of the files."""
    return max(path.name.partition("_")[0] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
