"""Files of tasks: announced, sent in parts, read in the background."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call, Upload
from workforce import imports, schemas
from workforce.api.edge import routes
from workforce.models import Import, ImportFault, ImportPart


@routes.post(
    "/imports",
    allow=allow("requester"),
    quota=imports.QUOTA,
    body=schemas.NewImport,
    returns=schemas.Import,
    status=201,
)
def announce_import(call: Call) -> Import:
    """Announce a file of tasks for one of your batches. Then send its parts, and begin it."""
    asked = {"batch": call.body["batch"], "format_": call.body["format"]}
    return imports.announce(call.db, call.actor.subject_id, **asked)


@routes.post(
    "/import-parts",
    allow=allow("requester"),
    quota=imports.PARTS_QUOTA,
    upload=Upload(imports.PART_BYTES_MAX),
    query=schemas.PartQuery,
    returns=schemas.ImportPart,
    status=201,
)
def send_part(call: Call) -> ImportPart:
    """Send a part of a file, as it is; parts are joined by their numbers. The same bytes may be sent again."""
    assert call.file is not None, "a route that takes a file is given one"
    requester = call.actor.subject_id
    return imports.add_part(call.db, requester, **call.query, file=call.file, sent_by=requester)


@routes.post("/imports/<import_id>/begin", allow=allow("requester"), body=schemas.BeginImport, returns=schemas.Import)
def begin_import(call: Call, import_id: str) -> Import:
    """Have a file read whose parts are all sent, or go on with one that has stopped."""
    return imports.begin(call.db, call.actor.subject_id, import_id, n_parts=call.body["parts"])


@routes.post("/imports/<import_id>/cancel", allow=allow("requester"), returns=schemas.Import)
def cancel_import(call: Call, import_id: str) -> Import:
    """Read no more of a file. Tasks that were made of it stay."""
    return imports.cancel(call.db, call.actor.subject_id, import_id)


@routes.get("/imports", allow=allow("requester"), returns=schemas.Import, paged=True)
def list_imports(call: Call) -> pagination.Page:
    """Your imports, newest first."""
    return pagination.read(call.db, imports.listed(call.actor.subject_id), Import.id, call.page)


@routes.get("/imports/<import_id>", allow=allow("requester"), returns=schemas.Import)
def get_import(call: Call, import_id: str) -> Import:
    """How far one of your imports is."""
    return imports.find(call.db, call.actor.subject_id, import_id)


@routes.get("/imports/<import_id>/parts", allow=allow("requester"), returns=schemas.ImportPart, paged=True)
def list_parts(call: Call, import_id: str) -> pagination.Page:
    """What was sent of a file, by number: whoever was cut off sends the rest."""
    rows = imports.parts(call.db, call.actor.subject_id, import_id)
    return pagination.read(call.db, rows, ImportPart.number, call.page, newest_first=False)


@routes.get("/imports/<import_id>/faults", allow=allow("requester"), returns=schemas.ImportFault, paged=True)
def list_faults(call: Call, import_id: str) -> pagination.Page:
    """The lines that became no task, the first ten thousand, and why."""
    rows = imports.faults(call.db, call.actor.subject_id, import_id)
    return pagination.read(call.db, rows, ImportFault.line, call.page, newest_first=False)
