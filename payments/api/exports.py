"""What is taken out of the house: exports, what others call our accounts, ageing, and people's own statements."""

from flask import Response

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from payments import account_codes, ageing, export_making, exports, payee_statements, payees, schemas
from payments.ageing import Report
from payments.api.edge import READ, handed_over, routes
from payments.export_kinds import people
from payments.export_kinds.kind import CONTENT_TYPES
from payments.models import AccountCode, Export, ExportDownload

_ASKED = Limit("exports", 500, DAY)
_OWN = Limit("own-files", 200, DAY)


@routes.post("/exports", allow=READ, quota=_ASKED, body=schemas.NewExport, returns=schemas.Export, status=201)
def ask_for_export(call: Call) -> Export:
    """Have a file made of what is in the books now. It is ready in moments; its bytes are kept for thirty days."""
    asked = {"kind": call.body["kind"], "format_": call.body["format"], "parameters": call.body["parameters"]}
    return exports.ask(call.db, **asked, made_by=call.actor.subject_id)


@routes.get("/exports", allow=READ, query=schemas.ExportQuery, returns=schemas.Export, paged=True)
def list_exports(call: Call) -> pagination.Page:
    """All exports with their manifests, newest first; `kind` and `state` narrow the list."""
    return pagination.read(call.db, exports.listed(**call.query), Export.id, call.page)


@routes.get("/exports/<export_id>", allow=READ, returns=schemas.Export)
def show_export(call: Call, export_id: str) -> Export:
    """One export: how far it is, then its manifest with rows, sums by currency and SHA-256."""
    return exports.find(call.db, export_id)


@routes.get("/exports/<export_id>/file", allow=READ, file_types=tuple(CONTENT_TYPES.values()))
def export_file(call: Call, export_id: str) -> Response:
    """The bytes of a finished export, the same whenever they are asked for. Who takes them is kept."""
    return handed_over(exports.take(call.db, export_id, taken_by=call.actor.subject_id))


@routes.get("/exports/<export_id>/downloads", allow=READ, returns=schemas.ExportDownload, paged=True)
def list_downloads(call: Call, export_id: str) -> pagination.Page:
    """Who has taken an export's bytes, newest first."""
    return pagination.read(call.db, exports.downloads(call.db, export_id), ExportDownload.id, call.page)


@routes.put("/account-codes", allow=allow("finance"), body=schemas.AccountCodes, returns=schemas.AccountCodesSet)
def set_account_codes(call: Call) -> dict[str, int]:
    """Say what your bookkeeping calls our accounts: a code for a role, or for one account. Replaces all there were."""
    codes = account_codes.distinct(call.body["items"])
    account_codes.replace(call.db, codes, set_by=call.actor.subject_id)
    return {"codes": len(codes)}


@routes.get("/account-codes", allow=READ, returns=schemas.AccountCode, paged=True)
def list_account_codes(call: Call) -> pagination.Page:
    """What your bookkeeping calls our accounts, by account."""
    return pagination.read(call.db, account_codes.listed(), AccountCode.account, call.page, newest_first=False)


@routes.get("/ageing", allow=READ, returns=schemas.Ageing)
def show_ageing(call: Call) -> Report:
    """How old everything is that has not cleared, by what it waits for; and that it ties to the books."""
    return ageing.report(call.db)


@routes.get("/me/statements/<month>", allow=allow("work"), returns=schemas.StatementLine, paged=True)
def my_statement_of_month(call: Call, month: str) -> pagination.Page:
    """Your month: what was owed to you before, everything that moved it, and what is owed to you after."""
    payee = payees.of_owner(call.db, call.actor.subject_id)
    return payee_statements.page(call.db, payee.id, month, call.page)


@routes.get("/me/statements/<month>.csv", allow=allow("work"), quota=_OWN, file_types=("text/csv",))
def my_statement_file(call: Call, month: str) -> Response:
    """The same as CSV, whole; the header fields carry the row count and SHA-256."""
    payee = payees.of_owner(call.db, call.actor.subject_id)
    given = {"payee_id": payee.id, "month": month}
    made = export_making.make_now(
        call.db, kind="payee-statement", format_="csv", parameters=given, made_by=call.actor.subject_id
    )
    return handed_over(made, name=f"statement-{month}.csv")


@routes.get("/me/invoices/<invoice_id>.csv", allow=allow("funds"), quota=_OWN, file_types=("text/csv",))
def my_invoice_file(call: Call, invoice_id: str) -> Response:
    """One of your invoices as CSV; its amounts add up to its total."""
    drawing = people.invoice(call.db, invoice_id, owner_ref=call.actor.subject_id)
    made = export_making.make_now(
        call.db, drawing, kind="invoice", format_="csv", parameters={"invoice_id": invoice_id},
        made_by=call.actor.subject_id,
    )  # fmt: skip
    return handed_over(made)
