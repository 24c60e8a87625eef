"""What tables refuse even to their owner, and that every check of the books can turn red."""

import io
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from foundation import clock
from payments import (
    adjustments,
    checks,
    clawbacks,
    contracts,
    earnings,
    funding,
    invoices,
    ledger,
    money,
    payees,
    payouts,
    periods,
    rates,
    reconciliation,
    refunds,
    runs,
    statements,
)
from payments.earnings import Work
from payments.ledger import BANK, FUNDS, HOUSE, PLATFORM_FEE, AccountName, Entry, Line
from payments.models import Billing, Payee, Payout, Presentation
from payments.rates import Price
from tests import factories
from tests.conftest import Urls
from tests.payments import owed
from tests.payments.files.test_camt import document, entry

CASH = AccountName(BANK, HOUSE, "USD")
FEE = AccountName(PLATFORM_FEE, HOUSE, "USD")


APPEND_ONLY = [
    "journal_entries", "journal_lines", "rates", "tier_moves", "known_labels", "adjudications", "adjustments",
    "invoice_lines",
    "active_time", "weekly_pay", "seals", "balance_snapshots",
]  # fmt: skip
CHANGES = ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]
_COLUMN = {
    "journal_entries": "kind",
    "journal_lines": "amount",
    "known_labels": "label",
    "adjudications": "label",
    "invoice_lines": "kind",
    "active_time": "region",
    "weekly_pay": "week",
    "seals": "sums",
    "balance_snapshots": "debits",
}


@pytest.fixture(scope="module")
def written(new_database: Callable[[], Urls]) -> Urls:
    """A database with one settled answer in its books, committed: what the checks and the triggers look at."""
    urls = new_database()
    engine = create_engine(urls.app)
    with Session(engine) as db:
        payee = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
        funding.register(db, "req_1")
        funding.top_up(db, owner_ref="req_1", currency="USD", amount=9_000, bank_reference="b", actor_ref="f")
        funding.reserve(db, owner_ref="req_1", cause_ref="bat_1", key="t", currency="USD", amount=5_000)
        earnings.pend(db, [Work("ans_1", payee.id, "bat_1", "USD", 200)])
        earnings.accept(db, ["ans_1"])
        db.execute(
            text("INSERT INTO active_time SELECT 'ans_1', :id, 'bat_1', 's', 1, 'KE', 9, now()"), {"id": payee.id}
        )
        db.execute(text("INSERT INTO floor_weeks (week, begun_by) SELECT '2026-W05', 'f'"))
        week = text("INSERT INTO weekly_pay SELECT '2026-W05', :id, 'USD', 9, 0, 200, 0, 100, 0, NULL")
        db.execute(week, {"id": payee.id})
        sent, prepared = owed.payee(db, 300), owed.payee(db, 400, 500)
        _send(db, sent)
        ids_of = text("SELECT id FROM earnings WHERE payee_id = :id ORDER BY id")
        adjustments.reverse(db, [db.scalars(ids_of, {"id": prepared.id}).all()[0]], reason="r", actor_ref="f")
        owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="f"))
        _refund(db)
        _ask_back(db)
        _invoice(db)
        rates.publish(db, "prj_1", [Price(tier=0, amount="0.02", currency="USD")])
        db.execute(text("INSERT INTO workers (id, name, country, status, payee_id) SELECT 'w','n','KE','active','p'"))
        db.execute(text("INSERT INTO tier_moves SELECT 'm', 'w', 's', 1, 2, 'why', 'ops', now()"))
        db.execute(text("INSERT INTO known_labels (project_id, task_id, label, voter_id) SELECT 'p', 't', 1, 'w'"))
        db.execute(text("INSERT INTO adjudications (project_id, task_id, voter_id, label) SELECT 'p', 't', 'w', 1"))
        unknown = document(entry()).replace(b'"EUR"', b'"USD"')
        reconciliation.read(db, io.BytesIO(unknown), format_="camt", read_by="f")
        factories.enter_fx_rate(db)
        factories.enter_tax_rule(db)
        _look_back(db)
        db.commit()
    engine.dispose()
    return urls


