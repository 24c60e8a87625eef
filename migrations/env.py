"""Alembic's entry: the caller hands over a connection, whose transaction it commits, and the application's role."""

from alembic import context

import payments.models  # noqa: F401 - these imports fill the metadata
import quality.models  # noqa: F401
import workforce.models  # noqa: F401
from foundation import auth, idempotency, mail, outbox, pagination, trail  # noqa: F401
from foundation.db import Base
from migrations import grants

_given = context.config.attributes
context.configure(connection=_given["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
    if _given["application_role"] is not None:
        grants.grant(_given["connection"], Base.metadata, _given["application_role"])
