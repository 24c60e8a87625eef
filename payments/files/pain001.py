"""Customer credit transfers for a bank, ISO 20022 pain.001, streamed. What no schema sees is checked here.

A schema accepts nine kinds of wrong file: decimals that the currency does not have, amounts of zero, unknown
currencies, IBANs with a wrong checksum, BICs of no country, wrong counts, wrong sums, characters that banks refuse,
and an EndToEndId that comes twice. Each of them is `Unfit`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, BinaryIO

from lxml import etree
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from payments.files import characters
from payments.files.characters import Reduced
from payments.files.orders import Batch, Order, Unfit

# What a report keeps; it counts all.
CHANGES_MAX = 1_000
# A longer name or remittance is a mistake, and would be kept in the report.
TEXT_MAX = 1_000
_NAME_MAX = 70  # of the SEPA rulebook; the schema has 140
_REMITTANCE_MAX = 140
_DIGITS_MAX = 18
_DECIMALS_MAX = 5
_ORDERS_MAX = 10**15 - 1
# The SEPA rulebook: EUR 999,999,999.99 for one payment.
_SEPA_CENTS_MAX = 99_999_999_999
_END_TO_END_ID = re.compile(r"[A-Za-z0-9]{1,35}")
_MESSAGE_ID = re.compile(r"(?!/)(?!.*//)[A-Za-z0-9/?:().,'+-]{1,35}(?<!/)")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,34}")
# The narrower of the two versions' patterns.
_BIC = re.compile(r"[A-Z]{6}[A-Z2-9][A-NP-Z0-9](?:[A-Z0-9]{3})?")
# Where an account's number stands.
_IBAN = ("Id", "IBAN")
_OTHER = ("Id", "Othr", "Id")


class Version(StrEnum):
    """The versions that banks take."""

    V03 = "pain.001.001.03"
    V09 = "pain.001.001.09"


@dataclass(frozen=True, slots=True)
class Change:
    """A text that was not written as it came. order : from 0; None for the payer."""

    order: int | None
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the texts: how many were changed, and the first of the changes."""

    n_changes: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Payment:
    """An order whose every value may be written as it is."""

    end_to_end_id: str
    amount: str
    currency: str
    name: str
    account: tuple[str, ...]
    number: str
    bic: str | None
    remittance: str


@dataclass(slots=True)
class _Texts:
    """Brings texts into the SEPA set and remembers which of them that changed."""

    n_changes: int = 0
    changes: list[Change] = field(default_factory=list)

    def fit_name(self, name: str, *, order: int | None, field: str) -> str:
        """A name whose letters are all there: a bank may compare it with the account's, and a person must know it."""
        reduced = self._reduce(name, _NAME_MAX, order, field)
        if reduced.lost:
            raise Unfit("Has letters that no SEPA bank can write; give it in Latin letters.", order=order, field=field)
        if not any(character.isalnum() for character in reduced.text):
            raise Unfit("Has no letter.", order=order, field=field)
        return reduced.text

    def fit_remittance(self, remittance: str, *, order: int) -> str:
        """What the payment is for; here a full stop may stand for what cannot be written."""
        return self._reduce(remittance, _REMITTANCE_MAX, order, "remittance").text

    def _reduce(self, text: str, longest: int, order: int | None, field: str) -> Reduced:
        if len(text) > TEXT_MAX:
            raise Unfit(f"Longer than {TEXT_MAX} characters.", order=order, field=field)
        reduced = characters.reduce(text, longest=longest)
        if reduced.text != text:
            self.n_changes += 1
            if self.n_changes <= CHANGES_MAX:
                self.changes.append(Change(order, field, text, reduced.text))
        return reduced


def write(
    batch: Batch, orders: Iterable[Order], file: BinaryIO, *, version: Version, currencies: Mapping[str, int]
) -> Written:
    """Write a batch as one message with one payment block, and say which texts had to be changed.

    orders : sorted by end_to_end_id, bytewise (in PostgreSQL, COLLATE "C"), so that one that comes twice is seen
    without keeping all; others are `Unfit`. currencies : the codes that may be paid and the decimals that ISO 4217
    gives each; a format cannot know them, for they change.

    The same input gives the same bytes. After `Unfit` the file is broken off within an element and must be thrown away.
    """
    _check_batch(batch, currencies)
    texts = _Texts()
    with etree.xmlfile(file, encoding="UTF-8") as xml, ExitStack() as opened:
        try:
            xml.write_declaration()
            opened.enter_context(xml.element("Document", nsmap={None: f"urn:iso:std:iso:20022:tech:xsd:{version}"}))
            opened.enter_context(xml.element("CstmrCdtTrfInitn"))
            payer = texts.fit_name(batch.payer.get("name", ""), order=None, field="payer.name")
            xml.write(_group_header(batch, payer))
            opened.enter_context(xml.element("PmtInf"))
            for part in _payment_header(batch, payer, version):
                xml.write(part)
            for payment in _check_orders(batch, orders, texts):
                xml.write(_transfer(payment, version))
        except BaseException:
            # lxml would close what is open, and a file that was refused half-way would look whole.
            opened.pop_all()
            raise
    return Written(texts.n_changes, tuple(texts.changes))


