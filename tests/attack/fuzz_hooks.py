"""What schemathesis may complain of: refusals that are right although the OpenAPI document does not foresee them.

`fuzzing.py` loads this into schemathesis, which asks about each failure and counts what is dropped. Nothing else is
excluded: all checks run on all operations.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData


@dataclass(frozen=True, slots=True)
class Accepted:
    """A refusal of what fits its schema: the problem's type, what its detail says, and why that is right."""

    problem: str
    detail: str
    reason: str


def _each(reason: str, problems: str) -> list[Accepted]:
    return [Accepted(problem, "", reason) for problem in problems.split()]


ACCEPTED = (
    Accepted(
        "malformed-json", "", "JSON Schema knows neither U+0000 nor depth nor 2^53; the description tells of them."
    ),
    Accepted("invalid", "Must be an integer", "To JSON Schema 4.0 is an integer; the house wants it written as one."),
    Accepted("invalid", "cannot be stored", "U+0000 in a query, as above."),
    Accepted("invalid", "needs something visible", "Which characters show is in Unicode's tables, not in a pattern."),
    Accepted("invalid", "name may not", "A name that looks like an id or a path could not be found again."),
    Accepted("invalid", "must differ|above overlap_max", "A rule between two fields."),
    Accepted("invalid", "^/params", "What Scale's surface wants in params is told in its description."),
    Accepted("invalid", "^/payload", "The shape of an answer belongs to its task."),
    Accepted("invalid", "Must be in the years", "The house's calendar goes from 1900 to 2999."),
    Accepted("invalid", "^/category: Must be one of", "Which labels there are belongs to the project."),
    Accepted("invalid", "^/(labels|form|gold_share)", "How many labels, and what of a form, belongs to a task's type."),
    Accepted("invalid", "^/(items|text)", "What a task must have belongs to its type."),
    Accepted("invalid", "^/value", "The shape of an answer belongs to its task."),
    Accepted("invalid", "Is there twice", "A rule between the lines of a list."),
    Accepted("address-malformed", "", "What can be written to is in the rules of mail, not in a pattern."),
    Accepted("file-unreadable", "", "A file has a format of its own, which no schema tells."),
    Accepted("moves-unreadable", "", "A file has a format of its own, which no schema tells."),
    Accepted("invalid", "^/required_exams", "Which exams there are belongs to the requester."),
    Accepted("bad-request", "Send the file as the body", "A file is never empty."),
    Accepted("week-invalid", "not every year", "A 53rd week is in some years alone."),
    Accepted("nothing-takes-its-place", "", "What has become of a currency is in the books."),
    Accepted("currency-retired", "", "What has become of a currency is in the books."),
    Accepted("account-code-invalid", "", "Which accounts there are is in the books."),
    Accepted("part-unknown", "", "How many parts a file has is in the books."),
    Accepted("export-gone", "", "Whether an export's bytes are kept is in the books."),
    *_each(
        "Rules between fields.",
        "fee-too-high floor-rule-invalid fx-rate-invalid hold-end-invalid kyc-record-invalid "
        "kyc-rule-invalid resolution-incomplete span-invalid tax-document-invalid tax-rule-invalid times-reversed",
    ),
    *_each(
        "Which days and moments may be named depends on today.",
        "cut-off-invalid date-too-far notice-invalid rates-date-invalid",
    ),
    *_each(
        "The formats and parameters of an export depend on its kind.",
        "export-format-unknown export-parameters-invalid export-span-invalid tax-year-invalid",
    ),
    *_each(
        "What a destination is made of depends on its kind, and where it may be on its rail.",
        "account-number-malformed account-type-unknown bank-code-malformed bank-country-malformed bic-malformed "
        "destination-malformed email-malformed iban-checksum-wrong iban-country-unknown iban-malformed ifsc-malformed "
        "paying-account-invalid rail-reaches-not routing-checksum-wrong routing-number-malformed upi-malformed "
        "wallet-not-mobile wallet-number-foreign wallet-number-malformed wallet-unknown",
    ),
    Accepted("cursor-refused", "", "A cursor is signed; no schema makes one."),
    Accepted("idempotency-key-reused", "", "A key is used once; schemathesis uses it for several bodies."),
    Accepted("currency-unknown", "", "Which currencies there are is in the books."),
    Accepted("amount-invalid", "", "How many decimals an amount has depends on its currency; nothing is no amount."),
    Accepted("owner-unknown", "", "Whose money it is must be somebody's."),
    Accepted("rates-mix-currencies", "", "A rule between the lines of a rate card."),
    Accepted("rates-repeat", "", "A rule between the lines of a rate card."),
    Accepted("insufficient-funds", "", "Money runs out."),
    Accepted("bad-request", "Name the project or the batch|categories of a task", "A task belongs to a project."),
    Accepted("batch-elsewhere", "", "A batch belongs to one project."),
    Accepted("task-in-work", "", "A task that somebody has begun stays."),
)


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext, failure: Failure, _case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """Whether a failure counts; what does not is written down with its reason."""
    why = reason(response.content) if isinstance(failure, RejectedPositiveData) else None
    if why is None:
        return True
    with Path(os.environ["ATTACK_ACCEPTED"]).open("a") as accepted:
        accepted.write(why + "\n")
    return False


def reason(body: bytes) -> str | None:
    """Why a refusal is right, if one of these says so."""
    problem = json.loads(body)
    name = problem["type"].removeprefix("/problems/")
    return next(
        (one.reason for one in ACCEPTED if one.problem == name and re.search(one.detail, problem["detail"])), None
    )
