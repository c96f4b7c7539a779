"""bills"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_09"
down_revision = "20261121_08"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FORMER_KINDS = ("service", "platform_fee", "tax", "late_fee", "reversal", "refund")
KINDS = ("service", "extra", "platform_fee", "tax", "discount", "late_fee", "reversal", "refund")


def upgrade():
    op.create_table(
        "document_counters",
        sa.Column("kind", _enum("document_kind", "invoice", "credit_note", "receipt"), nullable=False),
        sa.Column("year", sa.String(length=7), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "year", name=op.f("pk_document_counters")),
    )
    op.create_table(
        "coupons",
        sa.Column("id", BIG, nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("percent", sa.SmallInteger(), nullable=True),
        sa.Column("most", sa.BigInteger(), nullable=True),
        sa.Column("least_total", sa.BigInteger(), nullable=False),
        sa.Column("limit_all", sa.Integer(), nullable=True),
        sa.Column("limit_each", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("category_id", BIG, nullable=True),
        sa.Column("service_id", BIG, nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("created_by_id", BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("off_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(amount IS NULL) <> (percent IS NULL)", name=op.f("ck_coupons_worth")),
        sa.CheckConstraint("amount > 0 AND percent BETWEEN 1 AND 100", name=op.f("ck_coupons_size")),
        sa.CheckConstraint("uses >= 0 AND uses <= limit_all", name=op.f("ck_coupons_uses")),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_coupons_category_id")),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name=op.f("fk_coupons_created_by_id")),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_coupons_service_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_coupons_code")),
    )
    op.create_table(
        "rate_items",
        sa.Column("id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["professional_id"], ["professionals.id"], name=op.f("fk_rate_items_professional_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate_items")),
    )
    op.create_index(op.f("ix_rate_items_professional_id"), "rate_items", ["professional_id"])
    op.create_table(
        "coupon_uses",
        sa.Column("booking_id", BIG, nullable=False),
        sa.Column("coupon_id", BIG, nullable=False),
        sa.Column("customer_id", BIG, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_coupon_uses_booking_id")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.id"], name=op.f("fk_coupon_uses_coupon_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_coupon_uses_customer_id")),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_coupon_uses")),
    )
    op.create_index(op.f("ix_coupon_uses_coupon_id"), "coupon_uses", ["coupon_id", "booking_id"])
    op.create_index(op.f("ix_coupon_uses_customer_id"), "coupon_uses", ["customer_id", "coupon_id"])
    op.create_table(
        "documents",
        sa.Column("id", BIG, nullable=False),
        sa.Column("kind", _enum("document_kind", "invoice", "credit_note", "receipt"), nullable=False),
        sa.Column("year", sa.String(length=7), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("booking_id", BIG, nullable=False),
        sa.Column("customer_id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_documents_booking_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_documents_customer_id")),
        sa.ForeignKeyConstraint(["professional_id"], ["professionals.id"], name=op.f("fk_documents_professional_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("kind", "year", "serial", name=op.f("uq_documents_kind_year_serial")),
        sa.UniqueConstraint("number", name=op.f("uq_documents_number")),
    )
    op.create_index(op.f("ix_documents_booking_id"), "documents", ["booking_id", "id"])
    op.create_index(op.f("ix_documents_customer_id"), "documents", ["customer_id", "id"])
    op.create_index(op.f("ix_documents_professional_id"), "documents", ["professional_id", "id"])
    op.create_table(
        "extras",
        sa.Column("id", BIG, nullable=False),
        sa.Column("booking_id", BIG, nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.SmallInteger(), nullable=False),
        sa.Column("status", _enum("extra_status", "open", "approved", "declined", "withdrawn"), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("price > 0 AND quantity > 0", name=op.f("ck_extras_amount")),
        sa.ForeignKeyConstraint(["booking_id"], ["bookings.id"], name=op.f("fk_extras_booking_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extras")),
    )
    op.create_index(op.f("ix_extras_booking_id"), "extras", ["booking_id"])
    with op.batch_alter_table("booking_lines") as batch_op:
        batch_op.add_column(sa.Column("tax", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    _allow_line_kinds(KINDS)
    _fill_in_tax()
    _keep()


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER documents_kept ON documents")
        op.execute("DROP FUNCTION documents_kept()")
    _allow_line_kinds(FORMER_KINDS)
    with op.batch_alter_table("booking_lines") as batch_op:
        batch_op.drop_column("tax")
    for table in ("extras", "documents", "coupon_uses", "rate_items", "coupons", "document_counters"):
        op.drop_table(table)


def _enum(name, *values):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=20)


def _allow_line_kinds(kinds):
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("booking_lines") as batch_op:
        batch_op.drop_constraint(op.f("ck_booking_lines_line_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_booking_lines_line_kind"), f"kind IN ({listed})")


def _fill_in_tax():
    """Until now tax was always a line of its own; a reversal took it off whole, and a refund after all else."""
    op.execute("UPDATE booking_lines SET tax = amount WHERE kind = 'tax'")
    op.execute(
        "UPDATE booking_lines SET tax = -(SELECT coalesce(sum(one.amount), 0) FROM booking_lines AS one"
        " WHERE one.booking_id = booking_lines.booking_id AND one.kind = 'tax') WHERE kind = 'reversal'"
    )
    op.execute(
        "UPDATE booking_lines SET tax = amount + (SELECT coalesce(sum(one.amount), 0) FROM booking_lines AS one"
        " WHERE one.booking_id = booking_lines.booking_id AND one.kind IN ('service', 'platform_fee'))"
        " WHERE kind = 'refund'"
    )
    op.execute("UPDATE booking_lines SET tax = 0 WHERE kind = 'refund' AND tax > 0")


def _keep():
    """What was issued can be neither changed nor taken away."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION documents_kept() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'what was issued stays as it is'; END $$"
        )
        op.execute(
            "CREATE TRIGGER documents_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON documents"
            " FOR EACH STATEMENT EXECUTE FUNCTION documents_kept()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER documents_no_{act.lower()} BEFORE {act} ON documents"
            " BEGIN SELECT RAISE(ABORT, 'what was issued stays as it is'); END"
        )