def _check_batch(batch: Batch, currencies: Mapping[str, int]) -> None:
    if not _MESSAGE_ID.fullmatch(batch.message_id):
        raise Unfit("Must be 1 to 35 letters, digits or signs of SEPA.", order=None, field="message_id")
    if batch.created_at.utcoffset() is None:
        raise Unfit("Has no time zone.", order=None, field="created_at")
    # A day is left for the zones of the earth.
    if batch.created_at.date() - batch.execution_on > timedelta(days=1):
        raise Unfit("Lies before the day on which the file was made.", order=None, field="execution_on")
    if batch.currency not in currencies:
        raise Unfit(f"{batch.currency!r} is no currency that may be paid.", order=None, field="currency")
    if batch.exponent != currencies[batch.currency]:
        raise Unfit(f"{batch.currency} has {currencies[batch.currency]} decimals.", order=None, field="exponent")
    if not 0 <= batch.exponent <= _DECIMALS_MAX:
        raise Unfit(f"The format has at most {_DECIMALS_MAX} decimals.", order=None, field="exponent")
    if not 0 < batch.n_orders <= _ORDERS_MAX:
        raise Unfit("A file has at least one order.", order=None, field="n_orders")
    _check_amount(batch.total, order=None, field="total")
    _check_account(batch.payer, batch.currency, order=None, field="payer")


def _check_orders(batch: Batch, orders: Iterable[Order], texts: _Texts) -> Iterator[_Payment]:
    """Every order as it is written; at the end, whether they were those that the batch announced."""
    n_orders, total, before = 0, 0, ""
    for order in orders:
        if n_orders == batch.n_orders:
            raise Unfit(f"There are more than the {n_orders} that were announced.", order=None, field="n_orders")
        _check_order(order, batch, n_orders, before)
        yield _payment(order, n_orders, texts)
        n_orders, total, before = n_orders + 1, total + order.amount, order.end_to_end_id
    if n_orders != batch.n_orders:
        raise Unfit(f"{batch.n_orders} were announced, {n_orders} came.", order=None, field="n_orders")
    if total != batch.total:
        raise Unfit(f"{batch.total} was announced, the orders sum to {total}.", order=None, field="total")


def _check_order(order: Order, batch: Batch, place: int, before: str) -> None:
    if not _END_TO_END_ID.fullmatch(order.end_to_end_id):
        raise Unfit("Must be 1 to 35 letters or digits.", order=place, field="end_to_end_id")
    if order.end_to_end_id == before:
        raise Unfit("Comes twice.", order=place, field="end_to_end_id")
    if order.end_to_end_id < before:
        raise Unfit("Comes after a higher one; sort the orders.", order=place, field="end_to_end_id")
    if order.currency != batch.currency:
        raise Unfit(f"{order.currency!r} in a batch of {batch.currency}.", order=place, field="currency")
    if order.exponent != batch.exponent:
        raise Unfit(f"{order.currency} has {batch.exponent} decimals.", order=place, field="exponent")
    _check_amount(order.amount, order=place, field="amount")
    if order.currency == "EUR" and order.amount > _SEPA_CENTS_MAX:
        raise Unfit("Above EUR 999,999,999.99, where SEPA ends.", order=place, field="amount")
    _check_account(order.destination, order.currency, order=place, field="destination")


def _check_amount(amount: int, *, order: int | None, field: str) -> None:
    if type(amount) is not int or not 0 < amount < 10**_DIGITS_MAX:
        raise Unfit(f"Must be a whole number above zero with at most {_DIGITS_MAX} digits.", order=order, field=field)


def _check_account(place: Mapping[str, str], currency: str, *, order: int | None, field: str) -> None:
    """An IBAN with a BIC or without; outside SEPA an account number will do if a BIC says of which bank."""
    iban, bic = place.get("iban"), place.get("bic")
    if iban is None and currency == "EUR":
        raise Unfit("SEPA pays from IBAN to IBAN.", order=order, field=f"{field}.iban")
    if iban is not None:
        _check_iban(iban, currency, order=order, field=f"{field}.iban")
    elif not _ACCOUNT.fullmatch(place.get("account", "")):
        raise Unfit("Must be 1 to 34 letters or digits, or an IBAN be given.", order=order, field=f"{field}.account")
    elif bic is None:
        raise Unfit("An account number needs its bank.", order=order, field=f"{field}.bic")
    if bic is not None:
        _check_bic(bic, order=order, field=f"{field}.bic")


