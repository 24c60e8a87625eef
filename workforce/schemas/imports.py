"""What a task is made of, and what the routes of files of tasks take and give."""

import marshmallow as ma

from foundation.fields import Amount, Choice, Identifier, Integer, JsonObject, QueryInteger, Schema, Text, Timestamp
from workforce.models import ImportFormat, ImportState

PARTS_MAX = 512


class TaskFields(Schema):
    """One task, as it is sent by itself or stands in a file."""

    unique_id = Text(shortest=1, longest=200)
    instruction = Text(longest=10_000)
    callback_url = Text(load_default="", longest=2000)
    metadata = JsonObject(load_default=dict)
    # Our own: what a wrong label of this task costs, where it is not what its project says.
    error_cost = Amount()
    attachment = Text(longest=10_000)
    attachments = ma.fields.List(JsonObject(), validate=ma.validate.Length(max=50))
    # What is to be compared or put in order, and what entities are to be found in: some types need one of these.
    items = ma.fields.List(Text(longest=10_000), validate=ma.validate.Length(max=50))
    text = Text(longest=50_000)


class NewImport(Schema):
    batch = Text(required=True, longest=200, metadata={"description": "The batch of all its tasks, by name or id."})
    format = Choice(ImportFormat, required=True)


class PartQuery(Schema):
    import_id = Text(required=True, longest=64)
    number = QueryInteger(
        least=1, most=PARTS_MAX, load_default=1, metadata={"description": "Its place in the file; left out: the first."}
    )


class BeginImport(Schema):
    parts = Integer(required=True, least=1, most=PARTS_MAX, metadata={"description": "How many parts were sent."})


class Import(Schema):
    id = Identifier("imp")
    batch_id = Identifier("bat")
    format = Choice(ImportFormat)
    state = Choice(ImportState)
    why = Text(allow_none=True, metadata={"description": "Why it has stopped, or failed."})
    parts = Integer(attribute="n_parts")
    bytes = Integer(attribute="n_bytes")
    bytes_read = Integer(attribute="n_read")
    lines = Integer(attribute="n_lines", metadata={"description": "Lines that are read."})
    made = Integer(attribute="n_made", metadata={"description": "Tasks that were made of them."})
    bad = Integer(attribute="n_bad", metadata={"description": "Lines that became no task."})
    created_at = Timestamp()
    moved_at = Timestamp()
    finished_at = Timestamp(allow_none=True)


class ImportPart(Schema):
    number = Integer()
    bytes = Integer(attribute="n_bytes")
    sha256 = Text(attribute="hash_text")
    created_at = Timestamp()


class ImportFault(Schema):
    line = Integer(metadata={"description": "From 1, with a header and empty lines counted."})
    pointer = Text(metadata={"description": "A JSON pointer into the task; empty: the whole line."})
    reason = Text()
