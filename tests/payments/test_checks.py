"""What tables refuse even to their owner, and that every check of the books can turn red."""

import io
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from psycopg.errors import InsufficientPrivilege, UniqueViolation
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from foundation import auth, clock
from payments import (
    adjustments,
    bank_balances,
    batch_floors,
    blocks,
    checks,
    clawbacks,
    contracts,
    credit_notes,
    earnings,
    exchange,
    funding,
    fx,
    invoices,
    kyc,
    kyc_rules,
    ledger,
    money,
    payees,
    payout_failures,
    payouts,
    periods,
    rates,
    reconciliation,
    redenomination,
    refunds,
    remittances,
    reviews,
    runs,
    screening,
    statements,
    suspense,
    tax_documents,
    unclaimed,
)
from payments.earnings import Work
from payments.ledger import BANK, FUNDS, HOUSE, PLATFORM_FEE, AccountName, Entry, Line
from payments.models import Billing, Clawback, Payee, Payout, Presentation, ResolutionKind
from payments.rates import Price
from payments.tax_documents import Shown
from tests import factories
from tests.conftest import Urls
from tests.payments import cleared, exported, owed
from tests.payments.files.test_camt import OURS, document, entry

CASH = AccountName(BANK, HOUSE, "USD")
FEE = AccountName(PLATFORM_FEE, HOUSE, "USD")