def _check_iban(iban: str, currency: str, *, order: int | None, field: str) -> None:
    try:
        valid = IBAN(iban)
    except SchwiftyException as error:
        raise Unfit(f"{error}.", order=order, field=field) from error
    # What was approved is what is written: nothing is put right on the way.
    if str(valid) != iban:
        raise Unfit("Must be in capitals and without blanks.", order=order, field=field)
    if currency == "EUR" and not valid.in_sepa_zone:
        raise Unfit(f"{iban[:2]} is not in SEPA.", order=order, field=field)


def _check_bic(bic: str, *, order: int | None, field: str) -> None:
    wrong = _doubt_bic(bic)
    if wrong is not None:
        raise Unfit(wrong, order=order, field=field)


# Many people have few banks.
@lru_cache(maxsize=4_096)
def _doubt_bic(bic: str) -> str | None:
    if not _BIC.fullmatch(bic):
        return "Must be 8 or 11 capitals and digits."
    try:
        BIC(bic)
    except SchwiftyException as error:
        return f"{error}."
    return None


def _payment(order: Order, place: int, texts: _Texts) -> _Payment:
    iban = order.destination.get("iban")
    return _Payment(
        end_to_end_id=order.end_to_end_id,
        amount=_format_amount(order.amount, order.exponent),
        currency=order.currency,
        name=texts.fit_name(order.name, order=place, field="name"),
        account=_IBAN if iban else _OTHER,
        number=iban or order.destination["account"],
        bic=order.destination.get("bic"),
        remittance=texts.fit_remittance(order.remittance, order=place),
    )


def _format_amount(amount: int, exponent: int) -> str:
    """12345 at 2 is "123.45", at 0 "12345"."""
    if exponent == 0:
        return str(amount)
    whole, part = divmod(amount, 10**exponent)
    return f"{whole}.{part:0{exponent}d}"


def _grow(parent: Any, *path: str, text: str | None = None) -> Any:
    """Add elements within each other; text goes into the last, which is returned."""
    for name in path:
        parent = etree.SubElement(parent, name)
    parent.text = text
    return parent


def _group_header(batch: Batch, payer: str) -> Any:
    header = etree.Element("GrpHdr")
    _grow(header, "MsgId", text=batch.message_id)
    _grow(header, "CreDtTm", text=_format_time(batch.created_at))
    _grow(header, "NbOfTxs", text=str(batch.n_orders))
    _grow(header, "CtrlSum", text=_format_amount(batch.total, batch.exponent))
    _grow(header, "InitgPty", "Nm", text=payer)
    return header


def _format_time(moment: datetime) -> str:
    try:
        return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    except OverflowError as error:
        raise Unfit("Is no time that UTC has.", order=None, field="created_at") from error


def _payment_header(batch: Batch, payer: str, version: Version) -> list[Any]:
    """What stands before the transfers of a payment block, in the schema's order."""
    block = etree.Element("PmtInf")
    _grow(block, "PmtInfId", text=batch.message_id)
    _grow(block, "PmtMtd", text="TRF")
    _grow(block, "NbOfTxs", text=str(batch.n_orders))
    _grow(block, "CtrlSum", text=_format_amount(batch.total, batch.exponent))
    if batch.currency == "EUR":
        _grow(block, "PmtTpInf", "SvcLvl", "Cd", text="SEPA")
    day = ("ReqdExctnDt",) if version == Version.V03 else ("ReqdExctnDt", "Dt")
    _grow(block, *day, text=batch.execution_on.isoformat())
    _grow(block, "Dbtr", "Nm", text=payer)
    iban = batch.payer.get("iban")
    _grow(block, "DbtrAcct", *(_IBAN if iban else _OTHER), text=iban or batch.payer["account"])
    _grow_bank(block, "DbtrAgt", batch.payer.get("bic"), version)
    # SEPA knows no other sharing of charges; elsewhere each side pays its own bank.
    _grow(block, "ChrgBr", text="SLEV" if batch.currency == "EUR" else "SHAR")
    return list(block)


def _grow_bank(parent: Any, name: str, bic: str | None, version: Version) -> None:
    bank = _grow(parent, name, "FinInstnId")
    if bic is None:
        # As the SEPA guidelines say that the IBAN is enough.
        _grow(bank, "Othr", "Id", text="NOTPROVIDED")
    else:
        _grow(bank, "BIC" if version == Version.V03 else "BICFI", text=bic)


def _transfer(payment: _Payment, version: Version) -> Any:
    transfer = etree.Element("CdtTrfTxInf")
    _grow(transfer, "PmtId", "EndToEndId", text=payment.end_to_end_id)
    _grow(transfer, "Amt", "InstdAmt", text=payment.amount).set("Ccy", payment.currency)
    if payment.bic is not None:
        _grow_bank(transfer, "CdtrAgt", payment.bic, version)
    _grow(transfer, "Cdtr", "Nm", text=payment.name)
    _grow(transfer, "CdtrAcct", *payment.account, text=payment.number)
    if payment.remittance:
        _grow(transfer, "RmtInf", "Ustrd", text=payment.remittance)
    return transfer
