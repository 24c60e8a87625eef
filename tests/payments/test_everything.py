"""Every kind of event of the books, in any order, in any state and at any time; the oracle is every check of the house.

Runs alone are done beside a model that knows each sum (`test_runs_machine.py`). Here all that posts comes together, in
two currencies, and what cannot be done at its time is refused and must have changed nothing. `soak` has several of
these lives at once in one house.
"""

import io
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

import wsgi
from foundation import clock, embedded
from foundation import db as database
from foundation.errors import Problem
from payments import (
    active_time,
    adjustments,
    blocks,
    clawbacks,
    contracts,
    credit_notes,
    earnings,
    exchange,
    floor_weeks,
    floors,
    funding,
    fx,
    invoices,
    ledger,
    money,
    payouts,
    periods,
    reconciliation,
    refunds,
    remittances,
    runs,
    suspense,
    unclaimed,
)
from payments.active_time import Piece
from payments.funding import Rest
from payments.models import Billing, Currency, Payee, Presentation, ResolutionKind
from payments.payouts import Outcome
from tests import factories, travel
from tests.conftest import rolled_back, travelling_house
from tests.payments import owed
from tests.payments.files.test_camt import OURS, document, entry
from tests.payments.owed import APPROVER, OWNER, PREPARER

# All but what needs a month in which more came back than was spent, or a currency that is over: these have tests of
# their own (`test_credit_notes.py`, `test_redenomination.py`).
KINDS = {
    "top_up", "reserve", "earning", "release", "reversal", "bonus", "goodwill", "floor", "refund", "clawback",
    "write_off", "draw", "invoice", "payment", "payout", "settled", "failed", "returned", "suspense", "sent_back",
    "own", "netting", "remittance", "withholding", "fx_purchase", "block", "unclaimed", "claim", "hand_over", "fee",
}  # fmt: skip


def found(db: Session) -> None:
    """A house with four people in it, and all that has to be said before money moves."""
    for rail in ("paypal", "paypal", "mpesa", "mpesa"):
        owed.payee(db, 50_000, rail=rail)
    owed.bank_account(db, OURS)
    usd, long_ago = money.currency(db, "USD"), clock.now(db) - timedelta(days=300)
    factories.enter_fx_rate(db, confirmed=True)
    owed.levy(db, 500, authority="KRA")
    # Another takes its share when pay is earned, from a threshold on that is soon crossed and caught up with.
    owed.levy(db, 300, authority="NHIF", basis="accrual", threshold="3", period="month", catch_up=True)
    terms = floors.Terms("KE", "USD", "9.00", date(2026, 1, 1), "an act")
    floors.confirm(db, floors.enter(db, terms, entered_by=PREPARER).id, confirmed_by=APPROVER)
    contract = contracts.propose(
        db, owner_ref=OWNER, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.POSTPAID,
        valid_from=long_ago, made_by=PREPARER,
    )  # fmt: skip
    contracts.confirm(db, contract.id, confirmed_by=APPROVER)
    limit = contracts.propose_limit(
        db, owner_ref=OWNER, currency=usd, amount=10**7, valid_from=long_ago, made_by=PREPARER
    )
    contracts.confirm_limit(db, limit.id, confirmed_by=APPROVER)


