"""payments"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_08"
down_revision = "20261121_07"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
METHODS = ("cash", "upi", "stripe", "razorpay")
MOMENT = sa.DateTime(timezone=True)


def _words(name, *words):
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=20)


def _allow(values):
    check, listed = op.f("ck_payments_payment_method"), ", ".join(f"'{value}'" for value in values)
    with op.batch_alter_table("payments") as batch_op:
        batch_op.drop_constraint(check, type_="check")
        batch_op.create_check_constraint(check, f"method IN ({listed})")


def upgrade():
    op.add_column("professionals", sa.Column("upi_id", sa.String(length=100)))
    _extend_payments()
    _extend_refunds()
    op.create_table(
        "checkouts",
        sa.Column("id", BIG, nullable=False),
        sa.Column("booking_id", BIG, nullable=False),
        sa.Column("method", _words("payment_method", *METHODS), nullable=False),
        sa.Column("status", _words("checkout_status", "open", "paid", "ended"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=True),
        sa.Column("url", sa.String(length=2000), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_checkouts_amount")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_checkouts_booking_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkouts")),
        sa.UniqueConstraint("key", name=op.f("uq_checkouts_key")),
        sa.UniqueConstraint("method", "reference", name=op.f("uq_checkouts_method_reference")),
    )
    op.create_index(op.f("ix_checkouts_booking_id"), "checkouts", ["booking_id"])
    _partial("ix_checkouts_open", "checkouts", ["due_at"], "status = 'open'")
    op.create_table(
        "gateway_events",
        sa.Column("id", BIG, nullable=False),
        sa.Column("method", _words("payment_method", *METHODS), nullable=False),
        sa.Column("event", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("checkout_id", BIG, nullable=True),
        sa.Column("fault", sa.String(length=300), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["checkout_id"], ["checkouts.id"], name=op.f("fk_gateway_events_checkout_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_events")),
        sa.UniqueConstraint("method", "event", name=op.f("uq_gateway_events_method_event")),
    )
    _partial("ix_gateway_events_fault", "gateway_events", ["id"], "fault <> ''")


def _extend_payments():
    """What was noted so far had reached the professional of the booking."""
    new = (
        sa.Column("status", _words("payment_status", "claimed", "verified", "refused")),
        sa.Column("reference", sa.String(length=120)),
        sa.Column("holder", sa.String(length=40)),
        sa.Column("verified_by_id", BIG),
        sa.Column("verified_at", MOMENT),
        sa.Column("confirmed_at", MOMENT),
        sa.Column("denied_at", MOMENT),
        sa.Column("decided_at", MOMENT),
        sa.Column("reason", sa.String(length=500), nullable=False, server_default=""),
    )
    with op.batch_alter_table("payments") as batch_op:
        for column in new:
            batch_op.add_column(column)
    op.execute(
        "UPDATE payments SET status = 'verified', verified_by_id = recorded_by_id, verified_at = recorded_at,"
        " holder = (SELECT 'professional:' || professional_id FROM bookings WHERE bookings.id = booking_id)"
    )
    with op.batch_alter_table("payments") as batch_op:
        batch_op.alter_column("status", existing_type=sa.String(length=20), nullable=False)
        batch_op.alter_column("holder", existing_type=sa.String(length=40), nullable=False)
        batch_op.alter_column("reason", existing_type=sa.String(length=500), server_default=None)
        batch_op.create_foreign_key("fk_payments_verified_by_id", "users", ["verified_by_id"], ["id"])
    _allow(METHODS)
    _partial("uq_payments_reference", "payments", ["method", "reference"], "status <> 'refused'", unique=True)
    op.create_index("ix_payments_recorded_at_id", "payments", ["recorded_at", "id"])
    _partial("ix_payments_claimed", "payments", ["id"], "status = 'claimed'")
    _partial("ix_payments_denied", "payments", ["id"], "denied_at IS NOT NULL AND decided_at IS NULL")


def _extend_refunds():
    """What was noted so far has gone back, from the professional of the booking."""
    new = (
        sa.Column("payment_id", BIG),
        sa.Column("holder", sa.String(length=40)),
        sa.Column("state", _words("refund_state", "asked", "done", "failed")),
        sa.Column("key", sa.String(length=40)),
        sa.Column("reference", sa.String(length=120)),
        sa.Column("tries", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("due_at", MOMENT),
        sa.Column("error", sa.String(length=200), nullable=False, server_default=""),
        sa.Column("done_at", MOMENT),
    )
    with op.batch_alter_table("refunds") as batch_op:
        for column in new:
            batch_op.add_column(column)
    op.execute(
        "UPDATE refunds SET state = 'done', key = 'refund-' || id, due_at = recorded_at, done_at = recorded_at,"
        " payment_id = (SELECT max(id) FROM payments WHERE payments.booking_id = refunds.booking_id),"
        " holder = (SELECT 'professional:' || professional_id FROM bookings WHERE bookings.id = booking_id)"
    )
    with op.batch_alter_table("refunds") as batch_op:
        for name, kind in (
            ("payment_id", BIG),
            ("holder", sa.String(length=40)),
            ("state", sa.String(length=20)),
            ("key", sa.String(length=40)),
            ("due_at", MOMENT),
        ):
            batch_op.alter_column(name, existing_type=kind, nullable=False)
        batch_op.alter_column("recorded_by_id", existing_type=BIG, nullable=True)
        batch_op.alter_column("tries", existing_type=sa.SmallInteger(), server_default=None)
        batch_op.alter_column("error", existing_type=sa.String(length=200), server_default=None)
        batch_op.create_foreign_key("fk_refunds_payment_id", "payments", ["payment_id"], ["id"])
        batch_op.create_unique_constraint(op.f("uq_refunds_key"), ["key"])
    op.create_index(op.f("ix_refunds_payment_id"), "refunds", ["payment_id"])
    _partial("ix_refunds_open", "refunds", ["state", "id"], "state <> 'done'")


def _partial(name, table, columns, where, unique=False):
    where = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def downgrade():
    op.drop_table("gateway_events")
    op.drop_table("checkouts")
    op.drop_index("ix_refunds_open", "refunds")
    op.drop_index("ix_refunds_payment_id", "refunds")
    # What goes back by itself has nobody to stand for it.
    op.execute(
        "UPDATE refunds SET recorded_by_id = (SELECT customer_id FROM bookings WHERE bookings.id = booking_id)"
        " WHERE recorded_by_id IS NULL"
    )
    with op.batch_alter_table("refunds") as batch_op:
        batch_op.drop_constraint(op.f("uq_refunds_key"), type_="unique")
        batch_op.drop_constraint("fk_refunds_payment_id", type_="foreignkey")
        batch_op.drop_constraint(op.f("ck_refunds_refund_state"), type_="check")
        batch_op.alter_column("recorded_by_id", existing_type=BIG, nullable=False)
        for name in ("payment_id", "holder", "state", "key", "reference", "tries", "due_at", "error", "done_at"):
            batch_op.drop_column(name)
    for name in ("ix_payments_denied", "ix_payments_claimed", "ix_payments_recorded_at_id", "uq_payments_reference"):
        op.drop_index(name, "payments")
    # What did not count, and what only the new ways can pay, is unknown to the old table.
    op.execute("DELETE FROM payments WHERE status <> 'verified'")
    op.execute("UPDATE payments SET method = 'upi' WHERE method IN ('stripe', 'razorpay')")
    _allow(("cash", "upi"))
    with op.batch_alter_table("payments") as batch_op:
        batch_op.drop_constraint("fk_payments_verified_by_id", type_="foreignkey")
        batch_op.drop_constraint(op.f("ck_payments_payment_status"), type_="check")
        for name in (
            *("status", "reference", "holder", "verified_by_id", "verified_at"),
            *("confirmed_at", "denied_at", "decided_at", "reason"),
        ):
            batch_op.drop_column(name)
    with op.batch_alter_table("professionals") as batch_op:
        batch_op.drop_column("upi_id")
