"""Banks that are paid through: they read the files of runs as a bank does, keep a book of every order, and answer.

Nothing of the product's writers or readers is used here: a file is what its format says it is. An order is known by its
end-to-end id. What a bank decides about it, it decides once; when and how often it tells of that is chance.
"""

import hashlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.faults.house import House

HOUSE_IBAN = "DE89370400440532013000"
# Lines of one statement, at most.
_LINES_MAX = 1500
_PAUSE_SECONDS = 2.0
_READ_SECONDS = 180.0
_PAIN = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
PAID, REFUSED, RETURNED = "paid", "refused", "returned"
# Of so many in a hundred, what becomes of an order: it is paid, refused, or paid and sent back.
_FATES = {PAID: 86, REFUSED: 7, RETURNED: 7}
_READ_ALREADY = "read already"


class Cheated(Exception):
    """A file is not what a bank takes, or says something else than one before it."""


@dataclass(slots=True)
class Order:
    """What a bank was told to pay under one end-to-end id, in cents, and what it did.

    lines : what there is to tell of it, in the order in which it happened. told : those that the house acknowledged.
    back : how much of it was sent back.
    """

    name: str
    currency: str
    cents: int
    destination: str
    fate: str
    back: int = 0
    told: set[str] = field(default_factory=set)

    @property
    def lines(self) -> tuple[str, ...]:
        return (PAID, RETURNED) if self.fate == RETURNED else (self.fate,)


