"""A matcher that an operator runs, asked over HTTP: the `/match` of yente and OpenSanctions, whose data are not here.

What goes out is a payee's id, name and country, to an address that the operator has set. Whatever goes wrong, be it
a matcher that is away, slow or answers nonsense, is a review: nobody is cleared by a failure.
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

import httpx
import structlog
from sqlalchemy.orm import Session

from payments.models import Outcome
from payments.screeners import UNASKED, Snapshot, Verdict

# For each answer, and the longest silence in it: the database ends a transaction that is silent for ten.
_SECONDS, _SILENCE_SECONDS = 6.0, 3.0
_BYTES_MAX = 5_000_000
_FINDINGS_MAX = 20
_TEXT_MAX = 200

log = structlog.get_logger()


class Matcher:
    """A matcher at `url`, such as http://127.0.0.1:8000/match/default, with its catalogue beside it."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self._url = url

    def version(self, _db: Session) -> str | None:
        """The version of the dataset that its catalogue names; `unknown` where it does not say."""
        dataset = self._url.rstrip("/").rpartition("/")[2]
        try:
            catalog = _ask("GET", urljoin(self._url, "../catalog"))
            found = [each["version"] for each in catalog["datasets"] if each["name"] == dataset]
        except _WRONG as error:
            log.warning("the matcher's catalogue cannot be read", error=type(error).__name__)
            found = []
        return f"match:{_plain(found[0])}" if found else "match:unknown"

    def screen(self, _db: Session, people: Sequence[Snapshot]) -> list[Verdict]:
        """What it says of each; one whom it says nothing of, or nothing that can be understood, is a review."""
        queries = {
            one.payee_id: {
                "schema": "Person",
                "properties": {"name": [one.name], "country": [one.country.lower()]},
            }
            for one in people
        }
        try:
            answers = _ask("POST", self._url, {"queries": queries})["responses"]
            return [_verdict(answers.get(one.payee_id)) for one in people]
        except _WRONG as error:
            log.warning("the matcher failed", error=type(error).__name__, payees=len(people))
            return [_failed() for _ in people]


# The network, and whatever is not as it should be in what was said.
_WRONG = (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _ask(method: str, url: str, body: Any = None) -> Any:
    """What is at an address, as JSON; nowhere else, however it is redirected, and no longer than it may take."""
    end, raw = time.monotonic() + _SECONDS, b""
    client = httpx.Client(timeout=_SILENCE_SECONDS, follow_redirects=False, trust_env=False)
    with client, client.stream(method, url, json=body) as response:
        if response.status_code != httpx.codes.OK:
            raise ValueError("no answer")
        for piece in response.iter_bytes():
            raw += piece
            if len(raw) > _BYTES_MAX or time.monotonic() > end:
                raise ValueError("too much")
    return json.loads(raw)


def _failed() -> Verdict:
    """A review of its own each time: whoever decides one has not decided the next."""
    return Verdict(Outcome.REVIEW, 0, [{"kind": UNASKED, "attempt": secrets.token_hex(8)}])


def _verdict(answer: Any) -> Verdict:
    try:
        if answer["status"] != 200:
            return _failed()
        matches = [_finding(each) for each in answer["results"] if each["match"] is True]
        scores = [_score(each) for each in answer["results"] if each["match"] is True]
    except (KeyError, TypeError, ValueError, AttributeError):
        return _failed()
    return Verdict(Outcome.REVIEW, max(scores), matches[:_FINDINGS_MAX]) if matches else Verdict()


def _score(result: Mapping[str, Any]) -> int:
    return round(100 * min(max(float(result["score"]), 0.0), 1.0))


def _finding(result: Mapping[str, Any]) -> dict[str, str | int]:
    return {"kind": "matcher", "id": _plain(result["id"]), "name": _plain(result.get("caption", ""))}


def _plain(said: object) -> str:
    """What was said as text that can be stored, and not too much of it."""
    return str(said)[:_TEXT_MAX].replace("\0", "").encode(errors="replace").decode()