def _look_back(db: Session) -> None:
    """A closed month with an entry, a seal, and a snapshot of what there is."""
    old = Entry(
        "old", "test", "cause", "f", (Line(CASH, AccountName(FUNDS, "old", "USD"), 7),), effective_on=date(2020, 1, 15)
    )
    ledger.post(db, [old])
    periods.close(db, date(2020, 1, 1), closed_by="f")
    periods.confirm(db, date(2020, 1, 1), trial_hash=periods.shown(db, date(2020, 1, 1)).hash, confirmed_by="a")
    db.execute(text("INSERT INTO seals SELECT 1, min(id), max(id), 1, '', '', '' FROM journal_entries"))
    bank = statements.find(db, "bank", "house", "USD")
    db.execute(statements._SNAPSHOT, {"before": "jnl_~", "accounts": [bank]})


def _send(db: Session, payee: Payee) -> None:
    """Let a run go that pays one person."""
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="f"))
    for other in db.scalars(payouts.listed(run_id=run.id).where(Payout.payee_id != payee.id)).all():
        runs.drop(db, other.id, reason="not now")
    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by="a")
    owed.go_through(db, runs.release(db, run.id, released_by="f"))


def _invoice(db: Session) -> None:
    """Of three months that an owner spent in, one invoice waits for its payment, one is paid, and one is void."""
    currency, now = money.currency(db, "USD"), clock.now(db)
    made = contracts.propose(
        db, owner_ref=owed.OWNER, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.POSTPAID,
        valid_from=now - timedelta(days=300), made_by="f",
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by="a")
    limit = contracts.propose_limit(
        db, owner_ref=owed.OWNER, currency=currency, amount=10**6, valid_from=now - timedelta(days=1), made_by="f"
    )
    contracts.confirm_limit(db, limit.id, confirmed_by="a")
    contracts.draw(db, owner_ref=owed.OWNER, currency=currency, amount=360_000, key="d", actor_ref="f")
    payee, month, issued = owed.payee(db, rail=None), now.date(), []
    for _ in range(3):
        month = (month.replace(day=1) - timedelta(days=1)).replace(day=1)
        with owed.booked_on(month):
            adjustments.give_bonus(
                db, owner_ref=owed.OWNER, payee_id=payee.id, currency="USD", amount=100_000, reason="r", actor_ref="f"
            )
        draft = invoices.draft(
            db, owner_ref=owed.OWNER, currency=currency, month=month, vat_basis_points=1_000, made_by="f"
        )
        issued.append(invoices.issue(db, draft.id, issued_by="f"))
    invoices.pay(db, issued[1].id, currency="USD", amount=issued[1].due or 0, bank_reference="p", actor_ref="f")
    invoices.void(db, issued[2].id, reason="r", voided_by="f")


def _ask_back(db: Session) -> None:
    """Two earnings that were paid out are asked back; one of the debts is given up."""
    made = []
    for payee in (owed.payee(db, 600), owed.payee(db, 700)):
        _send(db, payee)
        exported = db.scalars(payouts.listed(payee_id=payee.id, state="exported")).all()
        payouts.settle(db, [payouts.Outcome(payout.id) for payout in exported])
        (earning_id,) = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": payee.id})
        clawback = clawbacks.propose(db, earning_id, reason="r", made_by="f")
        made.append(clawbacks.confirm(db, clawback.id, confirmed_by="a"))
    clawbacks.propose_write_off(db, made[0].id, reason="r", proposed_by="f")
    clawbacks.write_off(db, made[0].id, confirmed_by="a")


def _refund(db: Session) -> None:
    """Of a top-up a part has gone back, and another is asked for."""
    top_up = funding.top_up(db, owner_ref="req_1", currency="USD", amount=90_000, bank_reference="r", actor_ref="f")
    for _ in range(2):
        refund = refunds.propose(
            db, owner_ref="req_1", currency=money.currency(db, "USD"), amount=10_000, top_up_id=top_up,
            requested_by="f",
        )  # fmt: skip
    refunds.approve(db, refund.id, approved_by="a")


@pytest.fixture
def owner(written: Urls) -> Iterator[Session]:
    """The owner's session on the written books; what it does is rolled back."""
    engine = create_engine(written.owner)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def application(written: Urls) -> Iterator[Session]:
    """The application's session on the written books; what it does is rolled back."""
    engine = create_engine(written.app)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", CHANGES)
