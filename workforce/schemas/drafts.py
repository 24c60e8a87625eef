"""What the routes of drafts take and give."""

from foundation.fields import Identifier, JsonObject, Schema, Timestamp


class Draft(Schema):
    assignment_id = Identifier("asg")
    payload = JsonObject()
    saved_at = Timestamp()
