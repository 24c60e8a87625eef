"""Statements: what an account opens with, every line with what it leaves, and what it closes with; and snapshots."""

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock, ids
from foundation.pagination import PageRequest
from payments import commands, horizon, ledger, statements
from payments.ledger import FUNDS, HOUSE, PLATFORM_FEE, AccountName, Entry, Line
from payments.statements import CLOSING, LINE, OPENING, Move, NoSuchAccount, TimesReversed
from tests.conftest import House
from tests.payments.posted import CASH, FREE, alone, post, settle

FEE = AccountName(PLATFORM_FEE, HOUSE, "USD")
_FEES = (Line(FREE, FEE, 30), Line(FREE, FEE, 5))


def _now() -> datetime:
    """A moment behind all ids that were made, and before all that will be."""
    time.sleep(0.001)
    return datetime.now(UTC)


def _of(db: Session, name: AccountName, **bounds: datetime) -> list[Move]:
    return list(statements.account_statement(db, name.role.name, name.owner_ref, name.currency, **bounds))


def _told(moves: list[Move]) -> list[tuple[str, int, int, int]]:
    return [(move.type, move.debit, move.credit, move.balance) for move in moves]


def _balance(db: Session, name: AccountName, at: datetime | None = None) -> int:
    return statements.balance(db, name.role.name, name.owner_ref, name.currency, at)


def _id(db: Session, name: AccountName) -> str:
    return statements.find(db, name.role.name, name.owner_ref, name.currency)


# Statements


def test_a_statement_opens_lists_and_closes(db: Session, books: None) -> None:
    (paid,) = post(db, "in")
    post(db, "fees", lines=_FEES)

    moves = _of(db, FREE)

    assert _told(moves) == [
        (OPENING, 0, 0, 0), (LINE, 0, 500, 500), (LINE, 30, 0, 470), (LINE, 5, 0, 465), (CLOSING, 0, 0, 465),
    ]  # fmt: skip
    first = moves[1]
    assert (first.entry_id, first.line, first.kind, first.cause_ref) == (paid, 1, "test", "cause")
    assert (first.other, first.effective_on, first.exponent) == ("bank:house", clock.now(db).date(), 4)


def test_an_asset_stands_on_the_other_side(db: Session, books: None) -> None:
    post(db, "in")
    post(db, "out", lines=(Line(FREE, CASH, 20),))

    assert _told(_of(db, CASH))[1:] == [(LINE, 500, 0, 500), (LINE, 0, 20, 480), (CLOSING, 0, 0, 480)]


def test_one_statement_ends_where_the_next_begins(db: Session, books: None) -> None:
    post(db, "a", "b")
    first = _now()
    post(db, "c")
    second = _now()
    post(db, "d")

    parts = [_of(db, FREE, until=first), _of(db, FREE, since=first, until=second), _of(db, FREE, since=second)]

    assert [(part[0].balance, part[-1].balance) for part in parts] == [(0, 1_000), (1_000, 1_500), (1_500, 2_000)]
    assert [move for part in parts for move in part if move.type == LINE] == _of(db, FREE)[1:-1]


def test_a_statement_of_a_time_without_entries_says_what_was_there(db: Session, books: None) -> None:
    post(db, "a")
    moment = _now()

    assert _told(_of(db, FREE, since=moment)) == [(OPENING, 0, 0, 500), (CLOSING, 0, 0, 500)]
    assert _told(_of(db, FREE, until=moment - timedelta(days=1))) == [(OPENING, 0, 0, 0), (CLOSING, 0, 0, 0)]
    assert _told(_of(db, FREE, since=moment, until=moment)) == [(OPENING, 0, 0, 500), (CLOSING, 0, 0, 500)]