def test_the_application_may_not_change_what_is_written_once(application: Session, table: str, change: str) -> None:
    statement = change.format(table=table, column=_COLUMN.get(table, "id"))

    with pytest.raises(ProgrammingError, match="permission denied"):
        application.execute(text(statement))


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", CHANGES)
def test_even_the_owner_is_refused(owner: Session, table: str, change: str) -> None:
    statement = change.format(table=table, column=_COLUMN.get(table, "id"))

    with pytest.raises(ProgrammingError, match="is append-only"):
        owner.execute(text(statement))


CONFIRMED_ONCE = ["fx_rates", "tax_rules"]


@pytest.mark.parametrize("table", CONFIRMED_ONCE)
@pytest.mark.parametrize(
    "change", ["UPDATE {table} SET currency = currency", "DELETE FROM {table}", "TRUNCATE {table}"]
)
def test_the_application_may_only_confirm_what_waits_for_it(application: Session, table: str, change: str) -> None:
    column = "currency" if table == "tax_rules" else "base"

    with pytest.raises(ProgrammingError, match="permission denied"):
        application.execute(text(change.format(table=table).replace("currency", column)))


CONFIRM = "UPDATE {table} SET confirmed_by = 'another', confirmed_at = now()"
NO_CONFIRMATION = {
    "another row": "UPDATE {table} SET entered_by = 'another', confirmed_by = 'a', confirmed_at = now()",
    "nothing": "UPDATE {table} SET id = id",
    "a deletion": "DELETE FROM {table}",
    "all of it": "TRUNCATE {table} CASCADE",
}


@pytest.mark.parametrize("table", CONFIRMED_ONCE)
@pytest.mark.parametrize("change", NO_CONFIRMATION.values(), ids=NO_CONFIRMATION.keys())
def test_even_the_owner_only_confirms(owner: Session, table: str, change: str) -> None:
    with pytest.raises(ProgrammingError, match="is append-only"):
        owner.execute(text(change.format(table=table)))


@pytest.mark.parametrize("table", CONFIRMED_ONCE)
def test_a_row_is_confirmed_once_by_whoever_may(application: Session, table: str) -> None:
    application.execute(text(CONFIRM.format(table=table)))

    with pytest.raises(ProgrammingError, match="is append-only"):
        application.execute(text(CONFIRM.format(table=table)))


@pytest.mark.parametrize("statement", ["ALTER TABLE journal_lines DISABLE TRIGGER ALL", "DROP TABLE balances"])
def test_the_application_may_not_alter_tables(application: Session, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="must be owner"):
        application.execute(text(statement))


# Every check can turn red: a rule is broken by the owner, with what guards it taken away, and rolled back.
# Paired lines cannot be unbalanced, so I1 and I3 can only go wrong with the view that shows them.

