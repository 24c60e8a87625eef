"""The house's own list of whom to look at twice: names, countries and accounts that an operator imports from a CSV.

What it is not: a sanctions programme. Names are compared as sets of words without accents, case and punctuation, so
that `Petrov, Ivan` is `Iván Petrov` and is in `Ivan Sergeyevich Petrov`, and nothing else is alike: no other spelling
(`Pyotr`, `Mohamad`), no other script, no nickname, no typing error, no date of birth. A person looks at what it finds.
"""

import codecs
import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Invalid
from payments.models import Outcome, WatchList, WatchListRow
from payments.screeners import Snapshot, Verdict

_COLUMNS = ["name", "country", "account"]
_BYTES_MAX, _ROWS_MAX, _NAME_MAX = 50_000_000, 500_000, 500
_COUNTRY, _ACCOUNT = re.compile(r"[A-Z]{2}"), re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 1000
# So much of what matches is told of one payee.
_FINDINGS_MAX = 20


class WatchListInvalid(Invalid):
    """This is no list to screen against."""


# Names as they are compared


def tokens(name: str) -> list[str]:
    """The words of a name, sorted, each once, without marks (NFKD), case or punctuation: `Élise Arc` is arc elise."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    kept = "".join(each if each.isalnum() else " " for each in plain if not unicodedata.combining(each))
    return sorted(set(kept.split()))


# The list


def take(db: Session, file: IO[bytes], *, imported_by: str) -> WatchList:
    """A new list in place of the one there was, from a CSV with name, country and account; all of it or nothing.

    file : seekable. A row means whoever has all that it gives. account : a fingerprint as screenings show it, in
    hexadecimal. The list counts from the next round on (`screening.begin_round`).
    """
    list_id, digest = ids.new("wls"), hashlib.sha256()
    # Read twice, so that a list says how many rows it has before they are there, and no more than some are held.
    n_rows = sum(1 for _ in _rows(_lines(file, digest), list_id))
    made = WatchList(id=list_id, n_rows=n_rows, sha256=digest.digest(), imported_by=imported_by)
    db.add(made)
    db.flush()
    file.seek(0)
    rows = _rows(_lines(file, hashlib.sha256()), list_id)
    while some := list(islice(rows, _AT_ONCE)):
        db.execute(insert(WatchListRow), some)
    db.refresh(made)
    return made


def _lines(file: IO[bytes], digest: Any) -> Iterator[str]:
    """The lines of a file that is not too large, decoded as they are read."""
    decode, size = codecs.getincrementaldecoder("utf-8-sig")(), 0
    for line in iter(lambda: file.readline(_BYTES_MAX + 1), b""):
        size += len(line)
        if size > _BYTES_MAX:
            raise WatchListInvalid(f"The file is larger than {_BYTES_MAX:,} bytes.")
        digest.update(line)
        try:
            yield decode.decode(line)
        except UnicodeDecodeError as error:
            raise WatchListInvalid("The file is not UTF-8.") from error


def _rows(lines: Iterable[str], list_id: str) -> Iterator[dict[str, object]]:
    found = csv.reader(lines, strict=True)
    try:
        if (heading := next(found, [])) != _COLUMNS:
            raise WatchListInvalid(f"The first line must be {','.join(_COLUMNS)}, not {','.join(heading)[:200]}.")
        for number, row in enumerate(filter(None, found), 1):
            if number > _ROWS_MAX:
                raise WatchListInvalid(f"There are more than {_ROWS_MAX:,} rows.")
            yield {"list_id": list_id, "number": number, **_cells(row, found.line_num)}
    except csv.Error as error:
        raise WatchListInvalid(f"Line {found.line_num} is no CSV: {error}.") from error


def _cells(row: list[str], line: int) -> dict[str, object]:
    if len(row) != len(_COLUMNS):
        raise WatchListInvalid(f"Line {line} has {len(row)} cells instead of {len(_COLUMNS)}.")
    name, country, account = (cell.strip() or None for cell in row)
    words = tokens(name or "")
    if name is not None and (len(name) > _NAME_MAX or not words or "\0" in name):
        raise WatchListInvalid(f"Line {line}: name: must be 1 to {_NAME_MAX} characters with a letter or digit.")
    if country is not None and not _COUNTRY.fullmatch(country):
        raise WatchListInvalid(f"Line {line}: country: must be a country code such as KE.")
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise WatchListInvalid(f"Line {line}: account: must be 64 hexadecimal digits, as screenings show them.")
    if (name, country, account) == (None, None, None):
        raise WatchListInvalid(f"Line {line} means nobody.")
    fingerprint = None if account is None else bytes.fromhex(account)
    return {"name": name, "tokens": words, "country": country, "account_fingerprint": fingerprint}


# Holding payees against it


# Names by the words they share, of which one has to have all of the other's, at least two; then what has no name.
_MATCHES = text("""
    WITH given AS (
        SELECT payee_id, string_to_array(words, ' ') AS tokens, country, account
          FROM unnest(CAST(:payees AS text[]), CAST(:words AS text[]), CAST(:countries AS text[]),
                      CAST(:accounts AS bytea[])) AS g(payee_id, words, country, account)
    ), found AS (
        SELECT g.payee_id, r.number, r.name, r.country, r.account_fingerprint,
               100 * least(cardinality(r.tokens), cardinality(g.tokens))
                   / greatest(cardinality(r.tokens), cardinality(g.tokens)) AS score
          FROM given g JOIN watch_list_rows r ON r.list_id = :list_id AND r.tokens && g.tokens
         WHERE (r.tokens <@ g.tokens OR r.tokens @> g.tokens)
           AND (least(cardinality(r.tokens), cardinality(g.tokens)) > 1 OR r.tokens = g.tokens)
           AND (r.country IS NULL OR r.country = g.country)
           AND (r.account_fingerprint IS NULL OR r.account_fingerprint = g.account)
         UNION ALL
        SELECT g.payee_id, r.number, r.name, r.country, r.account_fingerprint, 100
          FROM given g JOIN watch_list_rows r ON r.list_id = :list_id AND r.account_fingerprint = g.account
         WHERE r.name IS NULL AND (r.country IS NULL OR r.country = g.country)
         UNION ALL
        SELECT g.payee_id, r.number, r.name, r.country, r.account_fingerprint, 100
          FROM given g JOIN watch_list_rows r ON r.list_id = :list_id AND r.country = g.country
         WHERE r.name IS NULL AND r.account_fingerprint IS NULL
    )
    SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY payee_id ORDER BY score DESC, number) AS place
                     FROM found) placed
     WHERE place <= :most ORDER BY payee_id, place
