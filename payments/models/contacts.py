"""Where payees are told of changes to their pay."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref


class PayeeContact(Base):
    """An e-mail address of a payee, sealed; those before stay, because whoever changes one is not always its owner."""

    __tablename__ = "payee_contacts"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    masked: Mapped[str]
    set_by: Mapped[Ref]
    created_at: Mapped[Created]
    # When somebody brought back what had been sent there.
    proved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index(None, "payee_id"),
        Index("ix_payee_contacts_active", "payee_id", unique=True, postgresql_where=text("retired_at IS NULL")),
    )
