"""forecast"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_14"
down_revision = "20261121_13"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    op.create_table(
        "demand",
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("service_id", BIG, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_demand_service_id")),
        sa.PrimaryKeyConstraint("district", "service_id", "day", "hour", name=op.f("pk_demand")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_demand_day", "demand", ["day"])
    op.create_table(
        "demand_series",
        sa.Column("id", BIG, nullable=False),
        sa.Column("key", sa.String(length=140), nullable=False),
        sa.Column("service_id", BIG, nullable=True),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("model", sa.String(length=40), nullable=False),
        sa.Column("error", sa.Float(), nullable=True),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_demand_series_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demand_series")),
        sa.UniqueConstraint("key", name=op.f("uq_demand_series_key")),
    )
    op.create_index("ix_demand_series_district", "demand_series", ["district"])
    op.create_index(op.f("ix_demand_series_service_id"), "demand_series", ["service_id"])
    op.create_index(op.f("ix_demand_series_made_on"), "demand_series", ["made_on"])
    op.create_table(
        "forecasts",
        sa.Column("series_id", BIG, autoincrement=False, nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("expected", "low80", "high80", "low95", "high95")),
        sa.Column("booked", sa.Integer(), nullable=False),
        sa.Column("came", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["series_id"], ["demand_series.id"], name=op.f("fk_forecasts_series_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series_id", "kept", "day", name=op.f("pk_forecasts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_forecasts_day", "forecasts", ["day"])
    op.create_table(
        "shortages",
        sa.Column("series_id", BIG, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("offered", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"], ["demand_series.id"], name=op.f("fk_shortages_series_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series_id", "day", name=op.f("pk_shortages")),
    )
    op.create_index("ix_shortages_missing", "shortages", ["missing"])


def downgrade():
    for table in ("shortages", "forecasts", "demand_series", "demand"):
        op.drop_table(table)