""")


class OwnList:
    """The last list that was imported. A match is a review, whatever its score."""

    is_remote = False

    def version(self, db: Session) -> str | None:
        """The list's id."""
        return db.scalar(select(WatchList.id).order_by(WatchList.id.desc()).limit(1))

    def screen(self, db: Session, people: Sequence[Snapshot]) -> list[Verdict]:
        """Whom the list means, by name, account or country. score : shared words to all words of the longer name."""
        given = {
            "payees": [one.payee_id for one in people],
            "words": [" ".join(tokens(one.name)) for one in people],
            "countries": [one.country for one in people],
            "accounts": [one.account for one in people],
            "list_id": self.version(db),
            "most": _FINDINGS_MAX,
        }
        scores: dict[str, int] = {}
        findings: dict[str, list[dict[str, str | int]]] = {}
        for row in db.execute(_MATCHES, given):
            scores[row.payee_id] = max(scores.get(row.payee_id, 0), row.score)
            account = "" if row.account_fingerprint is None else row.account_fingerprint.hex()
            told = {"kind": "list", "name": row.name or "", "country": row.country or "", "account": account}
            findings.setdefault(row.payee_id, []).append(told)
        return [
            Verdict(Outcome.REVIEW, scores[one.payee_id], findings[one.payee_id])
            if one.payee_id in scores
            else Verdict()
            for one in people
        ]
