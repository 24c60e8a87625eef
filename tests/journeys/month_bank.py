"""A bank and three providers, as the month's counterpart: they read our files as they would, pay, and report.

Nothing here knows the product's writers or readers: lxml with the schemas of two packages, achkit and csv read, and a
file that any of them finds fault with is refused as a whole. One purse for each currency stands for all their accounts.
"""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import achkit
from lxml import etree

from tests.payments.files import judges
from tests.payments.files.samples import order, returned

PAIN = "pain.001.001.09"
_PAIN = {"p": f"urn:iso:std:iso:20022:tech:xsd:{PAIN}"}
_CENTS = re.compile(r"[0-9]+\.[0-9]{2}")


class BankRefuses(Exception):
    """The file is not one that this bank pays by."""


@dataclass(frozen=True)
class Order:
    """One payment: by which name, to which account, how much."""

    name: str
    to: str
    amount: Decimal
    currency: str


# Reading


def read_sepa(content: bytes) -> list[Order]:
    """A pain.001 that both packages' schemas accept and that adds up."""
    root = etree.fromstring(content)
    schemas = judges.schemas_of(PAIN)
    _require(len(schemas) == 2, "a schema is missing")
    for schema in schemas:
        _require(etree.XMLSchema(file=str(schema)).validate(root), f"{schema} does not accept it")
    _require(judges.faults(content) == [], str(judges.faults(content)))
    return [_transfer(one) for one in root.iterfind(".//p:CdtTrfTxInf", _PAIN)]


def _transfer(one: etree._Element) -> Order:
    amount = one.find(".//p:InstdAmt", _PAIN)
    name, to = one.findtext(".//p:EndToEndId", "", _PAIN), one.findtext("p:CdtrAcct/p:Id/p:IBAN", "", _PAIN)
    _require(amount is not None, "there is no amount")
    assert amount is not None
    return Order(name, to, Decimal(amount.text or ""), amount.get("Ccy", ""))


def read_ach(content: bytes) -> list[Order]:
    """A NACHA file whose records, counts, hashes and sums hold."""
    text = content.decode("ascii")
    errors = achkit.validate(text)["errors"]
    _require(errors == [], str(errors))
    entries = [entry for batch in achkit.parse(text)["batches"] for entry in batch["entries"]]
    return [
        Order(one["id_number"], f"{one['routing']}/{one['account']}", Decimal(one["amount_cents"]) / 100, "USD")
        for one in entries
    ]


def read_mpesa(content: bytes) -> list[Order]:
    """Whole shillings to numbers of Kenya."""
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    _require(all(re.fullmatch("254[17][0-9]{8}", row["MSISDN"]) for row in rows), "a number is none of Kenya's")
    _require(all(row["Amount"].isdigit() for row in rows), "an amount is not in whole shillings")
    return _distinct(Order(row["Reference"], row["MSISDN"], Decimal(row["Amount"]), "KES") for row in rows)


def read_imps(content: bytes) -> list[Order]:
    """Rupees to UPI ids, out of one account."""
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    _require({row["RazorpayX Account Number"] for row in rows} <= {"5550001"}, "it is not the house's account")
    _require(all(row["Payout Mode"] == "UPI" for row in rows), "a mode is none")
    amounts = [_cents(row["Payout Amount (in Rupees)"]) for row in rows]
    made = zip(rows, amounts, strict=True)
    return _distinct(Order(row["Payout Reference Id"], row["Fund Account Vpa"], amount, "INR") for row, amount in made)


def read_paypal(content: bytes) -> list[Order]:
    """Five columns between tabs, without a header."""
    rows = list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    _require(all(len(row) == 5 and row[2] == "USD" for row in rows), "a row is none")
    return _distinct(Order(name, to, _cents(amount), currency) for to, amount, currency, name, _ in rows)


READERS: Mapping[str, Callable[[bytes], list[Order]]] = {
    "sepa": read_sepa, "ach": read_ach, "mpesa": read_mpesa, "imps": read_imps, "paypal": read_paypal,
}  # fmt: skip


def _cents(text: str) -> Decimal:
    _require(_CENTS.fullmatch(text) is not None, f"{text} is no amount")
    return Decimal(text)


def _distinct(orders: Iterable[Order]) -> list[Order]:
    read = list(orders)
    _require(len({one.name for one in read}) == len(read), "a payment is there twice")
    return read


def _require(holds: object, why: str) -> None:
    if not holds:
        raise BankRefuses(why)


def planted(rail: str, content: bytes) -> Iterable[bytes]:
    """The file with one thing wrong, in several ways; a reader that accepts any of them reads nothing."""
    first = READERS[rail](content)[0]
    digits = f"{first.amount:.2f}".encode()
    if rail == "sepa":
        yield content.replace(first.to.encode(), first.to[:-1].encode() + b"%d" % ((int(first.to[-1]) + 1) % 10), 1)
        yield content.replace(b">" + digits + b"<", b">" + digits + b"1<", 1)
        yield re.sub(rb"<NbOfTxs>[0-9]+<", b"<NbOfTxs>1<", content)
    elif rail == "ach":
        line = next(line for line in content.splitlines() if line.startswith(b"6"))
        yield content.replace(line, line[:29] + b"0000000001" + line[39:], 1)
        yield content.replace(line, line[:11] + b"9" + line[12:], 1)
    else:
        row = next(line for line in content.splitlines(keepends=True) if first.name.encode() in line)
        whole = str(first.amount).encode() if rail == "mpesa" else digits
        yield content + row
        yield content.replace(row, row.replace(whole, whole + b"x", 1), 1)


