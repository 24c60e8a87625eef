"""What the routes of linked accounts take and give."""

import marshmallow as ma

from foundation.fields import Choice, Identifier, Integer, QueryFlag, Schema, Text, Timestamp
from workforce.models import LinkKind

_WHOSE = "A worker; or what somebody of the staff is called, who works here as well."


class NewAccountLink(Schema):
    one_ref = Text(required=True, shortest=1, longest=64, metadata={"description": _WHOSE})
    other_ref = Text(required=True, shortest=1, longest=64, metadata={"description": _WHOSE})
    kind = Choice(LinkKind, required=True)
    evidence = Text(
        required=True, shortest=1, longest=500, metadata={"description": "No number of an account or document."}
    )


class AccountLinkQuery(Schema):
    worker_id = Identifier("wrk")
    kind = Choice(LinkKind)
    open = QueryFlag(attribute="is_open", metadata={"description": "Those that stand, or that were taken back."})


class AccountLink(Schema):
    id = Identifier("lnk")
    one = Text(metadata={"description": "A worker, or `staff`."})
    other = Text(metadata={"description": "A worker, or `staff`."})
    kind = Choice(LinkKind)
    evidence = Text()
    shared_tasks = Integer(attribute="n_shared", metadata={"description": "Tasks that both had answered by then."})
    recorded_at = Timestamp()
    withdrawn_at = Timestamp(allow_none=True)
    reason = Text(allow_none=True, metadata={"description": "Why it was taken back."})


class ClusterQuery(Schema):
    worker_id = Identifier("wrk")


class Cluster(Schema):
    id = Identifier("clu")
    worker_ids = ma.fields.List(Identifier("wrk"))
    since = Timestamp()
