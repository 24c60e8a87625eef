"""The banks of a siege notice what they are for: other orders under the same names, and files that do not add up."""

import random
from pathlib import Path
from typing import cast

import pytest

from tests.faults.bank import PAID, RETURNED, Bank, Cheated, Clearing, Order, Provider
from tests.faults.cashbook import _possible
from tests.faults.house import House

_SEPA = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>run1</MsgId><NbOfTxs>{count}</NbOfTxs><CtrlSum>12.50</CtrlSum></GrpHdr>
<PmtInf><PmtInfId>run1</PmtInfId><NbOfTxs>1</NbOfTxs><CtrlSum>12.50</CtrlSum><CdtTrfTxInf>
<PmtId><EndToEndId>pyo1</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">12.50</InstdAmt></Amt>
<CdtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></CdtrAcct></CdtTrfTxInf></PmtInf>
</CstmrCdtTrfInitn></Document>"""


def _bank(kind: type[Bank], folder: Path) -> Bank:
    # Nothing is read here, so there is no house.
    return kind(cast("House", None), folder, random.Random(1))


def test_a_file_that_comes_twice_is_one_order(tmp_path: Path) -> None:
    bank = _bank(Provider, tmp_path)

    for _ in range(2):
        assert bank.take(b"ada@example.org\t12.50\tUSD\tpyo1\t\r\n") == 1

    (order,) = bank.orders.values()
    assert (order.name, order.currency, order.cents, order.destination) == ("pyo1", "USD", 1250, "ada@example.org")
    assert bank.complaints == []


@pytest.mark.parametrize(
    "other", [b"ada@example.org\t12.51\tUSD", b"bob@example.org\t12.50\tUSD", b"ada@example.org\t12.50\tEUR"]
)
def test_another_order_under_the_same_name_is_a_complaint(other: bytes, tmp_path: Path) -> None:
    bank = _bank(Provider, tmp_path)
    bank.take(b"ada@example.org\t12.50\tUSD\tpyo1\t\r\n")

    bank.take(other + b"\tpyo1\t\r\n")

    assert len(bank.complaints) == 1
    assert bank.orders["pyo1"].cents == 1250


def test_a_name_that_stands_in_a_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Cheated):
        _bank(Provider, tmp_path).take(b"ada@example.org\t12.50\tUSD\tpyo1\t\r\nbob@example.org\t1.00\tUSD\tpyo1\t\r\n")


def test_a_clearing_takes_a_message_whose_sums_are_right(tmp_path: Path) -> None:
    bank = _bank(Clearing, tmp_path)

    assert bank.take(_SEPA.format(count=1).encode()) == 1

    assert bank.orders["pyo1"].destination == "DE89370400440532013000"
    with pytest.raises(Cheated):
        bank.take(_SEPA.format(count=2).encode())


def test_what_a_bank_has_told_is_all_that_the_books_may_hold() -> None:
    paid, back = (Order("pyo1", "EUR", 1250, "", fate) for fate in (PAID, RETURNED))

    assert _possible("sepa", paid, set()) == {"exported", "settled"}
    assert _possible("sepa", paid, {PAID}) == {"settled"}
    assert _possible("sepa", back, {PAID, RETURNED}) == {"returned"}
    assert "settled" in _possible("sepa", back, {PAID})
