"""What the files of settled labels take."""

from foundation.fields import QueryInteger, Schema, Text
from workforce import label_files


class LabelFileQuery(Schema):
    after = Text(
        longest=64, load_default="", metadata={"description": "The last task you have, as `Rookery-Next` says."}
    )
    most = QueryInteger(least=1, most=label_files.MOST, load_default=10_000)
