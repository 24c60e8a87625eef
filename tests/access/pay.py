"""Payouts in the world: everything of them in every state. Names of owners are those of their callers."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import (
    account_codes,
    adjustments,
    contacts,
    export_making,
    exports,
    holds,
    money,
    payees,
    paying_accounts,
    payout_files,
    payouts,
    remittances,
    runs,
    tax_documents,
)
from payments.models import BankEntry, BankEntryState, BankFile, Payee, Payout, PayoutRun
from payments.payouts import Outcome
from payments.tax_documents import Shown
from tests import factories
from tests.access import canaries
from tests.payments import owed
from workforce.models import Worker

# Kind, state, owner and id.
Found = tuple[str, str, str, str]

_PAID, _HELD = ("worker", "other_worker"), "expert"


def things(session: Session, workers: Mapping[str, Worker], approver: str) -> Iterator[Found]:
    """All of it, in the order in which it can be made. approver : whose own acts nobody else has confirmed."""
    people = {name: payees.of_owner(session, workers[name].id) for name in (*_PAID, _HELD, "other_expert")}
    yield from (("payee", "known", name, payee.id) for name, payee in people.items())
    yield from _holds(session, people, approver)
    yield from _documents(session, people, approver)
    yield from _accounts(session, approver)
    for name in _PAID:
        # The one before is kept, as one that is no longer used.
        owed.set_method(session, people[name], cooling=1)
        owed.set_method(session, people[name])
        for _ in range(2):
            email = f"{canaries.new()}@example.com"
            contacts.choose(session, people[name].id, email=email, set_by=people[name].owner_ref)
    their_own = payees.of_owner(session, workers["party"].id)
    made = dict(_runs(session, [people[name] for name in _PAID], their_own, approver))
    yield from (("run", state, "", run.id) for state, run in made.items())
    yield from _payouts(session, made)
    yield from _remittances(session, approver)
    yield from _earnings(session, people)
    _accrue(session, [people[name] for name in _PAID])
    yield from _exports(session)
    _files(session, made["closed"])


def levy(session: Session) -> None:
    """A rule for wherever somebody is paid."""
    for country in session.scalars(text("SELECT DISTINCT country FROM payees ORDER BY 1")).all():
        owed.levy(session, country=country)


def _holds(session: Session, people: Mapping[str, Payee], approver: str) -> Iterator[Found]:
    until = clock.now(session) + timedelta(days=3)
    for name in ("worker", _HELD, "other_expert"):
        given: dict[str, Any] = {"payee_id": people[name].id, "reason": "It is looked into."}
        made = {"over": holds.place(session, **given, until=until, made_by="finance")}
        holds.end(session, made["over"].id, reason="It was explained.", ended_by="approver")
        if name != "worker":
            made |= {
                "active": holds.place(session, **given, until=until, made_by="finance"),
                "legal": holds.place(session, **given, is_legal=True, made_by="finance"),
                "theirs": holds.place(session, **given, is_legal=True, made_by=approver),
            }
        yield from (("hold", state, name, hold.id) for state, hold in made.items())


def _documents(session: Session, people: Mapping[str, Payee], approver: str) -> Iterator[Found]:
    """Of whom a run pays. One that has not begun changes no tax."""
    for name in _PAID:
        entered = [("waiting", "finance"), ("theirs", approver), ("confirmed", "finance"), ("confirmed", "finance")]
        for state, entered_by in entered:
            shown = Shown("resident", date(2100, 1, 1), "In the drawer.")
            made = tax_documents.enter(session, people[name].id, shown, entered_by=entered_by)
            if state == "confirmed":
                tax_documents.confirm(session, made.id, confirmed_by="approver")
            yield "tax_document", state, name, made.id


def _remittances(session: Session, approver: str) -> Iterator[Found]:
    usd = money.currency(session, "USD")
    for state, entered_by in {"waiting": "finance", "theirs": approver, "confirmed": "finance"}.items():
        made = remittances.enter(
            session, authority="KRA", currency=usd, amount=100, filing=f"{state} 2026-11", entered_by=entered_by
        )
        if state == "confirmed":
            remittances.confirm(session, made.id, confirmed_by="approver")
        yield "remittance", state, "", made.id


def _accounts(session: Session, approver: str) -> Iterator[Found]:
    details = {"name": "Rookery", "iban": "DE89370400440532013000", "bic": "COBADEFF"}
    for state, entered_by in {"waiting": "finance", "theirs": approver, "confirmed": "finance"}.items():
        made = paying_accounts.enter(session, rail="sepa", details=details, entered_by=entered_by)
        if state == "confirmed":
            paying_accounts.confirm(session, made.id, confirmed_by="approver")
        yield "paying_account", state, "", made.id


_DRAFTS = ("draft", "theirs", "their_method")


def _runs(session: Session, paid: list[Payee], their_own: Payee, approver: str) -> Iterator[tuple[str, PayoutRun]]:
    """A run in every state, each over what the one before has left. their_own : where the approver has set the method.

    That one is paid by one run alone.
    """
    for state in ("closed", "exported", "approved", *_DRAFTS, "cancelled", "preparing"):
        if state == "their_method":
            owed.set_method(session, their_own, set_by=approver)
        for payee in [*paid, their_own] if state == "their_method" else paid:
            owed.give_goodwill(
                session, payee_id=payee.id, currency="USD", amount=20_000, reason="Our fault.", actor_ref="finance"
            )
        run = runs.begin(session, rail="paypal", prepared_by=approver if state == "theirs" else "finance")
        if state != "preparing":
            owed.go_through(session, run)
        if state in {"closed", "exported", "approved"}:
            runs.approve(session, run.id, content_hash=str(run.hash_text), approved_by="approver")
        if state in {"closed", "exported"}:
            owed.go_through(session, runs.release(session, run.id, released_by="finance"))
        if state == "closed":
            one, other = session.scalars(select(Payout.id).where(Payout.run_id == run.id).order_by(Payout.payee_id))
            payouts.settle(session, [Outcome(one)])
            payouts.fail(session, [Outcome(other, "account closed")])
        if state == "cancelled":
            owed.go_through(session, runs.cancel(session, run.id))
        session.refresh(run)
        assert run.state == ("draft" if state in _DRAFTS else state)
        yield state, run


_OF_RUN = text("""
    SELECT p.id, p.state, w.owner_ref FROM payouts p JOIN payees w ON w.id = p.payee_id WHERE p.run_id = :id
