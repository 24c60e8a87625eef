"""Alembic's entry: the caller hands over a connection whose transaction it commits."""

from alembic import context

import workforce.models  # noqa: F401 - the three imports fill the metadata
from foundation import auth, idempotency, outbox, pagination  # noqa: F401 - so do these
from foundation.db import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
