"""Alembic migrations; `rookery migrate` runs them as the owner."""