""")


def _payouts(session: Session, made: Mapping[str, PayoutRun]) -> Iterator[Found]:
    for state, run in made.items():
        for row in session.execute(_OF_RUN, {"id": run.id}):
            yield "payout", row.state if state in {"closed", "exported", "cancelled"} else state, "", row.id


_OF_STATUS = text("""
    SELECT id FROM earnings e WHERE status = :status AND kind = 'answer' AND (payee_id = :payee_id OR status <> 'due')
       AND NOT EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open) ORDER BY id
""")
_IN_PAYOUT = text("SELECT earning_id FROM payout_items WHERE open ORDER BY 1 LIMIT 1")


def _earnings(session: Session, people: Mapping[str, Payee]) -> Iterator[Found]:
    """Earnings by what may become of them; some are repaired, taken back or given here."""
    given = {"payee_id": people[_HELD].id, "currency": "USD", "reason": "Our fault.", "actor_ref": "finance"}
    due = session.scalars(_OF_STATUS, {"status": "due", "payee_id": people[_HELD].id}).all()
    found = {"due": due[0], "reversed": due[1], "given": owed.give_goodwill(session, amount=500, **given).id}
    adjustments.repair(session, due[2], amount="0.5000", reason="It was harder.", actor_ref="finance")
    adjustments.reverse(session, [due[1]], reason="A mistake.", actor_ref="finance")
    for status in ("pending", "paid"):
        found[status] = session.scalars(_OF_STATUS, {"status": status, "payee_id": ""}).first()
    found["leaving"] = session.scalars(_IN_PAYOUT).one()
    yield from (("earning", state, "", earning_id) for state, earning_id in found.items())


def _accrue(session: Session, paid: list[Payee]) -> None:
    """Pay that is taxed when it is earned, by rules that take nothing any more of what comes later."""
    for country in sorted({payee.country for payee in paid}):
        terms: dict[str, Any] = {"country": country, "authority": "BIR", "currency": "USD", "unit_exponent": 2}
        factories.enter_tax_rule(session, **terms, basis="accrual", basis_points=1_000, confirmed=True)
        for payee in paid:
            given = {"payee_id": payee.id, "currency": "USD", "reason": "Our fault.", "actor_ref": "finance"}
            for amount in (5_000, 6_000) if payee.country == country else ():
                owed.give_goodwill(session, amount=amount, **given)
        factories.enter_tax_rule(session, **terms, basis="payment", basis_points=0, confirmed=True)


def _exports(session: Session) -> Iterator[Found]:
    """An export in every state; somebody has taken the bytes of those that had any."""
    account_codes.replace(session, {"bank": "1010", "funds": "2010"}, set_by="finance")
    for state in ("ready", "gone", "failed", "making"):
        export = exports.ask(session, kind="payables", format_="csv", parameters={}, made_by="finance")
        if state in {"ready", "gone"}:
            for _ in export_making.steps(session, export.id):
                session.flush()
            exports.take(session, export.id, taken_by="approver").file.close()
        if state in {"gone", "failed"}:
            why = "It went wrong." if state == "failed" else None
            given = {"id": export.id, "state": state, "why": why}
            session.execute(text("UPDATE exports SET state = :state, failure = :why WHERE id = :id"), given)
        yield "export", state, "", export.id


def _files(session: Session, run: PayoutRun) -> None:
    """What was written for a bank and what it said."""
    payout_files.write(session, run.id, made_by="finance").file.close()
    payout = session.scalars(select(Payout).where(Payout.run_id == run.id, Payout.state == "settled")).one()
    for number, state in enumerate((BankEntryState.SUSPENSE, BankEntryState.MATCHED), 1):
        file = BankFile(
            id=ids.new("bfl"), sha256=bytes([number]) * 32, format="camt", outcome={"settled": 1}, read_by="finance"
        )
        entry = BankEntry(
            id=ids.new("ben"), file_id=file.id, account="a", reference=f"{number}", booked_on=run.created_at.date(),
            currency="USD", amount=-payout.net, end_to_end_id="unknown", return_reason="AC04", state=state,
            payout_id=payout.id,
        )  # fmt: skip
        session.add(file)
        session.flush()
        session.add(entry)
        session.flush()
