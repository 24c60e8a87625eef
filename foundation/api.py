"""The ground's own routes, for those who run the house: parked events, mails, the trail, metrics."""

from collections.abc import Sequence
from itertools import chain

from flask import Response

from foundation import mail, metrics, outbox, pagination, schemas, trail
from foundation.auth import allow
from foundation.http import Call, Routes

routes = Routes("foundation", "/api")


@routes.get("/parked-events", allow=allow("ops", "admin"), returns=schemas.ParkedEvent, paged=True)
def parked_events(call: Call) -> pagination.Page:
    """Events whose reaction failed too often, oldest first, with their last error."""
    return pagination.read(call.db, outbox.parked(), outbox.OutboxEvent.id, call.page, newest_first=False)


@routes.post("/parked-events/<event_id>/retry", allow=allow("ops", "admin"), returns=schemas.Redriven)
def retry_parked_event(call: Call, event_id: str) -> dict[str, int]:
    """Deliver a parked event again; mend the cause first."""
    return {"retried": outbox.retry_one_parked(call.db, event_id)}


@routes.post("/parked-events/retry", allow=allow("ops", "admin"), returns=schemas.Redriven)
def retry_parked_events(call: Call) -> dict[str, int]:
    """Deliver every parked event again."""
    return {"retried": outbox.retry_parked(call.db)}


@routes.get("/mails", allow=allow("ops"), query=schemas.MailQuery, returns=schemas.Mail, paged=True)
def list_mails(call: Call) -> pagination.Page:
    """Mails that wait, were sent or were given up, newest first; `state` narrows the list. Never what is in them."""
    return pagination.read(call.db, mail.listed(**call.query), mail.Mail.id, call.page)


@routes.post("/mails/<mail_id>/retry", allow=allow("ops"), returns=schemas.Mail)
def retry_mail(call: Call, mail_id: str) -> mail.Mail:
    """Send a mail after all that was given up; mend the cause first."""
    return mail.retry(call.db, mail_id)


@routes.get("/trail", allow=allow("audit"), returns=schemas.TrailEntry, paged=True)
def trail_entries(call: Call) -> pagination.Page:
    """What staff and operators changed, newest first."""
    return pagination.read(call.db, trail.listed(), trail.TrailEntry.seq, call.page)


def monitoring(gauges: Sequence[metrics.Gauges]) -> Routes:
    """The address that Prometheus reads: what the processes count, and these gauges."""
    watched = Routes("monitoring", "")

    @watched.get("/metrics", allow=allow("metrics"), file_types=(metrics.CONTENT_TYPE,))
    def read_metrics(call: Call) -> Response:
        """Counters and gauges in Prometheus' text form."""
        now = chain.from_iterable(read(call.db) for read in gauges)
        return Response(metrics.expose(now), content_type=metrics.CONTENT_TYPE)

    return watched