@pytest.mark.parametrize("far", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_statement_may_begin_and_end_at_the_ends_of_time(db: Session, books: None, far: datetime) -> None:
    post(db, "a")

    assert len(_of(db, FREE, since=far)) + len(_of(db, FREE, until=far)) == 5


def test_a_statement_that_ends_before_it_begins_is_refused(db: Session) -> None:
    post(db, "a")
    moment = _now()

    with pytest.raises(TimesReversed):
        _of(db, FREE, since=moment, until=moment - timedelta(seconds=1))


def test_an_account_that_is_not_there_has_no_statement(db: Session) -> None:
    with pytest.raises(NoSuchAccount, match="funds:a in USD"):
        _of(db, FREE)
    with pytest.raises(NoSuchAccount):
        statements.page(db, ids.new("acc"), PageRequest(10))
    with pytest.raises(NoSuchAccount):
        _balance(db, FREE)


def test_a_statement_is_of_one_moment_whoever_posts_meanwhile(house: House) -> None:
    alone(house, lambda db: post(db, *map(str, range(1_500))))

    with house.sessions() as db:
        reading = _of_lazily(db, FREE)
        first = next(reading)
        alone(house, lambda other: post(other, "meanwhile"))
        moves = [first, *reading]

    assert len(moves) == 1_502
    assert moves[-1].balance == 1_500 * 500


def _of_lazily(db: Session, name: AccountName) -> Iterator[Move]:
    return statements.account_statement(db, name.role.name, name.owner_ref, name.currency)


# Pages


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 200])
def test_pages_of_any_size_are_the_statement(db: Session, books: None, limit: int) -> None:
    post(db, "a")
    post(db, "fees", lines=_FEES)
    post(db, "b")

    read: list[Move] = []
    after = None
    for turn in itertools.count():
        page = statements.page(db, _id(db, FREE), PageRequest(limit, after=after))
        assert sum(move.type == LINE for move in page.items) <= limit
        read += page.items
        after = page.last
        if after is None:
            break
        assert turn < 5

    assert read == _of(db, FREE)


def test_a_later_page_opens_with_what_has_come_meanwhile(db: Session, books: None) -> None:
    post(db, *"abc")
    first = statements.page(db, _id(db, FREE), PageRequest(2))
    post(db, "d")

    second = statements.page(db, _id(db, FREE), PageRequest(2, after=first.last))

    assert [move.balance for move in second.items] == [1_500, 2_000, 2_000]


# Balances


def test_a_balance_is_known_at_any_moment(db: Session, books: None) -> None:
    moments = [_now()]
    for key in "abc":
        post(db, key)
        moments.append(_now())

    assert [_balance(db, FREE, moment) for moment in moments] == [0, 500, 1_000, 1_500]
    assert [_balance(db, CASH, moment) for moment in moments] == [0, 500, 1_000, 1_500]
    assert _balance(db, FREE) == ledger.balance(db, FUNDS, "a", "USD") == 1_500


def test_accounts_are_listed_with_what_went_through_them(db: Session, books: None) -> None:
    post(db, "in")
    post(db, "fees", lines=_FEES)

    every = statements.accounts(db, PageRequest(10)).items
    found = {account.role: (account.debits, account.credits, account.balance) for account in every}
    assert found == {"bank": (500, 0, 500), "funds": (35, 500, 465), "platform_fee": (0, 35, 35)}

    def roles(**wanted: str) -> list[str]:
        return [account.role for account in statements.accounts(db, PageRequest(10), **wanted).items]

    assert roles(role="bank") == ["bank"]
    assert sorted(roles(owner_ref=HOUSE)) == ["bank", "platform_fee"]
    assert (roles(currency="EUR"), roles(role="bank", owner_ref="a")) == ([], [])


def test_accounts_come_in_pages(db: Session, books: None) -> None:
    post(db, "in")
    post(db, "fees", lines=_FEES)

    first = statements.accounts(db, PageRequest(2))
    second = statements.accounts(db, PageRequest(2, after=first.last))

    assert len({account.id for account in [*first.items, *second.items]}) == 3
    assert second.last is None


def test_a_trial_balance_is_of_what_counts_by_a_day(db: Session, books: None) -> None:
    line = (Line(CASH, FREE, 7),)
    for day in (date(2026, 5, 31), date(2026, 6, 1), date(2024, 2, 29)):
        ledger.post(db, [Entry(str(day), "test", "cause", "somebody", line, effective_on=day)])

    def sums(day: date) -> list[tuple[str, str, int, int]]:
        return [(row.role, row.currency, row.debits, row.credits) for row in statements.trial_balance(db, day)]

    assert sums(date(2024, 2, 28)) == []
    assert sums(date(2024, 2, 29)) == [("bank", "USD", 7, 0), ("funds", "USD", 0, 7)]
    assert sums(date(2026, 5, 31)) == [("bank", "USD", 14, 0), ("funds", "USD", 0, 14)]
    assert sums(date.max) == [("bank", "USD", 21, 0), ("funds", "USD", 0, 21)]


