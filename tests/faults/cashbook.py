"""The books of payouts beside what those who pay were told, and beside the books of the banks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.faults.bank import PAID, REFUSED, RETURNED, Bank, Order
from tests.faults.crowd import Said
from tests.faults.payroll import CURRENCIES, PayJournal, Payroll
from tests.faults.reckoning import Reckoning, lost, stored

# Amounts of the books are in ten-thousandths, those of banks in hundredths.
_CENT = 100
_TOLD = {
    "runs": "SELECT id, rail, prepared_by FROM payout_runs",
    "released": "SELECT id, released_by, state IN ('releasing', 'exported', 'closed') FROM payout_runs",
    "cancelled": "SELECT id, state IN ('cancelling', 'cancelled') FROM payout_runs",
    "dropped": "SELECT id, state FROM payouts",
    "goodwill": "SELECT id, payee_id, currency, amount FROM earnings",
    "holds": "SELECT id, payee_id FROM holds",
    "ended": "SELECT id, end_reason FROM holds",
    "methods": "SELECT id, rail, kind FROM payout_methods",
}
_TWICE = text("""
    SELECT 'entries ' || kind || ' of ' || cause_ref FROM journal_entries
     WHERE kind IN ('payout', 'settled', 'failed', 'returned') GROUP BY kind, cause_ref HAVING count(*) > 1
    UNION ALL
    SELECT 'payments of earning ' || e.id FROM earnings e JOIN payout_items i ON i.earning_id = e.id
     WHERE i.open OR i.counts GROUP BY e.id, e.amount HAVING sum(i.amount) > e.amount
    UNION ALL
    SELECT 'readings of a file ' || encode(sha256, 'hex') FROM bank_files GROUP BY sha256 HAVING count(*) > 1
    UNION ALL
    SELECT 'goodwill ' || answer_ref FROM earnings WHERE kind = 'goodwill' GROUP BY answer_ref HAVING count(*) > 1
""")
# Both ways: a payout that left and was not booked, and one that was booked and has not left.
_UNBOOKED = text("""
    SELECT p.id || ' is ' || p.state || coalesce(' and booked by ' || j.id, ' and not booked')
      FROM payouts p LEFT JOIN journal_entries j ON j.idempotency_key = 'out:' || p.id
     WHERE (p.state IN ('exported', 'settled', 'failed', 'returned')) <> (j.id IS NOT NULL)
""")
_PAYOUTS = text("""
    SELECT p.end_to_end_id, p.id, p.state, p.currency, p.net, p.method_id, p.payee_id, p.earned_currency, r.rail
      FROM payouts p JOIN payout_runs r ON r.id = p.run_id WHERE p.state NOT IN ('prepared', 'dropped')
""")
_FILES = text("SELECT encode(sha256, 'hex'), format FROM bank_files")
_WRITTEN = text("SELECT DISTINCT run_id, part, encode(sha256, 'hex'), rows FROM payout_files")
_SUSPENSE = text("SELECT 'suspense ' || reference FROM bank_entries WHERE state = 'suspense'")
# Of people who are paid, what they have earned and what is still owed to them.
_OWED = text("""
    SELECT a.owner_ref, a.currency, b.credits - b.debits AS payable,
           coalesce((SELECT sum(s.amount) FROM answers n JOIN assignments s ON s.id = n.assignment_id
                      WHERE n.worker_id = p.owner_ref AND n.status = 'accepted' AND a.currency = 'USD'), 0) AS answered,
           EXISTS (SELECT FROM payout_methods m WHERE m.payee_id = p.id AND m.status = 'active') AS is_paid
      FROM accounts a JOIN balances b ON b.account_id = a.id JOIN payees p ON p.id = a.owner_ref
     WHERE a.role = 'payable'
""")
_MOVED = text("""
    SELECT a.currency, coalesce(sum(o.amount), 0) FROM postings o JOIN accounts a ON a.id = o.account_id
      JOIN journal_entries j ON j.id = o.entry_id
     WHERE a.role = 'bank' AND j.kind IN ('settled', 'returned') GROUP BY 1
