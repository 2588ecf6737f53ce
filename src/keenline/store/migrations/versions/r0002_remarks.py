"""What people and shadow bundles say of results; this file never changes again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID, _TIME = sa.String(64), sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables `reviews` and `shadows`."""
    op.create_table(
        "reviews",
        sa.Column("review_id", _ID, primary_key=True),
        sa.Column("result_id", _ID, sa.ForeignKey("results.result_id"), nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("judgement", sa.String(16), nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("reviews_by_result", "reviews", ["result_id"])
    op.create_index("reviews_by_time", "reviews", ["time"])
    op.create_table(
        "shadows",
        sa.Column("answer_id", _ID, primary_key=True),
        sa.Column("result_id", _ID, sa.ForeignKey("results.result_id"), nullable=False),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("bundle_sha256", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("classes", sa.JSON, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("shadows_by_result", "shadows", ["result_id"])
    op.create_index("shadows_by_bundle", "shadows", ["bundle_sha256"])
