"""What the route of a task's answers gives."""

from foundation.fields import Choice, Flag, Identifier, JsonObject, Schema, Timestamp
from workforce.models import AnswerStatus, Kind
from workforce.schemas.parts import Pseudonym


class TaskAnswer(Schema):
    id = Identifier("ans", attribute="answer.id")
    pseudonym = Pseudonym()
    kind = Choice(
        Kind, attribute="answer.kind", metadata={"description": "One answer among several, or an expert's decision."}
    )
    payload = JsonObject(attribute="answer.payload")
    agrees = Flag(
        allow_none=True, metadata={"description": "Whether it says what the task's label is; null: there is none yet."}
    )
    status = Choice(AnswerStatus, attribute="answer.status")
    late = Flag(attribute="answer.late")
    created_at = Timestamp(attribute="answer.created_at")