APPEND_ONLY = [
    "journal_entries", "journal_lines", "rates", "tier_moves", "known_labels", "adjudications", "adjustments",
    "invoice_lines", "credit_note_lines", "corrected_labels",
    "active_time", "weekly_pay", "seals", "balance_snapshots", "withholdings", "bank_balances",
    "bank_days",
    "kyc_records", "watch_lists", "watch_list_rows", "blocked_amounts",
    "export_downloads", "unplaced_fees",
]  # fmt: skip
CHANGES = ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]
_COLUMN = {
    "journal_entries": "kind",
    "journal_lines": "amount",
    "known_labels": "label",
    "corrected_labels": "label",
    "adjudications": "label",
    "invoice_lines": "kind",
    "credit_note_lines": "kind",
    "active_time": "region",
    "weekly_pay": "week",
    "seals": "sums",
    "balance_snapshots": "debits",
    "withholdings": "base",
    "watch_list_rows": "name",
    "blocked_amounts": "amount",
    "bank_balances": "closing",
    "unplaced_fees": "told",
    "bank_days": "amount",
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
        _block(db, sent)
        _refund(db)
        _ask_back(db)
        _tax(db)
        _accrue(db)
        _invoice(db)
        _sell(db)
        rates.publish(db, "prj_1", [Price(tier=0, amount="0.02", currency="USD")])
        db.execute(text("INSERT INTO workers (id, name, country, status, payee_id) SELECT 'w','n','KE','active','p'"))
        db.execute(text("INSERT INTO tier_moves SELECT 'm', 'w', 's', 1, 2, 'why', 'ops', now()"))
        db.execute(text("INSERT INTO known_labels (project_id, task_id, label, voter_id) SELECT 'p', 't', 1, 'w'"))
        db.execute(text("INSERT INTO corrected_labels SELECT 'p', 't', 1, 'c', 1, false, 'why', 'ops'"))
        db.execute(text("INSERT INTO adjudications (project_id, task_id, voter_id, label) SELECT 'p', 't', 'w', 1"))
        owed.bank_account(db, OURS)
        unknown = document(entry()).replace(b'"EUR"', b'"USD"')
        reconciliation.read(db, io.BytesIO(unknown), format_="camt", read_by="f")
        _come_back(db)
        factories.enter_fx_rate(db)
        factories.enter_tax_rule(db)
        _lift(db)
        _credit(db)
        _redenominate(db)
        _look_back(db)
        exported.make(db, "payables")
        db.commit()
    engine.dispose()
    return urls


def _come_back(db: Session) -> None:
    """A line that was resolved, pay that nobody claims, a payout that two people say failed, and changed money."""
    charge = document(entry(amount="0.25", refs=("", "charge")), name="st2").replace(b'"EUR"', b'"USD"')
    reconciliation.read(db, io.BytesIO(charge), format_="camt", read_by="f")
    line_id = db.scalars(text("SELECT id FROM bank_entries WHERE reference LIKE 'charge%'")).one()
    said = suspense.propose(db, line_id, kind=ResolutionKind.OWN, role="rail_fee", reason="r", made_by="f")
    suspense.confirm(db, line_id, resolution_id=said.id, confirmed_by="a")
    payee = owed.payee(db, 800)
    _send(db, payee)
    (payout,) = db.scalars(payouts.listed(payee_id=payee.id, state="exported")).all()
    payouts.settle(db, [payouts.Outcome(payout.id)])
    payouts.take_returns(db, [payouts.Outcome(payout.id, "r", payout.net)])
    noticed = clock.now(db).date() - timedelta(days=31)
    made = unclaimed.propose(db, payout.id, noticed_on=noticed, made_by="f")
    unclaimed.confirm(db, made.id, confirmed_by="a")
    _send(db, failed := owed.payee(db, 900))
    (payout,) = db.scalars(payouts.listed(payee_id=failed.id, state="exported")).all()
    payout_failures.propose(db, payout.id, reason="r", made_by="f")
    payout_failures.confirm(db, payout.id, confirmed_by="a")
    owed.retire(db, failed)
    _cost(db)
    _change(db)


def _cost(db: Session) -> None:
    """A payout whose provider told a fee, and then another one."""
    _send(db, paid := owed.payee(db, 10_000))
    (payout,) = db.scalars(payouts.listed(payee_id=paid.id, state="exported")).all()
    for fee in ("0.25", "0.30"):
        told = f"sender_item_id\ttransaction_status\tpayout_item_fee\terrors\n{payout.end_to_end_id}\tSUCCESS\t{fee}\t-"
        reconciliation.read(db, io.BytesIO(told.encode()), format_="paypal", read_by="f")
    owed.retire(db, paid)


def _change(db: Session) -> None:
    """A run that pays in another currency, bought for in parts, at a loss."""
    rate = factories.enter_fx_rate(db, base="USD", quote="KES", rate="100")
    fx.confirm(db, rate.id, auth.Actor("tok_a", "a", "approver", frozenset({"approve"})))
    owed.payee(db, 100_000, rail="mpesa")
    run = owed.sent(db, "mpesa")
    for number, dollars in enumerate((60_000, 50_000)):
        changed = {"sold": (money.currency(db, "USD"), dollars), "bought": (money.currency(db, "KES"), 5_000_000)}
        purchase = exchange.propose(db, run_id=run.id, bank_reference=f"fx{number}", **changed, made_by="f")
        exchange.confirm(db, purchase.id, confirmed_by="a")


def _credit(db: Session) -> None:
    """Of two months in which something came back, one has a credit note and the other one a void one."""
    month, notes = clock.now(db).date(), []
    payee = owed.payee(db, 10_000, 20_000, rail=None)
    earned = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id ORDER BY id"), {"id": payee.id}).all()
    made = contracts.propose(
        db, owner_ref=owed.OWNER, entity="CRED", presentation=Presentation.AGENT, billing=Billing.PREPAID,
        valid_from=clock.now(db) - timedelta(days=360), made_by="f",
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by="a")
    for _ in range(7):
        month = (month.replace(day=1) - timedelta(days=1)).replace(day=1)
    for earning_id in earned:
        month = (month - timedelta(days=1)).replace(day=1)
        with owed.booked_on(month):
            adjustments.reverse(db, [earning_id], reason="r", actor_ref="f")
        note = credit_notes.draft(
            db, owner_ref=owed.OWNER, currency=money.currency(db, "USD"), month=month, vat_basis_points=1_000,
            made_by="f",
        )  # fmt: skip
        notes.append(credit_notes.issue(db, note.id, issued_by="a"))
    credit_notes.void(db, notes[1].id, reason="r", voided_by="f")


def _lift(db: Session) -> None:
    """A finished batch whose one payee was lifted to the floor, out of what was set aside for that."""
    factories.enter_floor_rule(db, confirmed=True)
    payee = payees.register(db, owner_ref="wrk_slow", name="Ben", country="KE")
    owed.pay_in(db, 100_000)
    terms = {"owner_ref": owed.OWNER, "cause_ref": "bat_slow", "currency": "USD"}
    funding.reserve(db, **terms, key="slow", amount=60_000, contingency=50_000)
    earnings.pend(db, [Work("ans_slow", payee.id, "bat_slow", "USD", 100)])
    earnings.accept(db, ["ans_slow"])
    hour = text("INSERT INTO active_time SELECT 'ans_slow', :id, 'bat_slow', 's', 1, 'KE', 3600000, now()")
    db.execute(hour, {"id": payee.id})
    batch_floors.begin(db, ["bat_slow"])
    (floor_id,) = db.scalars(text("SELECT id FROM batch_floors"))
    for _ in batch_floors.steps(db, floor_id):
        pass


def _redenominate(db: Session) -> None:
    """What one person was owed in old bolívars has become new ones."""
    owed.payee(db, 2_000_001, currency="VES.2018", rail=None)
    made = redenomination.propose(db, "VES.2018", proposed_by="f")
    redenomination.approve(db, made.id, approved_by="a")
    for _ in redenomination.steps(db, made.id):
        pass


def _look_back(db: Session) -> None:
    """A closed month with an entry, a seal, a snapshot and the bank's days of what there is."""
    old = Entry(
        "old", "test", "cause", "f", (Line(CASH, AccountName(FUNDS, "old", "USD"), 7),), effective_on=date(2020, 1, 15)
    )
    ledger.post(db, [old])
    periods.close(db, date(2020, 1, 1), closed_by="f")
    periods.confirm(db, date(2020, 1, 1), trial_hash=periods.shown(db, date(2020, 1, 1)).hash, confirmed_by="a")
    db.execute(text("INSERT INTO seals SELECT 1, min(id), max(id), 1, '', '', '' FROM journal_entries"))
    bank = statements.find(db, "bank", "house", "USD")
    db.execute(statements._SNAPSHOT, {"before": "jnl_~", "accounts": [bank]})
    db.execute(bank_balances._ADD_UP, {"account": bank, "since": "", "until": "jnl_~"})


def _block(db: Session, paid: Payee) -> None:
    """Somebody is blocked for a match, and money lies apart; a block of somebody who was paid was refused."""
    ada = owed.payee(db, 800, rail=None)
    cleared.listing(db, f"{ada.name},,")
    (waiting,) = db.scalars(screening.listed(waiting=True))
    reviews.decide(db, waiting.id, decision="blocked", reason="r", decided_by="a")
    blocks.confirm(db, db.scalars(blocks.listed(payee_id=ada.id)).one().id, confirmed_by="b")
    refused = blocks.propose(db, payee_id=paid.id, reason="r", made_by="f")
    blocks.refuse(db, refused.id, refused_by="a")
    kyc_rules.enter(db, kyc_rules.Terms("USD", "total", date(2026, 1, 1), "c"), entered_by="f")
    kyc.record(db, ada.id, kyc.Finding("pending"), recorded_by="f")


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
            owed.give_bonus(
                db, owner_ref=owed.OWNER, payee_id=payee.id, currency="USD", amount=100_000, reason="r", actor_ref="f"
            )
        draft = invoices.draft(
            db, owner_ref=owed.OWNER, currency=currency, month=month, vat_basis_points=1_000, made_by="f"
        )
        issued.append(invoices.issue(db, draft.id, issued_by="f"))
    invoices.pay(db, issued[1].id, currency="USD", amount=issued[1].due or 0, bank_reference="p", actor_ref="f")
    invoices.void(db, issued[2].id, reason="r", voided_by="f")


def _sell(db: Session) -> None:
    """A bonus that a principal has sold."""
    made = contracts.propose(
        db, owner_ref="req_1", entity="ROOK", presentation=Presentation.PRINCIPAL, billing=Billing.PREPAID,
        valid_from=clock.now(db), made_by="f",
    )  # fmt: skip
    contracts.confirm(db, made.id, confirmed_by="a")
    owed.give_bonus(
        db, owner_ref="req_1", payee_id=owed.payee(db, rail=None).id, currency="USD", amount=100, reason="r",
        actor_ref="f",
    )  # fmt: skip


def _ask_back(db: Session) -> None:
    """Two earnings that were paid out are asked back; one of the debts is given up."""
    made = []
    for payee in (owed.payee(db, 600), owed.payee(db, 70_000)):
        _send(db, payee)
        sent = db.scalars(payouts.listed(payee_id=payee.id, state="exported")).all()
        payouts.settle(db, [payouts.Outcome(payout.id) for payout in sent])
        (earning_id,) = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": payee.id})
        clawback = clawbacks.propose(db, earning_id, reason="r", made_by="f")
        made.append(clawbacks.confirm(db, clawback.id, confirmed_by="a"))
    clawbacks.propose_write_off(db, made[0].id, reason="r", proposed_by="f")
    clawbacks.write_off(db, made[0].id, confirmed_by="a")


def _tax(db: Session) -> None:
    """Of pay that a debt takes a part of, some is withheld, and some of that is sent to its authority."""
    owed.levy(db, 1_000, authority="KRA")
    (ben,) = db.scalars(select(Payee).join(Clawback, Clawback.payee_id == Payee.id).where(Clawback.state == "open"))
    owed.owe(db, ben, 80_000)
    _send(db, ben)
    document = tax_documents.enter(db, ben.id, Shown("resident", date(2020, 1, 1), "n"), entered_by="f")
    tax_documents.confirm(db, document.id, confirmed_by="a")
    sent = remittances.enter(
        db, authority="KRA", currency=money.currency(db, "USD"), amount=1_000, filing="1", entered_by="f"
    )
    remittances.confirm(db, sent.id, confirmed_by="a")


def _accrue(db: Session) -> None:
    """Pay that is taxed when it is earned: some is due, some was taken back, some was asked back."""
    owed.levy(db, 500, authority="BIR", country="PH", basis="accrual")
    mia = payees.register(db, owner_ref="wrk_mia", name="Mia", country="PH")
    owed.owe(db, mia, 40_000)
    owed.set_method(db, mia)
    owed.pay_out(db)
    owed.owe(db, mia, 50_000, 60_000)
    paid, back, _ = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id ORDER BY id"), {"id": mia.id}).all()
    adjustments.reverse(db, [back], reason="r", actor_ref="f")
    made = clawbacks.propose(db, paid, reason="r", made_by="f")
    clawbacks.confirm(db, made.id, confirmed_by="a")


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


_COPY = "COPY journal_lines (entry_id, line, debit_id, credit_id, currency, amount) FROM STDIN"


def _copy_line(db: Session, number: int) -> str:
    """Another line of the first entry, of a number; its id."""
    first = db.execute(text("SELECT * FROM journal_lines ORDER BY entry_id, line LIMIT 1")).one()
    driver = db.connection().connection.driver_connection
    assert driver is not None
    with driver.transaction(), driver.cursor() as cursor, cursor.copy(_COPY) as lines:
        lines.write_row((first.entry_id, number, first.debit_id, first.credit_id, first.currency, 1))
    return str(first.entry_id)


def test_a_line_is_not_copied_over(application: Session) -> None:
    with pytest.raises(UniqueViolation):
        _copy_line(application, 1)


@pytest.mark.parametrize("whose", ["application", "owner"])
def test_a_line_that_comes_after_its_entry_is_refused(request: pytest.FixtureRequest, whose: str) -> None:
    with pytest.raises(InsufficientPrivilege, match="a line is written with its entry"):
        _copy_line(request.getfixturevalue(whose), 99)


def test_a_line_that_came_late_all_the_same_is_found(owner: Session) -> None:
    owner.execute(text("ALTER TABLE journal_lines DISABLE TRIGGER late_lines"))

    entry_id = _copy_line(owner, 99)

    assert entry_id in checks.check(owner)["I2 every entry is complete"]


CONFIRMED_ONCE = ["fx_rates", "tax_rules", "kyc_rules"]


@pytest.mark.parametrize("table", CONFIRMED_ONCE)
@pytest.mark.parametrize(
    "change", ["UPDATE {table} SET currency = currency", "DELETE FROM {table}", "TRUNCATE {table}"]
)
def test_the_application_may_only_confirm_what_waits_for_it(application: Session, table: str, change: str) -> None:
    column = "base" if table == "fx_rates" else "currency"

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
    application.execute(text(f"{CONFIRM.format(table=table)} WHERE confirmed_by IS NULL"))

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
    "I1 every line moves money between two accounts of its currency": """
        ALTER TABLE journal_lines DROP CONSTRAINT fk_journal_lines_debit_id_currency_accounts;
        ALTER TABLE journal_lines DROP CONSTRAINT fk_journal_lines_credit_id_currency_accounts;
        ALTER TABLE journal_lines DISABLE TRIGGER append_only;
        UPDATE journal_lines SET currency = 'EUR' WHERE currency = 'USD'""",
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
    "I4c what banks moved day by day is what the lines before add up to": """
        ALTER TABLE bank_days DISABLE TRIGGER append_only;
        UPDATE bank_days SET amount = amount + 1""",
    "I5 no bounded account is below zero": """
        ALTER TABLE balances DROP CONSTRAINT ck_balances_not_negative;
        UPDATE balances SET debits = credits + 1""",
    "I6 payable equals unpaid due earnings": """
        UPDATE earnings SET amount = amount + 1 WHERE status = 'due'""",
    "I6b every due earning has the entry that pays its payee, and no other": """
        UPDATE earnings SET entry_id = (SELECT min(id) FROM journal_entries)""",
    "I7 of an earning no more is paid than it is": """
        UPDATE payout_items SET counts = false WHERE counts""",
    "I8 a payout is what it pays and what is taken of it": """
        UPDATE payouts SET withheld = withheld + 1, net = net - 1 WHERE withheld > 0""",
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
    "I12c a line has left suspense by what two people said of it": """
        UPDATE resolutions SET currency = 'EUR', state = 'proposed', decided_by = NULL, decided_at = NULL,
               entry_id = NULL WHERE state = 'posted'""",
    "I13 reserved = spent + released + remaining": """
        UPDATE reserves SET spent = spent - 1 WHERE spent > 0""",
    "I14 a reversal is its entry turned round": """
        ALTER TABLE journal_lines DISABLE TRIGGER append_only;
        UPDATE journal_lines SET amount = amount + 1
         WHERE entry_id IN (SELECT id FROM journal_entries WHERE reverses_id IS NOT NULL)""",
    "I18 what was converted by the books is what payouts have converted": """
        ALTER TABLE payouts DROP CONSTRAINT ck_payouts_converted_at_a_rate;
        ALTER TABLE payouts DROP CONSTRAINT fk_payouts_fx_rate_id_fx_rates;
        UPDATE payouts SET fx_rate_id = 'fxr_x', earned_currency = 'EUR' WHERE state = 'exported'""",
    "I18b of a run that is bought for nothing is left in fx_clearing": """
        UPDATE fx_purchases SET gain = gain - 10""",
    "I18c gain and loss of exchange by the books is that of purchases": """
        UPDATE fx_purchases SET gain = gain + 1""",
    "I42 a rail's fee is of a payout that has left, in its currency and no more than it": """
        ALTER TABLE journal_entries DISABLE TRIGGER append_only;
        UPDATE journal_entries SET cause_ref = 'pyo_x' WHERE kind = 'fee'""",
    "I43 what a principal sells is an owner's money, and its labour is its payee's pay": """
        ALTER TABLE journal_lines DISABLE TRIGGER append_only;
        UPDATE journal_lines SET amount = amount + 1000000
         WHERE debit_id IN (SELECT id FROM accounts WHERE role = 'labour')""",
    "I43b a principal pays nobody with an owner's money but as its own labour": """
        UPDATE contracts SET presentation = 'principal', confirmed_at = confirmed_at - interval '1 hour'
         WHERE presentation = 'agent'""",
    "I40 what is unclaimed by the books is what is kept of it": """
        UPDATE unclaimed SET amount = amount + 1 WHERE state = 'kept'""",
    "I41 unclaimed pay is the sum of its items, which count until it is claimed": """
        UPDATE unclaimed_items SET counts = false""",
    "R1 what was redenominated by the books is what earnings became": """
        ALTER TABLE redenomination_items DISABLE TRIGGER append_only;
        UPDATE redenomination_items SET amount = amount + 1""",
    "R2 nobody lost by a redenomination, or won a unit": """
        UPDATE earnings SET amount = amount - 1 WHERE kind = 'redenomination'""",
    "R3 whoever approved a redenomination has not proposed it": """
        ALTER TABLE redenominations DROP CONSTRAINT ck_redenominations_four_eyes;
        UPDATE redenominations SET decided_by = proposed_by""",
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
    "I12d a payout has the entries of its state, and no others": """
        UPDATE payouts SET state = 'failed', reason = 'r', ended_at = now() WHERE state = 'exported'""",
    "I17 a payout is what its rail takes of one payment": """
        ALTER TABLE payouts DROP CONSTRAINT ck_payouts_adds_up;
        UPDATE payouts SET net = net + 1""",
    "F1 nobody confirmed an exchange rate of their own": """
        ALTER TABLE fx_rates DROP CONSTRAINT ck_fx_rates_four_eyes;
        UPDATE fx_rates SET confirmed_by = entered_by, confirmed_at = now() WHERE confirmed_by IS NULL""",
    "F2 nobody confirmed a tax rule of their own": """
        ALTER TABLE tax_rules DROP CONSTRAINT ck_tax_rules_four_eyes;
        UPDATE tax_rules SET confirmed_by = entered_by, confirmed_at = now() WHERE confirmed_by IS NULL""",
    "I21 a refund is posted when it is approved, and only then": """
        UPDATE refunds SET amount = amount + 1 WHERE state = 'approved'""",
    "I22 no more of a top-up goes back than came in by it": """
        UPDATE refunds SET amount = 80001 WHERE state = 'proposed'""",
    "I23 what takes two people had two": """
        ALTER TABLE refunds DROP CONSTRAINT ck_refunds_four_eyes;
        UPDATE refunds SET requested_by = decided_by WHERE state = 'approved'""",
    "I24 what payees owe by the books is what is asked back and has not come": """
        UPDATE clawbacks SET recovered = 1 WHERE state = 'open'""",
    "I24b what has come back of clawbacks was netted, and booked so": """
        UPDATE nettings SET amount = amount - 1""",
    "I39 what is owed to authorities is what was withheld for them and was not sent": """
        UPDATE remittances SET amount = amount - 1""",
    "A1 what authorities took of an earning is what it says, and no more than it is": """
        UPDATE earnings SET withheld = withheld - 1 WHERE withheld > 0""",
    "A2 tax that was taken of an earning is posted, and counts until it is taken back": """
        UPDATE accrued_taxes SET counts = NOT counts""",
    "A3 what is counted of a month's pay is the sum of its earnings' taxes": """
        UPDATE accrued_months SET taken = taken + 1""",
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
    "K1 what is blocked by the books is what active blocks hold": """
        UPDATE blocks SET lifted_by = 'f', lift_by = 'a', lift_reason = 'r', lifted_at = now(), state = 'lifted'""",
    "K2 nothing left for anybody while they were blocked": """
        UPDATE blocks SET decided_at = now() - interval '9 days', state = 'active'
         WHERE payee_id IN (SELECT payee_id FROM payouts WHERE state = 'exported')""",
    "K3 whoever clears, blocks or lifts is not who asked for it": """
        ALTER TABLE blocks DROP CONSTRAINT ck_blocks_four_eyes;
        UPDATE blocks SET made_by = decided_by""",
    "K4 a block has a match that somebody decided, or none": """
        ALTER TABLE screenings DISABLE TRIGGER decided_once;
        UPDATE screenings SET decision = 'clear' WHERE decision = 'blocked'""",
    "E1 a finished export has all its bytes": """
        ALTER TABLE export_chunks DISABLE TRIGGER append_only;
        UPDATE export_chunks SET bytes = overlay(bytes PLACING '\\x00' FROM 1)""",
    "I19 nobody earned less in a closed week than the floor, by what the books added": """
        ALTER TABLE weekly_pay DISABLE TRIGGER append_only;
        ALTER TABLE weekly_pay DROP CONSTRAINT ck_weekly_pay_floor_kept;
        UPDATE weekly_pay SET floor = pay - fees + 1""",
    "I32 what lifted a batch to the floor was posted to its payees out of its own reserve": """
        UPDATE batch_floor_pay SET top_up = top_up - 1""",
    "I33 a batch's floor is the sum of what payees lack and got, and what is set aside for it is there": """
        UPDATE batch_floors SET lacking = lacking + 1""",
    "I34 an answer cost its price and the fee that stands on its reserve": """
        UPDATE reserves SET fee_basis_points = 1500""",
    "I35 an issued credit note is what came back to its owner in its month": """
        UPDATE credit_notes SET period = '2001-01-01' WHERE state = 'issued'""",
    "I36 a credit note is the sum of its lines": """
        UPDATE credit_notes SET work = work - 1, fee = fee + 1""",
    "I37 credit notes are numbered without gaps": """
        UPDATE credit_notes SET serial = 4 WHERE serial = 1""",
    "I38 a credit note's tax went back to its owner, and is taken back with it": """
        UPDATE credit_notes SET entry_id = NULL WHERE state = 'issued'""",
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


# Of PayPal, which takes cents, from one to 20,000 dollars; and of M-Pesa's whole shillings.
UNFIT = {
    "more than its most": "UPDATE payouts SET net = 200000100",
    "less than its least": "UPDATE payouts SET net = 0",
    "a part of its unit": "UPDATE payouts SET net = net + 100 WHERE currency = 'KES'",
    "to where it does not go": "UPDATE payout_methods SET kind = 'iban'",
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT.keys())
def test_whatever_a_rail_does_not_take_is_found(owner: Session, change: str) -> None:
    for name in ("ck_payouts_adds_up", "ck_payouts_above_zero"):
        owner.execute(text(f"ALTER TABLE payouts DROP CONSTRAINT {name}"))
    owner.execute(text(change))

    assert checks.check(owner)["I17 a payout is what its rail takes of one payment"]


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT.keys())
def test_what_has_arrived_went_by_the_limits_of_its_day(owner: Session, change: str) -> None:
    for name in ("ck_payouts_adds_up", "ck_payouts_above_zero"):
        owner.execute(text(f"ALTER TABLE payouts DROP CONSTRAINT {name}"))
    owner.execute(text("UPDATE payouts SET state = 'settled' WHERE state IN ('prepared', 'exported')"))
    owner.execute(text(change))

    assert not checks.check(owner)["I17 a payout is what its rail takes of one payment"]