# Paying


@dataclass
class Bank:
    """What came, what left for which account, and which names were paid: a name that comes again is not paid again."""

    purse: Counter[str] = field(default_factory=Counter)
    arrived: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    paid: dict[str, Order] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    statements: int = 0

    def take_in(self, amount: Decimal, currency: str) -> None:
        """Money of owners, or of anybody."""
        self.purse[currency] += amount  # type: ignore[assignment]  # a counter of decimals

    def pay(self, orders: Sequence[Order], *, but: Sequence[Order] = (), fee: Decimal = Decimal()) -> list[Order]:
        """Pay what was ordered, and keep a fee for each; returns what was paid."""
        done = []
        for one in orders:
            if one.name in self.paid:
                self.twice.append(one.name)
            elif one not in but:
                self.paid[one.name] = one
                self.take_in(-one.amount - fee, one.currency)
                self.arrived[one.to, one.currency] += one.amount
                done.append(one)
        return done

    def send_back(self, one: Order) -> None:
        """It could not be credited after all."""
        self.take_in(one.amount, one.currency)
        self.arrived[one.to, one.currency] -= one.amount

    def statement(self, account: str, *lines: "Booked", on: date) -> bytes:
        """A camt.053 of these bookings; an account with letters in front is an IBAN."""
        self.statements += 1
        number = f"st{self.statements}"
        which = f"<IBAN>{account}</IBAN>" if account[:2].isalpha() else f"<Othr><Id>{account}</Id></Othr>"
        inside = "".join(_entry(line, f"{number}-{place}", on) for place, line in enumerate(lines))
        head = f"<Id>{number}</Id><CreDtTm>{on}T23:00:00</CreDtTm><Acct><Id>{which}</Id></Acct>"
        return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>{number}</MsgId><CreDtTm>{on}T23:00:00</CreDtTm></GrpHdr>
<Stmt>{head}{inside}</Stmt></BkToCstmrStmt></Document>""".encode()


@dataclass(frozen=True)
class Booked:
    """One line of a statement: orders in one sum, or one that came back with a code, or a sum without details.

    sum_only : its amount, above zero if it came in, and its currency.
    """

    orders: tuple[Order, ...] = ()
    back: str = ""
    sum_only: tuple[Decimal, str] | None = None

    @property
    def moved(self) -> tuple[Decimal, str]:
        """By how much the account moved."""
        if self.sum_only is not None:
            return self.sum_only
        total = sum((one.amount for one in self.orders), Decimal())
        return total if self.back else -total, self.orders[0].currency


def _entry(line: Booked, reference: str, on: date) -> str:
    total, currency = line.moved
    sign = "CRDT" if total > 0 else "DBIT"
    why = f"<RtrInf><Rsn><Cd>{line.back}</Cd></Rsn></RtrInf>" if line.back else ""
    details = "".join(
        f"<TxDtls><Refs><EndToEndId>{one.name}</EndToEndId></Refs>"
        f'<Amt Ccy="{one.currency}">{one.amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>{why}</TxDtls>'
        for one in line.orders
    )
    inside = f"<NtryDtls>{details}</NtryDtls>" if details else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{abs(total)}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{on}</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>{inside}</Ntry>"
    )


# Saying


def status_report(message_id: str, *, refused: Order, why: str) -> bytes:
    """A pain.002 that both packages' schemas accept: all was taken but for one order."""
    message = "pain.002.001.12"
    content = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}"><CstmrPmtStsRpt>
<GrpHdr><MsgId>bank1</MsgId><CreDtTm>2026-02-02T09:00:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId><OrgnlMsgNmId>{PAIN}</OrgnlMsgNmId>
<GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>{message_id}</OrgnlPmtInfId><PmtInfSts>PART</PmtInfSts>
<TxInfAndSts><OrgnlEndToEndId>{refused.name}</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>{why}</Cd></Rsn></StsRsnInf></TxInfAndSts>
</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>""".encode()
    assert all(judges.verdicts(content, message).values()), "this bank writes what it should"
    return content


def ach_return(one: Order, code: str) -> bytes:
    """A NACHA file with one return; achkit writes it."""
    return returned((order(end_to_end_id=one.name, amount=int(one.amount * 100)), 0, code, ""))


def mpesa_results(codes: Mapping[str, str]) -> bytes:
    """What each payment came to, by Daraja's codes."""
    rows = [f"{name},{code},words" for name, code in codes.items()]
    return "\r\n".join(["OriginatorConversationID,ResultCode,ResultDesc", *rows]).encode()


# What PayPal keeps for each payment that arrives, in dollars.
PAYPAL_FEE = Decimal("0.02")


def paypal_results(words: Mapping[str, str]) -> bytes:
    """What each payment came to, in PayPal's words."""
    rows = [f"{name}\t{word}\t{PAYPAL_FEE}\t" for name, word in words.items()]
    return "\r\n".join(["sender_item_id\ttransaction_status\tpayout_item_fee\terrors", *rows]).encode()
