"""What workers say of themselves, agree to and take away, how they are checked, and how they are forgotten."""

import weakref
from collections.abc import Iterator
from typing import IO

from flask import Response

from foundation import pagination
from foundation.auth import PUBLIC, allow
from foundation.http import Call
from foundation.limits import DAY, Limit
from workforce import consents, erasures, identity, own_data, profiles, schemas
from workforce.api.edge import routes
from workforce.models import Consent, ConsentVersion, Erasure, IdentityCheck

_CHUNK = 64 * 1024


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


@routes.get("/me/profile", allow=allow("work"), returns=schemas.Profile)
def my_profile(call: Call) -> profiles.Shown:
    """What you have said of yourself."""
    return profiles.of_worker(call.db, call.actor.subject_id)


@routes.put("/me/profile", allow=allow("work"), body=schemas.ProfileChange, returns=schemas.Profile)
def say_profile(call: Call) -> profiles.Shown:
    """Say what you know and where you are paid; what you leave out stays. Languages until ops have let you in."""
    return profiles.say(call.db, call.actor.subject_id, **call.body)


@routes.post(
    "/consent-versions", allow=allow("ops"), body=schemas.NewConsentVersion, returns=schemas.ConsentVersion, status=201
)
def publish_consent_version(call: Call) -> ConsentVersion:
    """Publish what workers have to agree to from now on; all are asked anew."""
    return consents.publish(call.db, **call.body, published_by=call.actor.subject_id)


@routes.get("/consent-versions/current", allow=PUBLIC, returns=schemas.ConsentVersion)
def consent_in_force(call: Call) -> ConsentVersion:
    """What workers have to agree to."""
    return consents.in_force(call.db)


@routes.get("/me/consents", allow=allow("work"), returns=schemas.Consents)
def my_consents(call: Call) -> dict[str, object]:
    """What you have agreed to and when, and whether there is something new."""
    given = consents.of_worker(call.db, call.actor.subject_id)
    return {"items": given, "is_due": consents.is_due(call.db, call.actor.subject_id)}


@routes.post("/me/consents", allow=allow("work"), body=schemas.NewConsent, returns=schemas.Consent, status=201)
def give_consent(call: Call) -> Consent:
    """Agree to the version in force."""
    return consents.give(call.db, call.actor.subject_id, **call.body)


@routes.get("/me/identity-checks", allow=allow("work"), returns=schemas.IdentityCheck, paged=True)
def my_identity_checks(call: Call) -> pagination.Page:
    """How your identity was checked, newest first."""
    return pagination.read(call.db, identity.of_worker(call.actor.subject_id), IdentityCheck.id, call.page)


@routes.post(
    "/me/identity-checks",
    allow=allow("work"),
    quota=Limit("identity-checks", 5, DAY),
    returns=schemas.IdentityCheck,
    status=201,
)
def request_identity_check(call: Call) -> IdentityCheck:
    """Ask for your identity to be checked."""
    return identity.request(call.db, call.actor.subject_id)


@routes.get(
    "/identity-checks", allow=allow("ops"), query=schemas.CheckQuery, returns=schemas.IdentityCheckOfWorker, paged=True
)
def list_identity_checks(call: Call) -> pagination.Page:
    """All identity checks, newest first; `state` narrows the list."""
    return pagination.read(call.db, identity.listed(**call.query), IdentityCheck.id, call.page)


@routes.post(
    "/identity-checks/<check_id>/decision",
    allow=allow("ops"),
    body=schemas.CheckDecision,
    private=("reason",),
    returns=schemas.IdentityCheckOfWorker,
)
def decide_identity_check(call: Call, check_id: str) -> IdentityCheck:
    """Say where a check stands; a refusal needs a reason, which its worker reads."""
    return identity.decide(call.db, check_id, **call.body, decided_by=call.actor.subject_id)


@routes.get("/me/export", allow=allow("work"), quota=Limit("own-data", 20, DAY), file_types=("application/json",))
def export_me(call: Call) -> Response:
    """All that is kept about you, as one JSON document."""
    file = own_data.export(call.db, call.actor.subject_id)
    chunks = _chunks(file)
    # Nobody may ask for the bytes: a HEAD, or a client that is gone. Whoever lets go of them closes the file.
    weakref.finalize(chunks, file.close)
    response = Response(chunks, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{call.actor.subject_id}.json"'
    return response


@routes.post("/me/erasure", allow=allow("work"), returns=schemas.Erasure, status=201)
def request_erasure(call: Call) -> Erasure:
    """Ask to be forgotten: who you are goes, what you answered and earned stays under your id. Ops confirm it."""
    return erasures.request(call.db, call.actor.subject_id)


@routes.get("/erasures", allow=allow("ops"), query=schemas.ErasureQuery, returns=schemas.ErasureOfWorker, paged=True)
def list_erasures(call: Call) -> pagination.Page:
    """Who has asked to be forgotten, newest first; `state` narrows the list."""
    return pagination.read(call.db, erasures.listed(**call.query), Erasure.id, call.page)


@routes.post("/erasures/<erasure_id>/confirmation", allow=allow("ops"), returns=schemas.ErasureOfWorker)
def confirm_erasure(call: Call, erasure_id: str) -> Erasure:
    """Forget who a worker is, for good; refused while anything is owed to them."""
    return erasures.confirm(call.db, erasure_id, confirmed_by=call.actor.subject_id)


@routes.post(
    "/erasures/<erasure_id>/refusal", allow=allow("ops"), body=schemas.ErasureRefusal, returns=schemas.ErasureOfWorker
)
def refuse_erasure(call: Call, erasure_id: str) -> Erasure:
    """Say why somebody cannot be forgotten yet."""
    return erasures.refuse(call.db, erasure_id, **call.body, refused_by=call.actor.subject_id)
