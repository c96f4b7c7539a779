"""analytics"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_15"
down_revision = "20261121_14"
branch_labels = None
depends_on = None

INDEX = "ix_bookings_created_at"
COUNTED = ["created_at", "status", "accepted_at", "service_id", "professional_id", "pincode", "customer_id"]
CUSTOMERS = "ix_bookings_customer_id_starts_at"
CANCELLED = sa.text("verb = 'cancel'")


def upgrade():
    op.add_column("booking_events", sa.Column("cause", sa.String(length=20), nullable=True))
    op.create_index(
        "ix_booking_events_cancelled",
        "booking_events",
        ["at", "actor_id", "cause"],
        sqlite_where=CANCELLED,
        postgresql_where=CANCELLED,
    )
    op.drop_index(INDEX, "bookings")
    op.create_index(INDEX, "bookings", COUNTED)
    op.drop_index(CUSTOMERS, "bookings")
    op.create_index(CUSTOMERS, "bookings", ["customer_id", "starts_at", "id", "created_at"])
    op.create_table(
        "revenue_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("billed", "professionals", "site", "tax")),
        sa.PrimaryKeyConstraint("day", "kind", "name", name=op.f("pk_revenue_days")),
    )
    op.create_table(
        "search_misses",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("words", sa.String(length=60), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "words", "district", name=op.f("pk_search_misses")),
    )


def downgrade():
    op.drop_table("search_misses")
    op.drop_table("revenue_days")
    op.drop_index(INDEX, "bookings")
    op.create_index(INDEX, "bookings", ["created_at"])
    op.drop_index(CUSTOMERS, "bookings")
    op.create_index(CUSTOMERS, "bookings", ["customer_id", "starts_at", "id"])
    op.drop_index("ix_booking_events_cancelled", "booking_events")
    op.drop_column("booking_events", "cause")
