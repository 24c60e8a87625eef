"""what workers say of themselves and agree to, checks of their identity, and their wish to be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    _create_profiles()
    _create_consents()
    _create_checks()
    _create_erasures()


def _of_worker(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f(f"fk_{table}_worker_id_workers"))


def _create_profiles() -> None:
    op.create_table(
        "worker_profiles",
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("device_class", sa.Text(), nullable=True),
        sa.Column("skills", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("payout_region", _ID, nullable=True),
        sa.Column("updated_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker_profiles")),
        _of_worker("worker_profiles"),
        sa.CheckConstraint(
            "device_class IN ('phone', 'tablet', 'computer')", name=op.f("ck_worker_profiles_device_class_known")
        ),
    )


def _create_consents() -> None:
    op.create_table(
        "consent_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("published_by", _ID, nullable=False),
        sa.Column("published_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_consent_versions")),
    )
    op.create_table(
        "consents",
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("given_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", "version", name=op.f("pk_consents")),
        _of_worker("consents"),
        sa.ForeignKeyConstraint(
            ["version"], ["consent_versions.version"], name=op.f("fk_consents_version_consent_versions")
        ),
    )


def _create_checks() -> None:
    op.create_table(
        "identity_checks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("provider", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_checks")),
        _of_worker("identity_checks"),
        sa.CheckConstraint(
            "state IN ('requested', 'in_review', 'passed', 'refused', 'expired')",
            name=op.f("ck_identity_checks_state_known"),
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (reason IS NOT NULL)", name=op.f("ck_identity_checks_refused_with_reason")
        ),
        sa.CheckConstraint(
            "state NOT IN ('passed', 'expired') OR expires_on IS NOT NULL",
            name=op.f("ck_identity_checks_passed_until"),
        ),
    )
    op.create_index(
        "ix_identity_checks_open", "identity_checks", ["worker_id"], unique=True,
        postgresql_where=sa.text("state IN ('requested', 'in_review')"),
    )  # fmt: skip
    op.create_index("ix_identity_checks_worker_id_id", "identity_checks", ["worker_id", "id"])
    op.create_index("ix_identity_checks_state_id", "identity_checks", ["state", "id"])
    op.create_index(
        "ix_identity_checks_passed", "identity_checks", ["expires_on"], postgresql_where=sa.text("state = 'passed'")
    )


def _create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        _of_worker("erasures"),
        sa.CheckConstraint("state IN ('requested', 'done', 'refused')", name=op.f("ck_erasures_state_known")),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name=op.f("ck_erasures_refused_with_reason")),
    )
    op.create_index(
        "ix_erasures_open", "erasures", ["worker_id"], unique=True, postgresql_where=sa.text("state = 'requested'")
    )
    op.create_index("ix_erasures_state_id", "erasures", ["state", "id"])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
