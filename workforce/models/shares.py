"""How much each worker does in each project."""

from datetime import date

from sqlalchemy import CheckConstraint, Date, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, IdText, Moment


class WorkerShare(Base):
    """What a worker holds and has answered in a project, in all and on the day of their last claim; since the upgrade.

    served_at : when they were given something last. stint_at : since when they have been at it.
    """

    __tablename__ = "worker_shares"

    worker_id: Mapped[str] = mapped_column(IdText, ForeignKey("workers.id"), primary_key=True)
    project_id: Mapped[str] = mapped_column(IdText, ForeignKey("projects.id"), primary_key=True)
    n_taken: Mapped[int]
    day: Mapped[date] = mapped_column(Date)
    n_today: Mapped[int]
    served_at: Mapped[Moment]
    stint_at: Mapped[Moment]

    __table_args__ = (CheckConstraint("n_taken >= 0 AND n_today >= 0", name="not_negative"),)