class Books:
    """A house's books, and everything that can happen to them; what an event acts on is drawn.

    name : whose events these are, where several act on one house. between : is called where one request ends and
    another begins; it may commit.
    """

    def __init__(self, db: Session, seed: int, name: str = "", between: Callable[[], None] = lambda: None) -> None:
        self.db, self.rng, self.name, self.number, self.between = db, random.Random(seed), name, 0, between
        self.people = list(db.scalars(select(Payee.id).order_by(Payee.id)))

    def live(self, n_events: int) -> Counter[str]:
        """So many events, each whole or not at all; how often each was refused, and by which problem."""
        refused: Counter[str] = Counter()
        for number in range(n_events):
            event = self.draw_event()
            try:
                with self.db.begin_nested():
                    event(self)
            except Problem as problem:
                refused[f"{event.__name__}: {type(problem).__name__}"] += 1
            self.db.expire_all()
            if number % 10 == 9:
                check(self.db, f"{number} events, the last of them {event.__name__}")
        return refused

    def draw_event(self) -> "Callable[[Books], None]":
        return self.rng.choice(EVENTS)

    def one_of(self, statement: str) -> str:
        """A row's id, or that of none."""
        found = self.db.scalars(text(statement)).all()
        return str(self.rng.choice(found)) if found else "none"

    def next(self, what: str) -> str:
        self.number += 1
        return f"{what}_{self.name}{self.number}"

    def person(self) -> Payee:
        return self.db.get_one(Payee, self.rng.choice(self.people))

    @property
    def usd(self) -> Currency:
        return money.currency(self.db, "USD")

    @property
    def past(self) -> date:
        """The first of the month before."""
        return (clock.now(self.db).date().replace(day=1) - timedelta(days=1)).replace(day=1)

    # When it is

    def pass_time(self) -> None:
        """Hours, days or a month pass; rates are fetched anew, or are too old."""
        travel.move(self.db, timedelta(hours=self.rng.choice([1, 1, 9, 26, 26, 8 * 24, 32 * 24])))
        self.between()
        if self.rng.random() < 0.8:
            self.enter_rate()

    def enter_rate(self) -> None:
        made = factories.enter_fx_rate(self.db, self.rng.choice(["129.25", "131", "127.5", "155"]))
        if made.needs_confirmation:
            self.between()
            fx.confirm(self.db, made.id, factories.approver())

    # Money of requesters

    def pay_in(self) -> None:
        owed.pay_in(self.db, self.rng.randint(1, 300_000), self.rng.choice(["USD", "USD", "KES"]))

    def pay_by_card(self) -> None:
        """Money over a processor that has kept a fee of it; told twice."""
        amount, reference = self.rng.randint(2, 300_000), self.next("charge")
        fee = self.rng.randint(1, amount - 1)
        for _ in range(2):
            funding.top_up(
                self.db, owner_ref=OWNER, currency="USD", amount=amount, bank_reference=reference, actor_ref=PREPARER,
                fee=fee,
            )  # fmt: skip

    def draw(self) -> None:
        amount, key = self.rng.randint(1, 300_000), self.next("draw")
        for _ in range(2):
            contracts.draw(self.db, owner_ref=OWNER, currency=self.usd, amount=amount, key=key, actor_ref=PREPARER)

    def refund(self) -> None:
        top_up = self.one_of("SELECT id FROM journal_entries WHERE kind = 'top_up'")
        amount = self.rng.randint(1, 500) * 100
        made = refunds.propose(
            self.db, owner_ref=OWNER, currency=self.usd, amount=amount, top_up_id=top_up, requested_by=PREPARER
        )
        if self.rng.random() < 0.3:
            refunds.refuse(self.db, made.id, reason="r", refused_by=APPROVER)
        else:
            refunds.approve(self.db, made.id, approved_by=APPROVER)

    def invoice(self) -> None:
        made = invoices.draft(
            self.db, owner_ref=OWNER, currency=self.usd, month=self.past, vat_basis_points=1_900, made_by=PREPARER
        )
        invoices.issue(self.db, made.id, issued_by=PREPARER)

    def pay_invoice(self) -> None:
        made = self.one_of("SELECT id FROM invoices WHERE state IN ('issued', 'paid') AND due > 0")
        due = self.db.scalar(text("SELECT due FROM invoices WHERE id = :id"), {"id": made}) or 0
        invoices.pay(
            self.db, made, currency="USD", amount=due, bank_reference=self.next("pay"), actor_ref=PREPARER
        )  # fmt: skip

    def void_invoice(self) -> None:
        invoices.void(self.db, self.one_of("SELECT id FROM invoices"), reason="r", voided_by=PREPARER)

    # Work and what is put right

    def accept(self) -> None:
        """Answers of somebody; what their batch did not need comes back."""
        amounts = [self.rng.choice([1, 33, 99, 12_345, 50_000]) for _ in range(self.rng.randint(1, 3))]
        batch, spare = self.next("batch"), self.rng.randint(0, 500)
        total = sum(map(funding.with_fee, amounts)) + spare
        funding.reserve(self.db, owner_ref=OWNER, cause_ref=batch, key=batch, currency="USD", amount=total)
        self.between()
        answers = [self.next("ans") for _ in amounts]
        to = self.person().id
        earnings.pend(
            self.db, [earnings.Work(a, to, batch, "USD", amount) for a, amount in zip(answers, amounts, strict=True)]
        )
        for _ in range(2):
            self.between()
            earnings.accept(self.db, answers, rests=[Rest(batch, f"{batch}:rest", spare)])

    def change_contract(self) -> None:
        """From now on the house is an agent, or a principal, for what comes."""
        made = contracts.propose(
            self.db, owner_ref=OWNER, entity="ROOK", presentation=self.rng.choice(list(Presentation)),
            billing=Billing.POSTPAID, valid_from=clock.now(self.db), made_by=PREPARER,
        )  # fmt: skip
        contracts.confirm(self.db, made.id, confirmed_by=APPROVER)

    def bonus(self) -> None:
        owed.give_bonus(
            self.db, owner_ref=OWNER, payee_id=self.person().id, currency="USD", amount=self.rng.randint(1, 9_999),
            reason="r", actor_ref=PREPARER,
        )  # fmt: skip

    def goodwill(self) -> None:
        owed.give_goodwill(
            self.db, payee_id=self.person().id, currency="USD", amount=self.rng.randint(1, 9_999), reason="r",
            actor_ref=PREPARER,
        )  # fmt: skip

    def reverse(self) -> None:
        earning = self.one_of("SELECT id FROM earnings")
        for _ in range(2):
            adjustments.reverse(self.db, [earning], reason="r", actor_ref=PREPARER)

    def repair(self) -> None:
        amount = self.rng.choice(["0.0001", "0.5000", "9.9999"])
        earning = self.one_of("SELECT id FROM earnings")
        adjustments.repair(self.db, earning, amount=amount, reason="r", actor_ref=PREPARER)

    def ask_back(self) -> None:
        paid = self.one_of("SELECT id FROM earnings WHERE status = 'paid'")
        made = clawbacks.propose(self.db, paid, reason="r", made_by=PREPARER)
        if self.rng.random() < 0.2:
            clawbacks.refuse(self.db, made.id, refused_by=APPROVER)
        else:
            clawbacks.confirm(self.db, made.id, confirmed_by=APPROVER)

    def write_off(self) -> None:
        made = self.one_of("SELECT id FROM clawbacks WHERE state = 'open'")
        clawbacks.propose_write_off(self.db, made, reason="r", proposed_by=PREPARER)
        clawbacks.write_off(self.db, made, confirmed_by=APPROVER)

    def work_slowly(self) -> None:
        """Somebody works for an hour and is paid too little for it, or enough."""
        to, now = self.person(), clock.now(self.db)
        (answer,) = owed.owe(self.db, to, self.rng.choice([1, 120_000]))
        hour = Piece(answer, to.id, answer, "image", 1, "KE", now - timedelta(hours=1), now)
        active_time.record(self.db, [hour])

    def lift_week(self) -> None:
        """The week before this one is held against the floor, twice."""
        week = f"{clock.now(self.db) - timedelta(weeks=1):%G-W%V}"
        for _ in range(2):
            floor_weeks.begin(self.db, week, begun_by=PREPARER)
            for _step in floor_weeks.steps(self.db, week):
                self.between()

    # Payouts and banks

    def pay_out(self) -> None:
        """A run that leaves, of which each payout arrives, is refused, comes back in part or is never heard of."""
        run = runs.begin(self.db, rail=self.rng.choice(["paypal", "mpesa"]), prepared_by=PREPARER)
        self._go_through(run.id)
        seen = self.db.scalar(
            text("SELECT encode(content_hash, 'hex') FROM payout_runs WHERE id = :id"), {"id": run.id}
        )
        runs.approve(self.db, run.id, content_hash=seen or "none", approved_by=APPROVER)
        self.between()
        runs.release(self.db, run.id, released_by=PREPARER)
        self._go_through(run.id)
        for payout_id in self.db.scalars(text("SELECT id FROM payouts WHERE run_id = :id"), {"id": run.id}).all():
            self._ending(payout_id)

    def _go_through(self, run_id: str) -> None:
        self.between()
        for _ in runs.steps(self.db, run_id):
            self.between()

    def hear(self) -> None:
        """Something of any payout, whatever has become of it."""
        self._ending(self.one_of("SELECT id FROM payouts"))

    def _ending(self, payout_id: str) -> None:
        net = self.db.scalar(text("SELECT net FROM payouts WHERE id = :id"), {"id": payout_id}) or 0
        back = Outcome(payout_id, "AC04", net - self.rng.randint(0, net))
        told = self.rng.choice(["settled", "failed", "returned", "nothing"])
        for _ in range(2):
            if told in {"settled", "returned"}:
                payouts.settle(self.db, [Outcome(payout_id)])
            if told == "failed":
                payouts.fail(self.db, [Outcome(payout_id, "AC01")])
            if told == "returned":
                self.between()
                payouts.take_returns(self.db, [back])
            self.between()

    def take_fee(self) -> None:
        """A provider says that a payout has arrived and what it took for it, whatever has become of the payout."""
        name, fee = (
            self.one_of("SELECT end_to_end_id FROM payouts"),
            self.rng.choice(["0.02", "0.30", "-0.02", "99999"]),
        )
        head = "sender_item_id\ttransaction_status\tpayout_item_fee\terrors"
        told = f"{head}\n{name}\tSUCCESS\t{fee}\t{self.next('told')}"
        reconciliation.read(self.db, io.BytesIO(told.encode()), format_="paypal", read_by=PREPARER)

    def prepare(self) -> None:
        """A run that is prepared and given up, or left lying."""
        run = runs.begin(self.db, rail="paypal", prepared_by=PREPARER)
        self._go_through(run.id)
        if self.rng.random() < 0.7:
            runs.cancel(self.db, run.id)
            self._go_through(run.id)

    def go_on(self) -> None:
        """Runs that were left lying go on, or are given up."""
        run = self.one_of("SELECT id FROM payout_runs WHERE state NOT IN ('exported', 'closed', 'cancelled')")
        if self.rng.random() < 0.5:
            runs.cancel(self.db, run)
        self._go_through(run)

    def read_bank(self) -> None:
        """A line that nobody can place, in or out; the file comes twice."""
        sign, name = self.rng.choice(["DBIT", "CRDT"]), self.next("line")
        amount = f"{self.rng.randint(1, 99)}.05"
        line = entry(sign=sign, amount=amount, refs=("", name)).replace('"EUR"', '"USD"')
        content = document(line, name=name, balances="").replace(b"<Ccy>EUR", b"<Ccy>USD")
        reconciliation.read(self.db, io.BytesIO(content), format_="camt", read_by=PREPARER)
        self.between()
        with suppress(reconciliation.FileRead):
            reconciliation.read(self.db, io.BytesIO(content), format_="camt", read_by=PREPARER)

    def resolve(self) -> None:
        """Two people say what a line is that nobody could place."""
        line = self.one_of("SELECT id FROM bank_entries WHERE state = 'suspense'")
        kind, named = self.rng.choice([
            (ResolutionKind.TOP_UP, {"owner_ref": OWNER}), (ResolutionKind.SENT_BACK, {}),
            (ResolutionKind.OWN, {"role": "rail_fee"}), (ResolutionKind.OWN, {"role": "bank_interest"}),
        ])  # fmt: skip
        made = suspense.propose(self.db, line, kind=kind, reason="r", made_by=PREPARER, **named)
        suspense.confirm(self.db, line, resolution_id=made.id, confirmed_by=APPROVER)

    def buy(self) -> None:
        """A bank changes what a run to wallets needs, at a rate of its own."""
        run = self.one_of("SELECT id FROM payout_runs WHERE rail = 'mpesa' AND state IN ('exported', 'closed')")
        for position in exchange.positions(self.db, run):
            needed, earned = position.paid // 100 * 100, position.earned // 100 * 100
            better = max(earned - self.rng.randint(-3, 3) * 100, 100)
            if needed <= 0:
                continue
            made = exchange.propose(
                self.db, run_id=run, bank_reference=self.next("deal"), made_by=PREPARER,
                sold=(self.usd, better), bought=(money.currency(self.db, "KES"), needed),
            )  # fmt: skip
            exchange.confirm(self.db, made.id, confirmed_by=APPROVER)

    def remit(self) -> None:
        """Some of what was withheld goes to its authority."""
        for held in remittances.due(self.db):
            some = self.rng.randint(1, max(int(held.amount) // 100, 1)) * 100
            made = remittances.enter(
                self.db, authority=held.authority, currency=money.currency(self.db, held.currency), amount=some,
                filing=self.next("filing"), entered_by=PREPARER,
            )  # fmt: skip
            remittances.confirm(self.db, made.id, confirmed_by=APPROVER)

    # Who may be paid, and what nobody claims

    def block(self) -> None:
        made = blocks.propose(self.db, payee_id=self.person().id, reason="r", made_by=PREPARER)
        if self.rng.random() < 0.2:
            blocks.refuse(self.db, made.id, refused_by=APPROVER)
        else:
            blocks.confirm(self.db, made.id, confirmed_by=APPROVER)

    def lift_block(self) -> None:
        made = self.one_of("SELECT id FROM blocks WHERE state = 'active'")
        blocks.propose_lift(self.db, made, reason="r", proposed_by=PREPARER)
        blocks.lift(self.db, made, confirmed_by=APPROVER)

    def keep_unclaimed(self) -> None:
        """Pay that came back is kept apart, once its payee had time to claim it."""
        payout = self.one_of("SELECT id FROM payouts WHERE state = 'returned'")
        noticed = clock.now(self.db).date() - timedelta(days=31)
        made = unclaimed.propose(self.db, payout, noticed_on=noticed, made_by=PREPARER)
        unclaimed.confirm(self.db, made.id, confirmed_by=APPROVER)

    def claim(self) -> None:
        unclaimed.claim(self.db, self.one_of("SELECT id FROM unclaimed WHERE state = 'kept'"), claimed_by="somebody")

    def hand_over(self) -> None:
        kept = self.one_of("SELECT id FROM unclaimed WHERE state = 'kept'")
        filing = unclaimed.file(self.db, [kept], filing=self.next("state"), filed_by=PREPARER)
        unclaimed.hand_over(
            self.db, filing.filing, currency=filing.currency, amount=filing.amount, confirmed_by=APPROVER
        )

    def note_credit(self) -> None:
        made = credit_notes.draft(
            self.db, owner_ref=OWNER, currency=self.usd, month=self.past, vat_basis_points=1_900, made_by=PREPARER
        )
        credit_notes.issue(self.db, made.id, issued_by=APPROVER)

    def close_month(self) -> None:
        """The month before is closed, and opened again at some other time."""
        if self.rng.random() < 0.5:
            periods.close(self.db, self.past, closed_by=PREPARER)
            self.between()
            seen = periods.shown(self.db, self.past).hash
            periods.confirm(self.db, self.past, trial_hash=seen, confirmed_by=APPROVER)
        else:
            periods.reopen(self.db, self.past, reopening_by=PREPARER)
            self.between()
            periods.confirm_reopening(self.db, self.past, reopened_by=APPROVER)


def check(db: Session, after: str) -> None:
    broken = {name: rows for check in wsgi.program.checks for name, rows in check(db).items() if rows}
    assert not broken, f"{after}: {broken}"
    for row in ledger.tie_out(db):
        assert (row.payable, row.stored) == (row.unpaid, row.recomputed), after


EVENTS: tuple[Callable[[Books], None], ...] = (
    Books.pass_time, Books.pass_time, Books.enter_rate, Books.enter_rate,
    Books.pay_in, Books.pay_in, Books.draw, Books.refund, Books.invoice, Books.pay_invoice, Books.void_invoice,
    Books.accept, Books.accept, Books.accept, Books.bonus, Books.goodwill, Books.reverse, Books.repair,
    Books.ask_back, Books.ask_back, Books.write_off, Books.work_slowly, Books.work_slowly, Books.lift_week,
    Books.pay_out, Books.pay_out, Books.pay_out, Books.hear, Books.prepare, Books.go_on, Books.buy, Books.remit,
    Books.read_bank, Books.resolve, Books.resolve, Books.block, Books.lift_block, Books.lift_block,
    Books.keep_unclaimed, Books.claim, Books.hand_over, Books.note_credit, Books.close_month, Books.take_fee,
    Books.pay_by_card, Books.change_contract,
)  # fmt: skip


@pytest.fixture
def db(travelling: Engine) -> Iterator[Session]:
    """A session in a transaction that is rolled back, in a founded house."""
    with rolled_back(travelling) as session:
        found(session)
        yield session


@pytest.fixture
def long_lived(engines: embedded.Engines, worker_name: str) -> Iterator[Session]:
    """A session in a founded house of its own, which commits: what never does is planned as if there were nothing."""
    with travelling_house(engines, f"long_{worker_name}_{os.getpid()}") as url:
        engine = database.make_engine(url, patient=True)
        with travel.ids_following(engine), database.sessions(engine)() as session:
            found(session)
            session.commit()
            yield session
        engine.dispose()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_in_whatever_order_every_check_holds(db: Session, seed: int) -> None:
    refused = Books(db, seed).live(60)

    assert refused


def test_a_long_life_comes_to_every_kind_of_entry(long_lived: Session) -> None:
    db = long_lived
    life, seen = Books(db, 11), set[str]()

    for _ in range(40):
        life.live(100)
        db.commit()
        seen = set(db.scalars(text("SELECT DISTINCT kind FROM journal_entries"))) - {"credit_note"}
        if seen >= KINDS:
            break

    assert seen == KINDS
    assert db.scalar(text("SELECT count(*) FROM journal_entries WHERE kind = 'top_up' AND lines = 2"))
    assert {row.currency for row in ledger.trial_balance(db)} == {"USD", "KES"}
    assert {"platform_fee", "labour", "labour_revenue"} <= {row.role for row in ledger.trial_balance(db)}
