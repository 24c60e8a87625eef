"""Exports as they are made: of one moment, the same bytes whoever finishes them, in bounded memory and pieces."""

import json
import tracemalloc
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from foundation import jobs
from payments import account_codes, export_making, exports
from payments.export_kinds import KINDS
from payments.export_kinds.kind import TEXT, Drawing, Format, Kind, Layout, Parameters
from payments.models import Export
from tests.conftest import House
from tests.payments import exported, owed
from tests.payments.exported import ask, finish, make, take


def _state(db: Session, export: Export) -> str:
    db.refresh(export)
    return export.state


def _lapse(db: Session) -> None:
    """Whoever is making an export has said nothing for too long."""
    db.execute(text("UPDATE exports SET taken_until = now() - interval '1 minute' WHERE state = 'making'"))


def _kill(steps: Iterator[None]) -> None:
    """Whoever took these steps is gone, with what they had on disk."""
    assert isinstance(steps, Generator)
    steps.close()


def _n_chunks(db: Session, export: Export) -> int:
    rows = text("SELECT count(*) FROM export_chunks WHERE export_id = :id")
    return int(db.scalars(rows, {"id": export.id}).one())


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many steps as a large export has, out of a small one."""
    monkeypatch.setattr(export_making, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(export_making, "_CHUNKS_AT_ONCE", 1)
    monkeypatch.setattr(export_making, "CHUNK", 300)


def test_an_export_has_a_manifest_of_its_bytes(db: Session, books: None) -> None:
    owed.payee(db, 12_300, 200)
    owed.payee(db, 500, currency="EUR")

    export, content = make(db, "payables")

    assert (export.n_rows, export.sums) == (2, {"EUR": "0.0500", "USD": "1.2500"})
    assert export.parameters == {}
    assert (export.made_by, export.format, export.kind) == (exported.FINANCE, "csv", "payables")
    assert export.as_of is not None
    assert content.count(b"\r\n") == 3


def test_progress_is_told_while_it_is_made(db: Session, few_at_once: None) -> None:
    for _ in range(5):
        owed.payee(db, 100)
    export, seen = ask(db, "payables"), []

    for _ in export_making.steps(db, export.id):
        db.refresh(export)
        seen.append((export.state, export.n_drawn, export.n_done))

    assert seen[0] == ("making", None, 0)
    assert [done for state, drawn, done in seen if state == "making" and drawn == 5][:4] == [0, 2, 4, 5]
    assert seen[-1] == ("ready", 5, 5)


def test_what_changes_while_it_is_made_is_not_in_it(db: Session, few_at_once: None) -> None:
    payee = owed.payee(db, 100)
    export = ask(db, "payables")
    steps = export_making.steps(db, export.id)
    next(steps), next(steps)

    payee.name = "Another Name"
    owed.owe(db, payee, 7)
    db.flush()
    for _ in steps:
        pass

    (row,) = exported.rows(take(db, export))
    assert (row["name"], row["amount_due"]) != ("Another Name", "0.0107")
    assert row["amount_due"] == "0.0100"


@pytest.mark.parametrize("format_", ["csv", "xlsx", "parquet"])
def test_one_that_was_killed_at_any_step_is_finished_by_the_next(db: Session, few_at_once: None, format_: str) -> None:
    people = [owed.payee(db, 100 + n) for n in range(5)]
    n_steps = sum(1 for _ in export_making.steps(db, ask(db, "payables", format_).id))

    for killed_after in range(1, n_steps):
        export = ask(db, "payables", format_)
        steps = export_making.steps(db, export.id)
        for _ in range(killed_after):
            next(steps)
        _kill(steps)
        before, people[0].name = people[0].name, f"Renamed {killed_after}"
        db.flush()
        _lapse(db)
        finish(db, export)

        content = take(db, export)
        assert _n_chunks(db, export) == -(-len(content) // 300)
        if format_ == "csv":
            # What was drawn before it was killed is what it is of.
            assert exported.rows(content)[0]["name"] == (before if killed_after > 1 else people[0].name)


def test_the_same_drawn_rows_are_the_same_bytes_in_every_format(db: Session, few_at_once: None) -> None:
    owed.payee(db, 100)
    for format_ in ("csv", "xlsx", "parquet"):
        export = ask(db, "payables", format_)
        steps = export_making.steps(db, export.id)
        next(steps), next(steps)
        _kill(steps)
        _lapse(db)
        drawn = db.execute(text("SELECT number, cells FROM export_rows WHERE export_id = :id"), {"id": export.id}).all()

        first = take(db, finish(db, export))
        assert export.as_of is not None
        twin = ask(db, "payables", format_)
        as_of = {"id": twin.id, "as_of": export.as_of, "n": len(drawn)}
        db.execute(text("UPDATE exports SET as_of = :as_of, n_drawn = :n WHERE id = :id"), as_of)
        for number, cells in drawn:
            values = {"id": twin.id, "number": number, "cells": json.dumps(cells)}
            db.execute(text("INSERT INTO export_rows VALUES (:id, :number, CAST(:cells AS jsonb))"), values)

        assert take(db, finish(db, twin)) == first


def test_nobody_makes_what_somebody_else_is_making(db: Session) -> None:
    export = ask(db, "payables")
    steps = export_making.steps(db, export.id)
    next(steps)

    assert list(export_making.steps(db, export.id)) == []
    assert list(export_making.go_on(db)) == []
    for _ in steps:
        pass
    assert _state(db, export) == "ready"


def test_whoever_was_overtaken_stops_and_leaves_nothing(house: House, few_at_once: None) -> None:
    with house.sessions() as db, house.sessions() as other:
        for _ in range(5):
            owed.payee(db, 100)
        export = ask(db, "payables")
        slow = jobs.each_step(db, export_making.steps(db, export.id))
        for _ in range(3):
            next(slow)
        _lapse(other)
        other.commit()
        jobs.run_steps(other, export_making.steps(other, export.id))
        made = take(other, export)
        other.commit()

        assert list(slow) == []
        db.commit()
        db.refresh(export)

        assert (export.state, export.attempt, export.n_done) == ("ready", 2, 5)
        assert len(made) == export.n_bytes
        assert take(db, export) == made


def test_one_that_never_comes_to_its_end_fails(db: Session) -> None:
    export = ask(db, "payables")
    for _ in range(5):
        next(export_making.steps(db, export.id))
        _lapse(db)

    finish(db, export)

    assert export.state == "failed"
    assert "5 times" in str(export.failure)
    with pytest.raises(exports.ExportNotReady, match="5 times"):
        take(db, export)


def test_what_no_spreadsheet_holds_fails_with_the_place(db: Session, books: None) -> None:
    owed.payee(db, 100).name = "A" * 40_000
    db.flush()

    export = finish(db, ask(db, "payables", "xlsx"))

    assert (export.state, export.failure) == ("failed", "order 0, name: a cell holds 32767 characters")


def test_the_jobs_process_makes_what_was_asked_for(house: House) -> None:
    with house.sessions() as db:
        owed.payee(db, 100)
        export_id = ask(db, "payables").id
        db.commit()

    done = jobs.work(house.background)

    assert done["payments.export_making.go_on"] == 5
    with house.sessions() as db:
        assert exports.find(db, export_id).state == "ready"
    assert jobs.work(house.background)["payments.export_making.go_on"] == 0


def test_no_transaction_is_open_while_the_file_is_written(
    house: House, few_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, write = [], export_making._write
    with house.sessions() as db:
        owed.payee(db, 100)
        owed.payee(db, 200)
        export = ask(db, "payables")
        db.commit()

        def look(*given: Any) -> Any:
            seen.append(db.in_transaction())
            return write(*given)

        monkeypatch.setattr(export_making, "_write", look)
        jobs.run_steps(db, export_making.steps(db, export.id))

    assert seen == [False]


# Test 39


def test_what_was_exported_is_the_same_after_rates_names_and_roles_have_changed(db: Session, books: None) -> None:
    payee = owed.payee(db, 12_300)
    owed.sent(db)
    exported.set_codes(db)
    month = f"{db.scalars(text('SELECT current_date')).one():%Y-%m}"
    made = [
        make(db, kind, format_, **parameters)
        for kind, format_, parameters in (
            ("payables", "csv", {}),
            ("payouts", "xlsx", {"month": month}),
            ("journal", "csv", {"month": month}),
            ("journal", "parquet", {"month": month}),
            ("payee-statement", "json", {"month": month, "payee_id": payee.id}),
        )
    ]

    payee.name = "Somebody Else"
    account_codes.replace(db, {"bank": "9999"}, set_by="another")
    owed.owe(db, payee, 999)
    db.execute(text("INSERT INTO rates (id, owner_ref, tier, region, currency, amount) VALUES ('r','o',1,'','USD',1)"))
    db.flush()

    for export, content in made:
        assert take(db, export) == content
        assert exports.find(db, export.id).sha256 == export.sha256


def test_nobody_changes_the_bytes_or_the_manifest(db: Session) -> None:
    export, _ = make(db, "payables")
    changes = (
        "DELETE FROM export_chunks",
        "INSERT INTO export_chunks VALUES (:id, 7, 'x')",
        "UPDATE exports SET n_rows = 7",
        "UPDATE exports SET state = 'making', sha256 = NULL",
    )

    for change in changes:
        with pytest.raises(ProgrammingError, match="append-only"), db.begin_nested():
            db.execute(text(change), {"id": export.id})


# Memory


def _numbers(size: int) -> Kind:
    layout = Layout("Numbers", {"n": TEXT, "text": TEXT})
    sql = f"SELECT n, repeat('x', 100) AS text FROM generate_series(1, {size}) AS n"

    def draw(_db: Session, _given: Parameters) -> Drawing:
        return layout.drawing(sql, "n", {})

    return Kind(f"numbers-{size}", draw, layout.writers(Format.CSV))


@pytest.fixture
def sizes() -> Iterator[tuple[str, str]]:
    kinds = {kind.name: kind for kind in (_numbers(10_000), _numbers(60_000))}
    KINDS.update(kinds)
    yield tuple(kinds)  # type: ignore[misc]  # two of them
    for name in kinds:
        del KINDS[name]


def _peak(house: House, kind: str) -> int:
    """The most memory that making and taking an export needs; committed step by step, as the jobs process does."""
    tracemalloc.start()
    try:
        with house.sessions() as db:
            export = ask(db, kind)
            jobs.run_steps(db, export_making.steps(db, export.id))
            db.refresh(export)
            assert (export.n_bytes or 0) > 1_000_000
            for _ in exports.take(db, export.id, taken_by="oscar").chunks():
                pass
            db.commit()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_rows(
    house: House, sizes: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_making, "_ROWS_AT_ONCE", 1000)
    monkeypatch.setattr(export_making, "_CHUNKS_AT_ONCE", 1)
    _peak(house, sizes[0])

    small, large = (_peak(house, size) for size in sizes)

    # Six times the rows, and 5 MB more of bytes.
    assert large < small + 1_000_000


def test_pieces_are_bounded(db: Session, sizes: tuple[str, str]) -> None:
    export = finish(db, ask(db, sizes[1]))

    lengths = list(db.scalars(text("SELECT length(bytes) FROM export_chunks ORDER BY number")))

    assert lengths[:-1] == [export_making.CHUNK] * (len(lengths) - 1)
    assert sum(lengths) == export.n_bytes
    assert len(lengths) > 20
