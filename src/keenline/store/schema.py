"""The tables: the nouns of a result as columns to search by, and the record word for word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcTime(TypeDecorator[datetime]):
    """A moment: `timestamptz` in PostgreSQL, text in UTC in SQLite; to the microsecond."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self,
        value: Any | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


tables = MetaData()
"""Every table of this version; the migrations lead here."""

_ID, _SHA = String(64), String(64)

results = Table(
    "results",
    tables,
    Column("result_id", _ID, primary_key=True),
    Column("station", Text, nullable=False),
    Column("trigger_number", BigInteger, nullable=False),
    Column("part_id", Text, nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("source", Text, nullable=False),
    Column("encoder", BigInteger),
    Column("part", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("actuates", Text, nullable=False),
    Column("code", Integer),
    Column("reasons", JSON, nullable=False),
    Column("acquired_ms", Double),
    Column("inspected_ms", Double),
    Column("decided_ms", Double),
    Column("recipe_sha256", _SHA, nullable=False),
    Column("bundle_sha256", _SHA, nullable=False),
    Column("station_sha256", _SHA, nullable=False),
    Column("software", Text, nullable=False),
    Column("is_simulated", Boolean, nullable=False),
    # The record as the journal had it. Columns are for searching; this is what was recorded.
    Column("content", Text, nullable=False),
    UniqueConstraint("station", "trigger_number", name="one_result_for_each_trigger"),
    Index("results_by_time", "time"),
    Index("results_by_verdict", "verdict", "time"),
    Index("results_by_part_id", "part_id"),
    Index("results_by_code", "code"),
)

views = Table(
    "views",
    tables,
    Column("result_id", _ID, ForeignKey("results.result_id"), primary_key=True),
    Column("view", Integer, primary_key=True),
    Column("camera", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("frame_number", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("image_sha256", _SHA, nullable=False),
    Column("image_kept", Boolean, nullable=False),
    Column("device_time_ns", BigInteger),
    Column("exposure_us", Double),
    Column("gain_db", Double),
    Column("lights", JSON, nullable=False),
    Column("score", Double),
    Column("threshold", Double),
    Column("class_scores", JSON, nullable=False),
    Index("views_by_camera", "camera"),
    Index("views_by_image", "image_sha256"),
)

regions = Table(
    "regions",
    tables,
    Column("result_id", _ID, primary_key=True),
    Column("view", Integer, primary_key=True),
    Column("region", Integer, primary_key=True),
    Column("class_name", Text, nullable=False),
    Column("x", Integer, nullable=False),
    Column("y", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("area_px", Double, nullable=False),
    Column("area_mm2", Double),
    Column("score", Double, nullable=False),
    ForeignKeyConstraint(["result_id", "view"], ["views.result_id", "views.view"]),
    Index("regions_by_class", "class_name"),
)

events = Table(
    "events",
    tables,
    Column("event_id", _ID, primary_key=True),
    Column("station", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("content", Text, nullable=False),
    Index("events_by_time", "time"),
    Index("events_by_kind", "kind", "time"),
)

images = Table(
    "images",
    tables,
    Column("station", Text, primary_key=True),  # each has its own place for images
    Column("sha256", _SHA, primary_key=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    # kept: handed over to be written; lost: that failed; deleting, deleted: by age or for space.
    Column("state", String(16), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("why", Text),
    # Of every result that shows it: whether all were PASS, and the time of the newest.
    Column("is_pass", Boolean, nullable=False),
    Column("time", UtcTime, nullable=False),
    Index("images_by_state", "station", "state", "is_pass", "time"),
)

holds = Table(
    "holds",
    tables,
    # Who still needs an image (a review, an audit); while one row names it, it is not deleted.
    Column("sha256", _SHA, primary_key=True),
    Column("holder", String(200), primary_key=True),
    Column("since", UtcTime, nullable=False),
)

reviews = Table(
    "reviews",
    tables,
    # Appended to, never changed: of several about one result the newest counts.
    Column("review_id", _ID, primary_key=True),
    Column("result_id", _ID, ForeignKey("results.result_id"), nullable=False),
    Column("station", Text, nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("judgement", String(16), nullable=False),
    Column("classes", JSON, nullable=False),
    Column("content", Text, nullable=False),
    Index("reviews_by_result", "result_id"),
    Index("reviews_by_time", "time"),
)

shadows = Table(
    "shadows",
    tables,
    # What a bundle that decides nothing says of a result.
    Column("answer_id", _ID, primary_key=True),
    Column("result_id", _ID, ForeignKey("results.result_id"), nullable=False),
    Column("station", Text, nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("bundle_sha256", _SHA, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("classes", JSON, nullable=False),
    Column("content", Text, nullable=False),
    Index("shadows_by_result", "result_id"),
    Index("shadows_by_bundle", "bundle_sha256"),
)

refused = Table(
    "refused",
    tables,
    Column("entry_id", _ID, primary_key=True),
    Column("station", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("time", UtcTime, nullable=False),
    Column("why", Text, nullable=False),
    Column("content", Text, nullable=False),
)

audit = Table(
    "audit",
    tables,
    Column("station", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", UtcTime, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", _ID, nullable=False),
    Column("content_sha256", _SHA, nullable=False),
    Column("previous", _SHA, nullable=False),
    Column("hash", _SHA, nullable=False),
    Index("audit_by_subject", "subject"),
    Index("audit_by_time", "time"),
)
