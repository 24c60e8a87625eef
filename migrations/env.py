"""Alembic's entry: the caller hands over a connection, whose transaction it commits, and the application's role."""

from alembic import context

import workforce.models  # noqa: F401 - the three imports fill the metadata
from foundation import auth, idempotency, outbox, pagination  # noqa: F401 - so do these
from foundation.db import Base
from migrations import grants

_given = context.config.attributes
context.configure(connection=_given["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
    if _given["application_role"] is not None:
        grants.grant(_given["connection"], Base.metadata, _given["application_role"])