# Snapshots


def _snapshots(house: House) -> list[tuple[str, int, int]]:
    with house.sessions() as db:
        rows = db.execute(
            text("""SELECT a.role, s.debits, s.credits FROM balance_snapshots s JOIN accounts a ON a.id = s.account_id
                     ORDER BY s.up_to_entry, a.role""")
        )
        return [(row.role, int(row.debits), int(row.credits)) for row in rows]


def test_accounts_without_a_bound_are_kept_in_snapshots_when_they_moved(house: House) -> None:
    alone(house, lambda db: [post(db, "in"), post(db, "fees", lines=_FEES)])
    settle(house)
    taken = [alone(house, statements.take_snapshots) for _ in range(2)]
    alone(house, lambda db: post(db, "more"))
    settle(house)
    taken += [alone(house, statements.take_snapshots) for _ in range(2)]

    assert taken == [2, 0, 1, 0]
    assert _snapshots(house) == [("bank", 500, 0), ("platform_fee", 0, 35), ("bank", 1_000, 0)]


def test_what_is_on_an_account_is_its_snapshot_and_what_has_come_since(house: House) -> None:
    def fees(db: Session) -> int:
        return ledger.debit_balance(db, PLATFORM_FEE, HOUSE, "USD")

    alone(house, lambda db: [post(db, "in"), post(db, "fees", lines=_FEES)])
    settle(house)
    alone(house, statements.take_snapshots)
    kept = alone(house, fees)
    with house.sessions() as db:
        post(db, "more fees", lines=_FEES)
        seen = fees(db)
        db.rollback()

    assert (kept, seen, alone(house, fees)) == (-35, -70, -35)


def test_without_a_horizon_there_is_no_snapshot(house: House) -> None:
    alone(house, lambda db: post(db, "in"))

    assert alone(house, statements.take_snapshots) == 0


def test_what_was_open_when_a_snapshot_could_have_been_taken_is_in_the_next(house: House) -> None:
    """Medici's error: an entry that is older than the snapshot and not in it."""
    alone(house, lambda db: [post(db, "in"), post(db, "b", lines=(Line(CASH, _other("b"), 7),))])
    with house.sessions() as slow:
        post(slow, "slow")
        alone(house, lambda db: post(db, "quick", lines=(Line(CASH, _other("b"), 7),)))
        alone(house, lambda db: horizon.tell(db, clock.now(db)))
        for _ in range(5):
            alone(house, horizon.advance)
        held = alone(house, statements.take_snapshots)
        slow.commit()
    settle(house)
    alone(house, statements.take_snapshots)

    assert held == 0
    assert _snapshots(house) == [("bank", 1_014, 0)]


def _other(owner: str) -> AccountName:
    return AccountName(FUNDS, owner, "USD")


def test_balances_and_statements_are_the_same_with_snapshots_and_without(house: House) -> None:
    moments = [_now()]
    for day in range(3):
        alone(house, lambda db, day=day: _a_day(db, day))  # type: ignore[misc]
        moments.append(_now())
    plain = _everything(house, moments)
    # One snapshot in the middle of what there is, and one behind it.
    alone(house, lambda db: _plant(db, moments[1]))
    alone(house, lambda db: _plant(db, moments[3]))

    assert len(_snapshots(house)) == 4
    assert _everything(house, moments) == plain


def _a_day(db: Session, day: int) -> None:
    post(db, f"in {day}")
    post(db, f"fees {day}", lines=_FEES)


def _plant(db: Session, moment: datetime) -> None:
    """A snapshot at a moment: as the sweep takes it, with any horizon."""
    accounts = [_id(db, name) for name in (CASH, FEE)]
    db.execute(statements._SNAPSHOT, {"before": ids.earliest("jnl", moment), "accounts": accounts})


