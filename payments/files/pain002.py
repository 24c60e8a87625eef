"""What a bank says of orders it was sent, ISO 20022 pain.002: accepted, refused, or nothing yet. It is never money."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, BinaryIO

from payments.files import reading
from payments.files.reading import Unreadable

# The parts that are read here are the same in all of them.
_MESSAGES = re.compile(r"pain\.002\.001\.(?:0[3-9]|1[0-5])")
_GROUP = "CstmrPmtStsRpt/OrgnlGrpInfAndSts"
_PAYMENT = "CstmrPmtStsRpt/OrgnlPmtInfAndSts"
_ORDER = f"{_PAYMENT}/TxInfAndSts"
# Of what the bank adds in words.
TEXT_MAX = 1_000


class Level(StrEnum):
    """What a status is about: all of a message, one of its payment blocks, or one order."""

    GROUP = "group"
    PAYMENT = "payment"
    ORDER = "order"


class Meaning(StrEnum):
    """What a code says about the money."""

    NO_NEWS = "no_news"
    FAILED = "failed"
    LOOK_BELOW = "look_below"
    UNKNOWN = "unknown"


# ACSC, accepted for settlement, is among them: only a booked entry of the account says that money has moved.
_NO_NEWS = frozenset({"RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "ACSC"})
_FAILED = frozenset({"RJCT", "CANC"})


@dataclass(frozen=True, slots=True)
class Status:
    """One status. message_id, payment_id, end_to_end_id : ours, of what it is about; those of other levels are None.

    code : as the bank wrote it; None if it gave none anywhere. inherited : the code and reason of an order that has
    none of its own are those of its payment block, else of the group. reason : a code such as AC04, or the bank's own.
    """

    level: Level
    message_id: str
    payment_id: str | None
    end_to_end_id: str | None
    code: str | None
    reason: str | None
    text: str | None
    inherited: bool

    @property
    def meaning(self) -> Meaning:
        """Codes that are not known stay unknown; so does an order that is said to be partly accepted."""
        if self.code in _NO_NEWS:
            return Meaning.NO_NEWS
        if self.code in _FAILED:
            return Meaning.FAILED
        if self.code == "PART" and self.level != Level.ORDER:
            return Meaning.LOOK_BELOW
        return Meaning.UNKNOWN


def read(file: BinaryIO) -> Iterator[Status]:
    """The statuses in the order of the file, each level before what it contains; `Unreadable` if it is none.

    A status of a group or payment block holds for all orders within, those that the file does not name as well, except
    for orders that have a status of their own here. A fault may show at the end only: what was yielded counts once
    the iterator has ended.
    """
    report = _Report()
    for event, path, element in reading.walk(file, _MESSAGES, (_GROUP, _PAYMENT, _ORDER)):
        status = report.hear(event, path, element)
        if status is not None and (status.code is not None or status.level == Level.ORDER):
            yield status
    if report.group is None:
        raise Unreadable("Does not say which message it is about.", None)


@dataclass(slots=True)
class _Report:
    """What an order may inherit from: the group, and the payment block that is being read."""

    group: Status | None = None
    block: Status | None = None

    def hear(self, event: str, path: str, element: Any) -> Status | None:
        """The status that an element completes, if any."""
        if path == _GROUP:
            return self._end_group(element) if event == "end" else None
        if self.group is None:
            raise Unreadable("Does not say first which message it is about.", reading.line_of(element))
        if event == "start":
            # The head of a payment block is whole where its first order begins.
            return self._begin_block(reading.before(element), self.group) if self._is_first(path) else None
        if path == _ORDER:
            return _order(element, self.group, self.block)
        return self._end_block(element, self.group)

    def _is_first(self, path: str) -> bool:
        return path == _ORDER and self.block is None

    def _end_group(self, element: Any) -> Status:
        if self.group is not None:
            raise Unreadable("Is about two messages.", reading.line_of(element))
        message_id = reading.required(element, "OrgnlMsgId")
        self.group = _status(Level.GROUP, element, "GrpSts", message_id=message_id)
        return self.group

    def _begin_block(self, head: Any, group: Status) -> Status:
        payment_id = reading.required(head, "OrgnlPmtInfId")
        self.block = _status(Level.PAYMENT, head, "PmtInfSts", message_id=group.message_id, payment_id=payment_id)
        return self.block

    def _end_block(self, element: Any, group: Status) -> Status | None:
        begun, status = self.block, None
        if begun is None:
            status = self._begin_block(element, group)
        elif reading.value(element, "PmtInfSts") is not None:
            # Too late: orders have inherited already.
            raise Unreadable("PmtInfSts comes after the orders that it is about.", reading.line_of(element))
        self.block = None
        return status


def _order(element: Any, group: Status, block: Status | None) -> Status:
    assert block is not None, "a block begins before its first order"
    end_to_end_id = reading.value(element, "OrgnlEndToEndId")
    status = _status(
        Level.ORDER,
        element,
        "TxSts",
        message_id=group.message_id,
        payment_id=block.payment_id,
        end_to_end_id=end_to_end_id,
    )
    above = block if block.code is not None else group
    if status.code is not None or above.code is None:
        return status
    reason, text = status.reason or above.reason, status.text or above.text
    return replace(status, code=above.code, reason=reason, text=text, inherited=True)


def _status(
    level: Level,
    element: Any,
    code: str,
    *,
    message_id: str,
    payment_id: str | None = None,
    end_to_end_id: str | None = None,
) -> Status:
    words = " ".join(reading.values(element, "StsRsnInf/AddtlInf", longest=TEXT_MAX))
    return Status(
        level=level,
        message_id=message_id,
        payment_id=payment_id,
        end_to_end_id=end_to_end_id,
        code=reading.value(element, code),
        reason=_first_reason(element),
        text=words[:TEXT_MAX] or None,
        inherited=False,
    )


def _first_reason(element: Any) -> str | None:
    """Of several the first: a bank puts the one that decided there."""
    for kind in ("Cd", "Prtry"):
        for reason in reading.values(element, f"StsRsnInf/Rsn/{kind}", longest=35):
            return reason
    return None
