from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import checks


def test_of_what_is_wrong_the_first_twenty_are_told_under_the_rules_name(db: Session) -> None:
    rules = {"many": "SELECT n FROM generate_series(1, 50) n", "none": "SELECT 1 WHERE false"}

    found = checks.broken(db, rules)

    assert found == {"many": [str(number) for number in range(1, 21)], "none": []}


def test_a_rule_is_planned_for_all_its_rows_and_not_for_the_first(db: Session) -> None:
    sql = checks._first("SELECT id FROM answers JOIN assignments USING (id)")

    plan = db.scalars(text(f"EXPLAIN {sql}")).all()

    # Of the limit, only the scan of what was found knows.
    assert plan[0].startswith("Limit")
    assert "CTE found" in plan[1]
    assert "CTE Scan on found" in plan[-1]