def _everything(house: House, moments: list[datetime]) -> list[object]:
    with house.sessions() as db:
        found: list[object] = [_balance(db, name, at) for name in (CASH, FEE, FREE) for at in [*moments, None]]
        found += [_of(db, CASH, since=since, until=until) for since, until in itertools.pairwise(moments)]
        pages = [statements.page(db, _id(db, FEE), PageRequest(2, after=None))]
        while pages[-1].last is not None:
            pages.append(statements.page(db, _id(db, FEE), PageRequest(2, after=pages[-1].last)))
        return [*found, *[list(page.items) for page in pages]]


def test_a_balance_reads_what_came_after_its_snapshot_and_nothing_before(house: House) -> None:
    alone(house, lambda db: post(db, "in"))
    settle(house)
    alone(house, statements.take_snapshots)
    alone(house, lambda db: post(db, "more"))

    # As the owner: a snapshot that says something else shows that it is what counts.
    with house.sessions() as db:
        honest = _balance(db, CASH)
        db.execute(
            text(
                "INSERT INTO balance_snapshots SELECT account_id, up_to_entry || '0', debits + 5, credits"
                " FROM balance_snapshots"
            )
        )
        assert _balance(db, CASH) == honest + 5
        db.rollback()


# The command


def test_the_command_writes_a_statement_line_by_line(db: Session, books: None) -> None:
    (paid,) = post(db, "in")

    ran = CliRunner().invoke(commands.statement, ["funds:a", "USD"], obj=db)

    assert ran.exit_code == 0
    lines = [line.split("\t") for line in ran.output.splitlines()]
    assert lines[0] == ["at", "entry", "kind", "cause", "other", "debit", "credit", "balance"]
    assert lines[1] == ["", "", "opening", "", "", "", "", "0.0000"]
    assert lines[2][1:] == [paid, "test", "cause", "bank:house", "0.0000", "0.0500", "0.0500"]
    assert lines[3] == ["", "", "closing", "", "", "", "", "0.0500"]


def test_the_command_names_what_it_cannot_find(db: Session) -> None:
    assert CliRunner().invoke(commands.statement, ["funds", "USD"], obj=db).exit_code == 2
    with pytest.raises(NoSuchAccount):
        CliRunner().invoke(commands.statement, ["funds:a", "USD"], obj=db, catch_exceptions=False)


# Over HTTP


def test_accounts_and_their_statements_are_read_over_http(
    db: Session, client: FlaskClient, token: Callable[..., str], books: None
) -> None:
    post(db, "in", "again")
    db.commit()
    headers = {"Authorization": f"Bearer {token('auditor')}"}

    (account,) = client.get("/api/accounts?role=funds", headers=headers).get_json()["items"]
    address = f"/api/accounts/{account['id']}/statement"
    first = client.get(f"{address}?limit=1", headers=headers).get_json()
    second = client.get(f"{address}?limit=1&cursor={first['next_cursor']}", headers=headers).get_json()

    assert (account["owner_ref"], account["balance"], account["bounded"]) == ("a", "0.1000", True)
    assert [(move["type"], move["balance"]) for move in first["items"]] == [(OPENING, "0.0000"), (LINE, "0.0500")]
    assert [(move["type"], move["balance"]) for move in second["items"]] == [(LINE, "0.1000"), (CLOSING, "0.1000")]
    assert second["next_cursor"] is None


def test_what_cannot_be_read_is_a_problem(
    db: Session, client: FlaskClient, token: Callable[..., str], books: None
) -> None:
    post(db, "in")
    address = f"/api/accounts/{_id(db, FREE)}/statement"
    db.commit()
    headers = {"Authorization": f"Bearer {token('finance')}"}

    turned = client.get(f"{address}?since=2026-06-02T00:00:00Z&until=2026-06-01T00:00:00Z", headers=headers)
    nobodys = client.get(f"/api/accounts/{ids.new('acc')}/statement", headers=headers)
    unknown = client.get("/api/accounts?role=wallet", headers=headers)

    assert (turned.status_code, turned.get_json()["errors"][0]["pointer"]) == (422, "?/until")
    assert (nobodys.status_code, nobodys.get_json()["type"]) == (404, "/problems/no-such-account")
    assert unknown.status_code == 422
