"""What people were told of what happened to them, and of which kinds they want a mail."""

from datetime import datetime

from sqlalchemy import DateTime, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Ref


class Message(Base):
    """One thing that one person was told, once."""

    __tablename__ = "messages"

    id: Mapped[Id]
    person_ref: Mapped[Ref]
    kind: Mapped[str] = mapped_column(IdText)
    # What it is about, so that the same is not told twice.
    key: Mapped[str] = mapped_column(IdText)
    title: Mapped[str]
    words: Mapped[str]
    created_at: Mapped[Created]
    read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        UniqueConstraint("person_ref", "kind", "key"),
        Index(None, "person_ref", "id"),
        Index("ix_messages_unread", "person_ref", "id", postgresql_where=text("read_at IS NULL")),
        Index(None, "created_at"),
    )


class MessageChoice(Base):
    """Whether a person wants a mail for messages of a kind; without a row, as the kind says."""

    __tablename__ = "message_choices"

    person_ref: Mapped[str] = mapped_column(IdText, primary_key=True)
    kind: Mapped[str] = mapped_column(IdText, primary_key=True)
    by_mail: Mapped[bool]