@dataclass(slots=True)
class Bank:
    """One bank and its book. `write` and `parse` are its formats. fee : what it keeps of some that it sends back."""

    house: House
    folder: Path
    rng: random.Random
    fee: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    """Files that the house has said it has read, by their SHA-256, and in which format."""
    reading: bool = False
    """Whether a file is being read now."""
    is_kind: bool = False
    """Whether all that is ordered from now on is paid."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: "count[int]" = field(default_factory=count)

    def take(self, content: bytes) -> int:
        """A run's file, whether it came before or not. Each order stands in the book once; returns how many it has."""
        found = list(self.parse(content))
        if len({name for name, *_ in found}) < len(found):
            raise Cheated("An end-to-end id stands in a file twice.")
        with self.lock:
            for name, currency, cents, destination in found:
                known = self.orders.get(name)
                if known is None:
                    self.orders[name] = self._ordered(name, currency, cents, destination)
                elif (known.currency, known.cents, known.destination) != (currency, cents, destination):
                    self.complaints.append(
                        f"{name}: {known.currency} {known.cents} to {known.destination},"
                        f" then {currency} {cents} to {destination}"
                    )
        return len(found)

    def _ordered(self, name: str, currency: str, cents: int, destination: str) -> Order:
        fate = PAID if self.is_kind else self.rng.choices(list(_FATES), weights=list(_FATES.values()))[0]
        kept = self.fee if self.rng.random() < 0.3 and cents > self.fee else 0
        return Order(name, currency, cents, destination, fate, cents - kept if fate == RETURNED else 0)

    def parse(self, content: bytes) -> Iterator[tuple[str, str, int, str]]:
        """Each order of a file: end-to-end id, currency, cents, where to."""
        raise NotImplementedError

    def write(self, lines: Sequence[tuple[Order, str]], name: str) -> tuple[bytes, str]:
        """A file that tells these, and the name of its format."""
        raise NotImplementedError

    # Answering

    def work(self, done: threading.Event) -> None:
        while not done.wait(self.rng.uniform(0.5, 2) * _PAUSE_SECONDS):
            self.answer(done)

    def answer(self, done: threading.Event) -> int:
        """One statement of some of what is to be told, in any order, with some of what was told before; how many."""
        with self.lock:
            orders = list(self.orders.values())
        news = [(one, line) for one in orders for line in one.lines if line not in one.told]
        old = [(one, line) for one in orders for line in one.told]
        chosen = self._chosen(news) + self.rng.sample(old, min(len(old), len(news) // 10))
        if not news:
            return 0
        self.rng.shuffle(chosen)
        content, format_ = self.write(chosen, f"st{next(self.numbers)}")
        if self.send(content, format_, done):
            told = set(self.accounted(chosen, format_))
            for one, line in chosen:
                if (one.name, line) in told:
                    one.told = {*one.told, line}
        return len(news)

    def _chosen(self, news: list[tuple[Order, str]]) -> list[tuple[Order, str]]:
        most = min(len(news), _LINES_MAX)
        return self.rng.sample(news, most if self.is_kind else self.rng.randint((most + 1) // 2, most))

    def accounted(self, lines: Sequence[tuple[Order, str]], _format: str) -> list[tuple[str, str]]:
        """Which of these a file of that format has told."""
        return [(one.name, line) for one, line in lines]

    def send(self, content: bytes, format_: str, done: threading.Event) -> bool:
        """Have the house read a file, again and again until it has; sometimes twice at once. Whether it has."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{next(self.numbers)}.{format_}"
        path.write_bytes(content)
        deadline = time.monotonic() + _READ_SECONDS
        n_fresh = 0
        while time.monotonic() < deadline:
            self.reading = True
            try:
                n_at_once = 2 if self.rng.random() < 0.1 else 1
                words = ("statements", "read", str(path), "--format", format_)
                tried = [self.house.attempt(*words) for _ in range(n_at_once)]
                ended = [one.ended() for one in tried]
            finally:
                self.reading = False
            n_fresh += sum(code == 0 for code, _ in ended)
            if n_fresh > 1:
                self.complaints.append(f"{path.name} was read twice")
            if n_fresh or any(_READ_ALREADY in said for _, said in ended):
                self.files.append((sha256(content), format_))
                return True
            if done.wait(0.5):
                # Nobody is there any more who would stop it; it may have counted, or not.
                deadline = min(deadline, time.monotonic() + 30)
        self.complaints.append(f"{path.name} was not read: {ended[0]}")
        return False


class Clearing(Bank):
    """A bank of SEPA: pain.001 comes in; camt.053, camt.054 and pain.002 go out."""

    def parse(self, content: bytes) -> Iterator[tuple[str, str, int, str]]:
        root = ET.fromstring(content)  # noqa: S314 - our own house wrote it
        payments = root.findall(f".//{_PAIN}CdtTrfTxInf")
        cents = [_cents(_said(one, "Amt/InstdAmt")) for one in payments]
        for place in ("GrpHdr", "PmtInf"):
            head = root.find(f".//{_PAIN}{place}")
            assert head is not None
            if (int(_said(head, "NbOfTxs")), _cents(_said(head, "CtrlSum"))) != (len(payments), sum(cents)):
                raise Cheated(f"The sums of {place} are not those of its payments.")
        for one, amount in zip(payments, cents, strict=True):
            currency = one.find(_path("Amt/InstdAmt"))
            assert currency is not None
            yield _said(one, "PmtId/EndToEndId"), currency.get("Ccy", ""), amount, _said(one, "CdtrAcct/Id/IBAN")

    def write(self, lines: Sequence[tuple[Order, str]], name: str) -> tuple[bytes, str]:
        refused = [one for one, line in lines if line == REFUSED]
        if refused and self.rng.random() < 0.5:
            return _pain002(refused, name), "pain.002"
        moved = [(one, line) for one, line in lines if line != REFUSED]
        return (
            (_camt(moved, name, self.rng.choice((53, 54))), "camt") if moved else (_pain002(refused, name), "pain.002")
        )

    def accounted(self, lines: Sequence[tuple[Order, str]], format_: str) -> list[tuple[str, str]]:
        return [(one.name, line) for one, line in lines if (line == REFUSED) == (format_ == "pain.002")]


class Provider(Bank):
    """PayPal: its mass payment file comes in; the items of its batches go out, as its interface shows them."""

    def parse(self, content: bytes) -> Iterator[tuple[str, str, int, str]]:
        for line in content.decode().removesuffix("\r\n").split("\r\n"):
            to, amount, currency, name, _ = line.split("\t")
            yield name, currency, _cents(amount), to

    def write(self, lines: Sequence[tuple[Order, str]], name: str) -> tuple[bytes, str]:
        words = {PAID: "SUCCESS", REFUSED: "FAILED", RETURNED: "RETURNED"}
        rows = ["sender_item_id\ttransaction_status\tpayout_item_fee\terrors\ttransaction_id"]
        rows += [f"{one.name}\t{words[line]}\t0.00\t\t{name}" for one, line in lines]
        return "".join(f"{row}\r\n" for row in rows).encode(), "paypal"


def _cents(written: str) -> int:
    cents = Decimal(written) * 100
    if cents != int(cents) or cents <= 0:
        raise Cheated(f"{written} is no amount in cents.")
    return int(cents)


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _path(names: str) -> str:
    return "/".join(f"{_PAIN}{name}" for name in names.split("/"))


def _said(element: ET.Element, names: str) -> str:
    found = element.findtext(_path(names))
    if not found:
        raise Cheated(f"A payment has no {names}.")
    return found


def _camt(lines: Sequence[tuple[Order, str]], name: str, kind: int) -> bytes:
    """A statement (53) or a notification (54). The reference of a movement is the same in whichever file it comes."""
    outer, inner = {53: ("BkToCstmrStmt", "Stmt"), 54: ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}[kind]
    entries = "".join(_entry(one, line) for one, line in lines)
    account = f"<Acct><Id><IBAN>{HOUSE_IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.0{kind}.001.08"><{outer}>
<GrpHdr><MsgId>{name}</MsgId><CreDtTm>2026-02-03T01:00:00</CreDtTm></GrpHdr>
<{inner}><Id>{name}</Id><CreDtTm>2026-02-03T01:00:00</CreDtTm>{account}{entries}</{inner}></{outer}></Document>""".encode()


def _entry(order: Order, line: str) -> str:
    sign, cents = ("CRDT", order.back) if line == RETURNED else ("DBIT", order.cents)
    back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>" if line == RETURNED else ""
    money = f'<Amt Ccy="{order.currency}">{_euros(cents)}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
    details = f"<TxDtls><Refs><EndToEndId>{order.name}</EndToEndId></Refs>{money}{back}</TxDtls>"
    return (
        f"<Ntry>{money}<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-02-02</Dt></BookgDt>"
        f"<AcctSvcrRef>{line[0]}-{order.name}</AcctSvcrRef><BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>"
        f"<NtryDtls>{details}</NtryDtls></Ntry>"
    )


def _pain002(refused: Sequence[Order], name: str) -> bytes:
    reason = "<StsRsnInf><Rsn><Cd>AC01</Cd></Rsn></StsRsnInf>"
    orders = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{one.name}</OrgnlEndToEndId><TxSts>RJCT</TxSts>{reason}</TxInfAndSts>"
        for one in refused
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>
<GrpHdr><MsgId>{name}</MsgId><CreDtTm>2026-02-02T09:00:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>many</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>many</OrgnlPmtInfId><PmtInfSts>PART</PmtInfSts>{orders}</OrgnlPmtInfAndSts>
</CstmrPmtStsRpt></Document>""".encode()


def sha256(content: bytes) -> str:
    """As headers and tables show it."""
    return hashlib.sha256(content).hexdigest()