_TOLD = """
    INSERT INTO journal_entries (id, idempotency_key, request_hash, kind, lines, cause_ref, actor_ref)
    SELECT 'jnl_x', '{key}:' || min(id), '', '{kind}', 1, min(id), 'a' FROM payouts WHERE state = 'exported'"""
FATES = {
    "failed by the books alone": _TOLD.format(key="fail", kind="failed"),
    "settled by the books alone": _TOLD.format(key="set", kind="settled"),
    "of nobody": _TOLD.format(key="fail", kind="failed").replace("min(id), 'a'", "'pyo_x', 'a'"),
    "by its state alone": "UPDATE payouts SET state = 'settled' WHERE state = 'exported'",
    "left, and taken into the house again": "UPDATE payouts SET state = 'prepared' WHERE state = 'exported'",
}


@pytest.mark.parametrize("change", FATES.values(), ids=FATES.keys())
def test_what_became_of_a_payout_is_what_was_posted(owner: Session, change: str) -> None:
    owner.execute(text(change))

    assert checks.check(owner)["I12d a payout has the entries of its state, and no others"]


LIFTED = {
    "to somebody else": ("I32", "UPDATE batch_floor_pay SET payee_id = (SELECT min(id) FROM payees)"),
    "from nowhere": ("I32", "DELETE FROM batch_floor_pay"),
    "without a round": ("I33", "UPDATE batch_floors SET paid = paid - 1"),
    "out of what is not there": (
        "I33",
        "ALTER TABLE reserves DROP CONSTRAINT ck_reserves_contingency_held; UPDATE reserves SET contingency = 99999",
    ),
    "with a fee": ("I34", "UPDATE earnings SET kind = 'answer' WHERE kind = 'floor' AND cause_ref IS NOT NULL"),
}


