"""How long answers to a project take."""

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, IdText


class ProjectPace(Base):
    """The times of a project's newest answers, and what they come to."""

    __tablename__ = "project_paces"

    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("projects.id"), primary_key=True)
    # The newest first.
    seconds: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    median_seconds: Mapped[int]
    p95_seconds: Mapped[int]
    # Whether there are enough of them to tell anything.
    is_known: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (CheckConstraint("0 < median_seconds AND median_seconds <= p95_seconds", name="in_order"),)
