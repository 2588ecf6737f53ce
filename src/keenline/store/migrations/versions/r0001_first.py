"""The first tables, as version 0.1 has them; this file never changes again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID, _SHA, _TIME = sa.String(64), sa.String(64), sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table."""
    _results()
    _views()
    _regions()
    _events()
    _images()
    _audit()


def _results() -> None:
    op.create_table(
        "results",
        sa.Column("result_id", _ID, primary_key=True),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("trigger_number", sa.BigInteger, nullable=False),
        sa.Column("part_id", sa.Text, nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("encoder", sa.BigInteger),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("actuates", sa.Text, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("acquired_ms", sa.Double),
        sa.Column("inspected_ms", sa.Double),
        sa.Column("decided_ms", sa.Double),
        sa.Column("recipe_sha256", _SHA, nullable=False),
        sa.Column("bundle_sha256", _SHA, nullable=False),
        sa.Column("station_sha256", _SHA, nullable=False),
        sa.Column("software", sa.Text, nullable=False),
        sa.Column("is_simulated", sa.Boolean, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.UniqueConstraint("station", "trigger_number", name="one_result_for_each_trigger"),
    )
    op.create_index("results_by_time", "results", ["time"])
    op.create_index("results_by_verdict", "results", ["verdict", "time"])
    op.create_index("results_by_part_id", "results", ["part_id"])
    op.create_index("results_by_code", "results", ["code"])


def _views() -> None:
    op.create_table(
        "views",
        sa.Column("result_id", _ID, sa.ForeignKey("results.result_id"), primary_key=True),
        sa.Column("view", sa.Integer, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("serial", sa.Text, nullable=False),
        sa.Column("frame_number", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("image_sha256", _SHA, nullable=False),
        sa.Column("image_kept", sa.Boolean, nullable=False),
        sa.Column("device_time_ns", sa.BigInteger),
        sa.Column("exposure_us", sa.Double),
        sa.Column("gain_db", sa.Double),
        sa.Column("lights", sa.JSON, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("threshold", sa.Double),
        sa.Column("class_scores", sa.JSON, nullable=False),
    )
    op.create_index("views_by_camera", "views", ["camera"])
    op.create_index("views_by_image", "views", ["image_sha256"])


def _regions() -> None:
    op.create_table(
        "regions",
        sa.Column("result_id", _ID, primary_key=True),
        sa.Column("view", sa.Integer, primary_key=True),
        sa.Column("region", sa.Integer, primary_key=True),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("x", sa.Integer, nullable=False),
        sa.Column("y", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("area_px", sa.Double, nullable=False),
        sa.Column("area_mm2", sa.Double),
        sa.Column("score", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["result_id", "view"], ["views.result_id", "views.view"]),
    )
    op.create_index("regions_by_class", "regions", ["class_name"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", _ID, primary_key=True),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("events_by_time", "events", ["time"])
    op.create_index("events_by_kind", "events", ["kind", "time"])
    op.create_table(
        "refused",
        sa.Column("entry_id", _ID, primary_key=True),
        sa.Column("station", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("station", sa.Text, primary_key=True),
        sa.Column("sha256", _SHA, primary_key=True),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("is_pass", sa.Boolean, nullable=False),
        sa.Column("time", _TIME, nullable=False),
    )
    op.create_index("images_by_state", "images", ["station", "state", "is_pass", "time"])
    op.create_table(
        "holds",
        sa.Column("sha256", _SHA, primary_key=True),
        sa.Column("holder", sa.String(200), primary_key=True),
        sa.Column("since", _TIME, nullable=False),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("station", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", _ID, nullable=False),
        sa.Column("content_sha256", _SHA, nullable=False),
        sa.Column("previous", _SHA, nullable=False),
        sa.Column("hash", _SHA, nullable=False),
    )
    op.create_index("audit_by_subject", "audit", ["subject"])
    op.create_index("audit_by_time", "audit", ["time"])
