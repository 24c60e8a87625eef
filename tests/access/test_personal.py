"""That of every table with something about a worker it is decided what they are told, what goes and what stays."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests import factories
from tests.access.canaries import VISIBLE
from workforce import own_data

PERSONAL: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "personal.toml").read_text())
OTHERS = PERSONAL.pop("others")
# What a person, or something of theirs that tells whose it is, is called in columns.
_NAMES = [
    "accepted_by", "about", "account_ref", "actor_id", "actor_ref", "answer_id", "answer_ref", "assignment_id",
    "attempt_id", "block_id", "claimed_by", "clawback_id", "earning_id", "invitation_id", "kept_for", "one_ref",
    "other_ref", "override_id", "owner_ref", "payee_id", "payout_id", "person_ref", "set_by", "stream", "subject",
    "subject_id", "suspension_id", "voter_id", "voters", "worker_id",
]  # fmt: skip
_COLUMNS = text("""
    SELECT c.table_name, c.column_name
      FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
""")


def _columns(db: Session) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in db.execute(_COLUMNS):
        found.setdefault(table, set()).add(column)
    return found


def _gone(decided: dict[str, Any]) -> list[str]:
    return [] if decided.get("gone") == "rows" else decided.get("gone", [])


def test_nothing_that_holds_a_person_is_forgotten(db: Session) -> None:
    holding = {table: named for table, columns in _columns(db).items() if (named := columns & set(_NAMES))}

    undecided = {
        table: sorted(named - set(PERSONAL.get(table, {}).get("whose", [])))
        for table, named in holding.items()
        if table not in OTHERS
    }
    assert {table: named for table, named in undecided.items() if named} == {}


def test_what_is_decided_about_is_there(db: Session) -> None:
    columns = _columns(db)

    gone_by = {
        table: missing
        for table, decided in PERSONAL.items()
        if (missing := {*decided["whose"], *_gone(decided), *decided.get("words", [])} - columns.get(table, set()))
    }
    assert (gone_by, set(OTHERS) - columns.keys(), PERSONAL.keys() & OTHERS.keys()) == ({}, set(), set())


def test_each_decision_has_its_reason() -> None:
    silent = [table for table, one in PERSONAL.items() if not one["told"]]
    kept = [table for table, one in PERSONAL.items() if (one.get("gone") == "rows") == bool(one.get("stays"))]

    assert (silent, kept, [table for table, why in OTHERS.items() if not why]) == ([], [], [])


def test_all_words_go_or_are_known_to_stay() -> None:
    """Those of visible.toml that people write, and that nobody but whom it names may read."""
    undecided = {
        table: left
        for table, one in PERSONAL.items()
        if one.get("gone") != "rows"
        and (left := set(VISIBLE[table].get("planted", {})) - set(_gone(one)) - set(one.get("words", [])))
    }

    assert undecided == {}


def test_every_section_of_an_export_is_of_a_table_and_every_table_that_is_told_has_one(db: Session) -> None:
    with own_data.export(db, factories.create_worker(db).id) as file:
        sections = set(json.load(file))

    assert set(_told(PERSONAL.values())) == sections


def _told(decided: Iterable[dict[str, Any]]) -> Iterable[str]:
    for one in decided:
        if isinstance(one["told"], list):
            yield from one["told"]