@pytest.mark.parametrize(("name", "statements"), LIFTED.values(), ids=LIFTED.keys())
def test_whatever_is_wrong_with_a_lifted_batch_is_found(owner: Session, name: str, statements: str) -> None:
    for statement in statements.split(";"):
        owner.execute(text(statement))

    assert any(rows for check, rows in checks.check(owner).items() if check.startswith(name))


TWO_PEOPLE = {
    "refunds": "UPDATE refunds SET requested_by = decided_by WHERE state = 'approved'",
    "clawbacks": "UPDATE clawbacks SET made_by = decided_by",
    "clawbacks given up": "UPDATE clawbacks SET write_off_by = written_off_by",
    "contracts": "UPDATE contracts SET confirmed_by = made_by",
    "credit limits": "UPDATE credit_limits SET confirmed_by = made_by",
    "tax documents": "UPDATE tax_documents SET confirmed_by = entered_by",
    "remittances": "UPDATE remittances SET confirmed_by = entered_by",
    "credit notes": "UPDATE credit_notes SET issued_by = made_by",
    "failures of payouts": "UPDATE payout_failures SET made_by = decided_by",
}
_FOUR_EYES = (
    "refunds", "clawbacks", "contracts", "credit_limits", "credit_notes", "tax_documents", "remittances",
    "payout_failures",
)  # fmt: skip


