"""What people are told, and which of it by mail."""

from foundation import pagination
from foundation.auth import allow
from foundation.http import Call
from workforce import messages, schemas
from workforce.api.edge import routes
from workforce.models import Message

_READERS = allow("work", "requester")


@routes.get("/me/messages", allow=_READERS, query=schemas.MessageQuery, returns=schemas.Message, paged=True)
def my_messages(call: Call) -> pagination.Page:
    """What you were told, newest first; `unread=true` leaves out what you have marked as read."""
    return pagination.read(call.db, messages.listed(call.actor.subject_id, **call.query), Message.id, call.page)


@routes.post("/me/messages/read", allow=_READERS, body=schemas.Reading, returns=schemas.MarkedRead)
def mark_read(call: Call) -> dict[str, int]:
    """Say that you have read all up to a message."""
    return {"marked": messages.mark_read(call.db, call.actor.subject_id, **call.body)}


@routes.get("/me/message-choices", allow=_READERS, returns=schemas.MessageChoices)
def my_message_choices(call: Call) -> dict[str, object]:
    """For which kinds of messages you get a mail, at the address that you have shown to be yours."""
    return {"items": messages.choices(call.db, call.actor.subject_id)}


@routes.put("/me/message-choices", allow=_READERS, body=schemas.NewMessageChoice, returns=schemas.MessageChoices)
def choose_messages(call: Call) -> dict[str, object]:
    """Say whether you want a mail for messages of a kind."""
    return {"items": messages.choose(call.db, call.actor.subject_id, **call.body)}