""")


class Cashbook:
    """The journal of those who pay beside the database, from where it was last compared."""

    def __init__(self, payroll: Payroll) -> None:
        self._payroll, self._journal = payroll, payroll.journal
        self._seen = dict.fromkeys(_TOLD, 0)

    def compare(self, opened: Session) -> Reckoning:
        """What was told since the last time and all that the banks know, while everybody goes on."""
        found = self._complaints()
        new = {kind: _told(self._journal, kind)[self._seen[kind] :] for kind in _TOLD}
        for kind, told in new.items():
            found.lost += lost(
                kind, told, stored(opened, f"{_TOLD[kind]} WHERE id = ANY(:ids)", [one.id for one in told])
            )
            self._seen[kind] += len(told)
        self._compare_banks(opened, found)
        return found

    def reckon(self, opened: Session, *, settled: bool) -> Reckoning:
        """Everything, once nobody is at work any more; if all is `settled`, everybody must have been paid as well."""
        found = self._complaints()
        for kind, sql in _TOLD.items():
            found.lost += lost(kind, _told(self._journal, kind), stored(opened, sql))
        known = {one.id for one in self._journal.goodwill}
        sql = "SELECT id FROM earnings WHERE kind = 'goodwill'"
        found.doubled += [f"goodwill nobody was told of: {id_}" for id_ in stored(opened, sql) if id_ not in known]
        payouts = self._compare_banks(opened, found)
        if settled:
            self._compare_sums(opened, found, payouts)
        return found

    def _complaints(self) -> Reckoning:
        """What a bank was told otherwise than before is a payment more."""
        of_banks = [one for bank in self._payroll.banks.values() for one in bank.complaints]
        return Reckoning(doubled=[*of_banks, *self._journal.complaints])

    def _compare_banks(self, opened: Session, found: Reckoning) -> dict[str, Any]:
        # First what they know, then what the books hold: meanwhile these only get on.
        banks = {rail: _seen(bank) for rail, bank in self._payroll.banks.items()}
        read = [one for bank in self._payroll.banks.values() for one in list(bank.files)]
        files = dict(self._journal.files)
        payouts = {row.end_to_end_id: row for row in opened.execute(_PAYOUTS)}
        for rail, orders in banks.items():
            for order, told in orders:
                found.lost += self._differences(rail, order, told, payouts.get(order.name))
        kept = {(row[0], row[1]) for row in opened.execute(_FILES)}
        found.lost += [
            f"file {sha256} of {format_} that was read" for sha256, format_ in read if (sha256, format_) not in kept
        ]
        written = {tuple(row) for row in opened.execute(_WRITTEN)}
        found.lost += [f"the file of {key} that was had" for key, one in files.items() if (*key, *one) not in written]
        hashes = Counter(row[:2] for row in written)
        found.doubled += [f"files of {run_id} part {part}" for (run_id, part), n in hashes.items() if n > 1]
        found.doubled += opened.scalars(_TWICE)
        found.lost += opened.scalars(_UNBOOKED)
        found.doubled += opened.scalars(_SUSPENSE)
        return payouts

    def _differences(self, rail: str, order: Order, told: set[str], row: Any) -> Iterator[str]:
        """What a bank's book says of an order otherwise than the house's."""
        if row is None:
            yield f"order {order.name}, which has not left"
            return
        destination = self._journal.destinations.get(row.method_id, order.destination)
        theirs = (rail, order.currency, order.cents * _CENT, order.destination)
        ours = (row.rail, row.currency, row.net, destination)
        if ours != theirs:
            yield f"order {order.name}: the bank pays {theirs}, the books {ours}"
        if row.state not in _possible(rail, order, told):
            yield f"order {order.name}: {order.fate} at the bank, which told {sorted(told)}; {row.state} in the books"

    def _compare_sums(self, opened: Session, found: Reckoning, payouts: Mapping[str, Any]) -> None:
        """All has been told: what was earned is what banks have paid, and a rest that is too little to be paid."""
        orders = {order.name: order for bank in self._payroll.banks.values() for order in bank.orders.values()}
        found.lost += [
            f"payout {row.id}, whose bank knows nothing of it" for name, row in payouts.items() if name not in orders
        ]
        found.lost += [
            f"method {row.method_id} nobody was told of"
            for row in payouts.values()
            if row.method_id not in self._journal.destinations
        ]
        paid: Counter[tuple[str, str]] = Counter()
        converted: set[str] = set()
        for name, row in payouts.items():
            if row.currency != row.earned_currency:
                converted.add(row.payee_id)
            elif name in orders and orders[name].fate == PAID:
                paid[row.payee_id, row.currency] += orders[name].cents * _CENT
        for one in opened.execute(_OWED):
            key = (one.owner_ref, one.currency)
            earned = self._earned[key] + int(one.answered)
            if one.owner_ref not in converted and earned != one.payable + paid[key]:
                found.unpaid.append(f"{key}: earned {earned}, owed {one.payable}, paid by banks {paid[key]}")
            # Two units of a rail, for a cent of euros may cost more than one of dollars.
            if one.is_paid and one.payable >= 2 * _CENT:
                found.unpaid.append(f"{key}: {one.payable} are owed and were not paid")
        moved = {currency: int(amount) for currency, amount in opened.execute(_MOVED)}
        for rail, bank in self._payroll.banks.items():
            left = sum(_left(order, payouts.get(order.name)) for order in bank.orders.values())
            if moved.get(CURRENCIES[rail], 0) != -left:
                found.doubled.append(f"{rail}: {left} left the bank, {moved.get(CURRENCIES[rail], 0)} by the books")

    @property
    def _earned(self) -> "Counter[tuple[str, str]]":
        earned: Counter[tuple[str, str]] = Counter(self._payroll.calendar.earned)
        for one in self._journal.goodwill:
            payee_id, currency, amount = one.facts
            earned[payee_id, currency] += amount
        return earned


def _told(journal: PayJournal, kind: str) -> Sequence[Said]:
    told: list[Said] = getattr(journal, kind)
    return list(told)


def _seen(bank: Bank) -> list[tuple[Order, set[str]]]:
    with bank.lock:
        return [(order, order.told) for order in bank.orders.values()]


def _possible(rail: str, order: Order, told: set[str]) -> set[str]:
    """Where a payout may stand in the books: what was not acknowledged may have been read all the same."""
    if order.fate == REFUSED:
        return {"failed"} if told else {"exported", "failed"}
    if order.fate == PAID:
        return {"settled"} if told else {"exported", "settled"}
    # A provider that sends money back before it told of its payment has never paid it, by the books.
    back = {"returned"} if rail == "sepa" else {"returned", "failed"}
    if RETURNED in told:
        return back
    return {"settled", *back} if told else {"exported", "settled", *back}


def _left(order: Order, row: Any) -> int:
    """What has left a bank's account for good, in ledger units, by its own book."""
    if order.fate == PAID:
        return order.cents * _CENT
    return (order.cents - order.back) * _CENT if order.fate == RETURNED and row is not None else 0