# An earning that nothing refers to.
_LOSE = "DELETE FROM earnings WHERE answer_ref = 'ans_1'"
BREAKS = {
    "I1 every entry balances in each currency": """
        CREATE OR REPLACE VIEW postings AS
          SELECT entry_id, line, debit_id AS account_id, currency, amount FROM journal_lines""",
    "I2 every entry is complete": """
        INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref)
        VALUES ('jnl_x', 'x', '', 'test', 1, 'c', 'a')""",
    "I3 the trial balance is zero": """
        CREATE OR REPLACE VIEW postings AS
          SELECT entry_id, line, debit_id AS account_id, currency, amount FROM journal_lines""",
    "I4 stored balances equal recomputed ones": """
        UPDATE balances SET credits = credits + 1""",
    "I4b snapshots of balances are what the lines before them add up to": """
        ALTER TABLE balance_snapshots DISABLE TRIGGER append_only;
        UPDATE balance_snapshots SET debits = debits + 1, credits = credits + 1""",
    "I5 no bounded account is below zero": """
        ALTER TABLE balances DROP CONSTRAINT ck_balances_not_negative;
        UPDATE balances SET debits = credits + 1""",
    "I6 payable equals unpaid due earnings": """
        UPDATE earnings SET amount = amount + 1 WHERE status = 'due'""",
    "I6b every due earning has the entry that pays its payee, and no other": """
        UPDATE earnings SET entry_id = (SELECT min(id) FROM journal_entries)""",
    "I7 of an earning no more is paid than it is": """
        UPDATE payout_items SET counts = false WHERE counts""",
    "I9 a payout is the sum of its items": """
        UPDATE payout_items SET amount = amount - 1""",
    "I10 a run's totals are those of its payouts": """
        UPDATE payout_runs SET total = total + 1""",
    "I11 whoever approved a run has not prepared it": """
        ALTER TABLE payout_runs DROP CONSTRAINT ck_payout_runs_four_eyes;
        UPDATE payout_runs SET prepared_by = approved_by WHERE approved_by IS NOT NULL""",
    "I12 in transit by the books is what was sent and is not final": """
        UPDATE payouts SET state = 'settled' WHERE state = 'exported'""",
    "I12b suspense by the books is what banks have booked and nobody can place": """
        UPDATE bank_entries SET amount = amount + 1""",
    "I13 reserved = spent + released + remaining": """
        UPDATE reserves SET spent = spent - 1""",
    "I14 a reversal is its entry turned round": """
        ALTER TABLE journal_lines DISABLE TRIGGER append_only;
        UPDATE journal_lines SET amount = amount + 1
         WHERE entry_id IN (SELECT id FROM journal_entries WHERE reverses_id IS NOT NULL)""",
    "I18 what was converted by the books is what payouts have converted": """
        ALTER TABLE payouts DROP CONSTRAINT ck_payouts_converted_at_a_rate;
        ALTER TABLE payouts DROP CONSTRAINT fk_payouts_fx_rate_id_fx_rates;
        UPDATE payouts SET fx_rate_id = 'fxr_x', earned_currency = 'EUR' WHERE state = 'exported'""",
    "I15 no entry was written into a closed month": """
        ALTER TABLE journal_entries DISABLE TRIGGER late_entries;
        INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref, effective_on)
        VALUES ('jnl_x', 'x', '', 'test', 1, 'c', 'a', '2020-01-31')""",
    "I15b a closed month's trial balance is the one that was confirmed": """
        ALTER TABLE journal_entries DISABLE TRIGGER append_only;
        UPDATE journal_entries SET effective_on = '2020-02-01' WHERE effective_on = '2020-01-15'""",
    "I16 no entry without a key": """
        ALTER TABLE journal_entries ALTER idempotency_key DROP NOT NULL;
        INSERT INTO journal_entries (id, request_hash, kind, lines, cause_ref, actor_ref)
        VALUES ('jnl_x', '', 'test', 1, 'c', 'a')""",
    "F1 nobody confirmed an exchange rate of their own": """
        ALTER TABLE fx_rates DROP CONSTRAINT ck_fx_rates_four_eyes;
        UPDATE fx_rates SET confirmed_by = entered_by, confirmed_at = now()""",
    "F2 nobody confirmed a tax rule of their own": """
        ALTER TABLE tax_rules DROP CONSTRAINT ck_tax_rules_four_eyes;
        UPDATE tax_rules SET confirmed_by = entered_by, confirmed_at = now()""",
    "I21 a refund is posted when it is approved, and only then": """
        UPDATE refunds SET amount = amount + 1 WHERE state = 'approved'""",
    "I22 no more of a top-up goes back than came in by it": """
        UPDATE refunds SET amount = 80001 WHERE state = 'proposed'""",
    "I23 what takes two people had two": """
        ALTER TABLE refunds DROP CONSTRAINT ck_refunds_four_eyes;
        UPDATE refunds SET requested_by = decided_by WHERE state = 'approved'""",
    "I24 what payees owe by the books is what is asked back and has not come": """
        UPDATE clawbacks SET recovered = 1 WHERE state = 'open'""",
    "I25 what a clawback gave back is what its earning cost": """
        UPDATE clawbacks SET returned = returned + 1""",
    "I26 an issued invoice is what its owner spent in its month": """
        ALTER TABLE journal_entries DISABLE TRIGGER append_only;
        UPDATE journal_entries SET effective_on = effective_on + 400 WHERE kind = 'bonus'""",
    "I27 an invoice is the sum of its lines": """
        UPDATE invoices SET work = work - 1, fee = fee + 1""",
    "I28 invoices are numbered without gaps": """
        UPDATE invoices SET serial = 4 WHERE serial = 1""",
    "I29 what is invoiced and not paid is owed in the books": """
        UPDATE invoices SET due = total, state = 'issued', voided_by = NULL, voided_at = NULL, void_reason = NULL
         WHERE state = 'void'""",
    "I30 an invoice's tax and its payment are posted": """
        UPDATE invoices SET entry_id = NULL WHERE state = 'issued'""",
    "I19 nobody earned less in a closed week than the floor, by what the books added": """
        ALTER TABLE weekly_pay DISABLE TRIGGER append_only;
        ALTER TABLE weekly_pay DROP CONSTRAINT ck_weekly_pay_floor_kept;
        UPDATE weekly_pay SET floor = pay - fees + 1""",
}


