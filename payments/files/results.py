"""What providers' result files say of payouts: their words, and what they mean for us."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from payments.files.reading import Unreadable
from payments.files.rows import read_rows


class Outcome(StrEnum):
    """What a provider's word means for a payout (PAYMENTS, section 10). Exported: no news of the money."""

    EXPORTED = "exported"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Results:
    """The columns of a result file, and what its words mean. Words are compared without case.

    fee_currency : a column that some files have beside the fee. others : a pattern of words that are not listed but
    known to mean one thing, such as error codes, and what.
    """

    id: str
    word: str
    reason: str
    words: Mapping[str, Outcome]
    fee: str | None = None
    fee_currency: str | None = None
    others: tuple[str, Outcome] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a provider says of one payout. end_to_end_id : empty where a row has none.

    fee : a decimal string with the provider's sign; fee_currency : a code, if the row has one. word : as the provider
    wrote it; all that is known where the outcome is unknown.
    """

    end_to_end_id: str
    outcome: Outcome
    fee: str | None
    reason: str
    word: str
    fee_currency: str | None = None


def read(told: Results, file: IO[bytes], delimiter: str) -> Iterator[Result]:
    """What a provider's result file says of each payout, as it comes. A word that is not known stays unknown.

    Raises `Unreadable` where the file is no such file: act on what came when it has ended.
    """
    rows = read_rows(file, delimiter)
    line, header = next(rows, (None, []))
    names = [name.strip().lower() for name in header]
    wanted = [name for name in (told.id, told.word, told.reason, told.fee) if name]
    for name in wanted:
        if names.count(name.lower()) != 1:
            raise Unreadable(f"one column {name} is needed", line)
    in_currency = told.fee_currency.lower() if told.fee_currency else None
    if in_currency and names.count(in_currency) > 1:
        raise Unreadable(f"one column {told.fee_currency} is enough", line)
    for line, row in rows:
        if len(row) != len(names):
            raise Unreadable(f"the header has {len(names)} columns and this row {len(row)}", line)
        found = dict(zip(names, (cell.strip() for cell in row), strict=True))
        word = found[told.word.lower()]
        fee = _fee(found[told.fee.lower()], line) if told.fee else None
        currency = _currency(found[in_currency], line) if in_currency and in_currency in found else None
        yield Result(found[told.id.lower()], _outcome(told, word), fee, found[told.reason.lower()], word, currency)


def _outcome(told: Results, word: str) -> Outcome:
    if word.upper() in told.words:
        return told.words[word.upper()]
    if told.others and re.fullmatch(told.others[0], word):
        return told.others[1]
    return Outcome.UNKNOWN


def _fee(text: str, line: int | None) -> str | None:
    if not text:
        return None
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", text):
        raise Unreadable("the fee is no amount", line)
    return text


def _currency(text: str, line: int | None) -> str | None:
    if not text:
        return None
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise Unreadable("the fee's currency is none", line)
    return text
