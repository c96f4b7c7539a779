"""payouts"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_10"
down_revision = "20261121_09"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEX = "ix_ledger_lines_account"


def upgrade():
    op.add_column("categories", sa.Column("commission", sa.SmallInteger(), nullable=True))
    op.add_column("professionals", sa.Column("commission", sa.SmallInteger(), nullable=True))
    # Who took a job on before there was a commission was promised all of it.
    op.add_column("bookings", sa.Column("commission", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.drop_index(INDEX, "ledger_lines")
    op.create_index(INDEX, "ledger_lines", ["account", "entry_id", "amount"])
    op.create_table(
        "payout_accounts",
        sa.Column("professional_id", BIG, autoincrement=False, nullable=False),
        sa.Column("way", _one_of("bank", "upi", name="payout_way"), nullable=False),
        sa.Column("hint", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_payout_accounts_professional_id")
        ),
        sa.PrimaryKeyConstraint("professional_id", name=op.f("pk_payout_accounts")),
    )
    op.create_table(
        "payout_batches",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("made_by_id", BIG, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["made_by_id"], ["users.id"], name=op.f("fk_payout_batches_made_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_batches")),
    )
    op.create_table(
        "payouts",
        sa.Column("id", BIG, nullable=False),
        sa.Column("batch_id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("status", _one_of("made", "paid", "failed", name="payout_status"), nullable=False),
        sa.Column("hint", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payouts_amount")),
        sa.ForeignKeyConstraint(["batch_id"], ["payout_batches.id"], name=op.f("fk_payouts_batch_id")),
        sa.ForeignKeyConstraint(["professional_id"], ["professionals.id"], name=op.f("fk_payouts_professional_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("batch_id", "professional_id", name=op.f("uq_payouts_batch_id_professional_id")),
    )
    op.create_index(op.f("ix_payouts_professional_id"), "payouts", ["professional_id", "id"])


def downgrade():
    for table in ("payouts", "payout_batches", "payout_accounts"):
        op.drop_table(table)
    op.drop_index(INDEX, "ledger_lines")
    op.create_index(INDEX, "ledger_lines", ["account", "entry_id"])
    for table in ("bookings", "professionals", "categories"):
        op.drop_column(table, "commission")


def _one_of(*values, name):
    return sa.Enum(*values, name=name, native_enum=False, length=20, create_constraint=True)
