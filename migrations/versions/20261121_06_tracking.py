"""tracking"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_06"
down_revision = "20261121_05"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    op.create_table(
        "positions",
        sa.Column("booking_id", _ID, autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("accuracy", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_off_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_off_km", sa.Float(), nullable=True),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name=op.f("ck_positions_point")),
        sa.CheckConstraint("accuracy >= 0", name=op.f("ck_positions_accuracy")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_positions_booking_id")),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_positions")),
    )
    op.create_table(
        "trips",
        sa.Column("id", _ID, nullable=False),
        sa.Column("area", sa.String(length=3), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("km", sa.Float(), nullable=False),
        sa.Column("minutes", sa.Float(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trips")),
    )
    with op.batch_alter_table("trips", schema=None) as batch_op:
        batch_op.create_index("ix_trips_area_id", ["area", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_trips_day"), ["day"], unique=False)


def downgrade():
    op.drop_table("trips")
    op.drop_table("positions")