def test_every_check_has_a_way_to_break_it() -> None:
    assert BREAKS.keys() == checks.CHECKS.keys()


def test_untouched_books_are_in_order(owner: Session) -> None:
    assert not any(checks.check(owner).values())


@pytest.mark.parametrize("name", BREAKS)
def test_a_check_turns_red_when_its_rule_is_broken(owner: Session, name: str) -> None:
    for statement in BREAKS[name].split(";"):
        owner.execute(text(statement))

    assert checks.check(owner)[name]


TWO_PEOPLE = {
    "refunds": "UPDATE refunds SET requested_by = decided_by WHERE state = 'approved'",
    "clawbacks": "UPDATE clawbacks SET made_by = decided_by",
    "clawbacks given up": "UPDATE clawbacks SET write_off_by = written_off_by",
    "contracts": "UPDATE contracts SET confirmed_by = made_by",
    "credit limits": "UPDATE credit_limits SET confirmed_by = made_by",
}


@pytest.mark.parametrize("statement", TWO_PEOPLE.values(), ids=TWO_PEOPLE.keys())
def test_whatever_takes_two_people_and_had_one_is_found(owner: Session, statement: str) -> None:
    for table in ("refunds", "clawbacks", "contracts", "credit_limits"):
        owner.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_four_eyes"))
    owner.execute(text("ALTER TABLE clawbacks DROP CONSTRAINT ck_clawbacks_written_off_by_two"))
    owner.execute(text(statement))

    assert checks.check(owner)["I23 what takes two people had two"]


UNPOSTED = {
    "tax": "UPDATE invoices SET entry_id = payment_id WHERE state = 'paid'",
    "a payment": "UPDATE invoices SET payment_id = entry_id WHERE state = 'paid'",
    "tax given back": "UPDATE invoices SET entry_id = (SELECT entry_id FROM invoices WHERE state = 'issued')",
    "an invoice": "DELETE FROM invoice_lines; DELETE FROM invoices WHERE state = 'issued'",
}


@pytest.mark.parametrize("statements", UNPOSTED.values(), ids=UNPOSTED.keys())
def test_an_invoice_that_the_books_do_not_know_as_it_is_is_found(owner: Session, statements: str) -> None:
    owner.execute(text("ALTER TABLE invoice_lines DISABLE TRIGGER append_only"))
    for statement in statements.split(";"):
        owner.execute(text(statement))

    assert checks.check(owner)["I30 an invoice's tax and its payment are posted"]


def test_an_earning_that_is_missing_from_the_books_is_found(owner: Session) -> None:
    owner.execute(text(_LOSE))

    assert checks.check(owner)["I6 payable equals unpaid due earnings"]


def test_a_balance_that_is_missing_is_found(owner: Session) -> None:
    owner.execute(text("DELETE FROM balances"))

    found = checks.check(owner)

    assert found["I4 stored balances equal recomputed ones"]
    assert found["I6 payable equals unpaid due earnings"]
    assert found["I13 reserved = spent + released + remaining"]


@pytest.mark.parametrize("statement", [_LOSE, "UPDATE reserves SET reserved = reserved + 1"])
def test_a_sum_that_only_seems_to_agree_is_found(owner: Session, statement: str) -> None:
    owner.execute(text(statement))

    assert any(checks.check(owner).values())


def test_the_tie_out_shows_sums_that_agree(application: Session) -> None:
    (row,) = [row for row in ledger.tie_out(application) if row.currency == "USD"]

    assert (row.payable, row.unpaid) == (300_700, 300_700)
    assert (row.reserved, row.spent, row.released, row.remaining) == (8_000, 2_760, 480, 4_760)
    assert row.stored == row.recomputed > 0