@pytest.mark.parametrize("statement", TWO_PEOPLE.values(), ids=TWO_PEOPLE.keys())
def test_whatever_takes_two_people_and_had_one_is_found(owner: Session, statement: str) -> None:
    for table in _FOUR_EYES:
        owner.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_four_eyes"))
    owner.execute(text("ALTER TABLE clawbacks DROP CONSTRAINT ck_clawbacks_written_off_by_two"))
    owner.execute(text(statement))

    assert checks.check(owner)["I23 what takes two people had two"]


ALONE = {
    "screenings": "UPDATE screenings SET asked_by = decided_by WHERE decision IS NOT NULL",
    "blocks": "UPDATE blocks SET made_by = decided_by",
    "lifted blocks": "UPDATE blocks SET lift_by = 'b', lift_reason = 'r', lifted_by = 'b', lifted_at = now(),"
    " state = 'lifted' WHERE state = 'active'",
    "KYC rules": "UPDATE kyc_rules SET confirmed_by = entered_by, confirmed_at = now()",
}


@pytest.mark.parametrize("statement", ALONE.values(), ids=ALONE.keys())
def test_whoever_clears_blocks_or_lifts_alone_is_found(owner: Session, statement: str) -> None:
    for table in ("screenings", "blocks", "kyc_rules"):
        owner.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_four_eyes"))
    owner.execute(text("ALTER TABLE blocks DROP CONSTRAINT ck_blocks_lifted_by_two"))
    owner.execute(text("ALTER TABLE screenings DISABLE TRIGGER decided_once"))
    owner.execute(text(statement))

    assert checks.check(owner)["K3 whoever clears, blocks or lifts is not who asked for it"]


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

    assert row.payable == row.unpaid > 0
    assert row.reserved == row.spent + row.released + row.remaining > 0
    assert row.stored == row.recomputed > 0
