"""conversations"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_05"
down_revision = "20261121_04"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
FILE_KINDS = ["photo", "resume", "identity", "evidence"]


def upgrade():
    _allow_files([*FILE_KINDS, "picture"])
    op.create_table(
        "messages",
        sa.Column("id", BIG, nullable=False),
        sa.Column("booking_id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=False),
        sa.Column("sender_id", BIG, nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("file_id", sa.String(40)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("hidden_at", MOMENT),
        sa.Column("hidden_reason", sa.String(500), nullable=False),
        *_references("messages", booking_id="bookings", professional_id="professionals"),
        *_references("messages", sender_id="users", file_id="stored_files"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("booking_id", "sender_id", "mark", name=op.f("uq_messages_booking_id_sender_id_mark")),
        sa.UniqueConstraint("file_id", name=op.f("uq_messages_file_id")),
    )
    op.create_index("ix_messages_conversation", "messages", ["booking_id", "professional_id", "id"])
    op.create_index("ix_messages_sender_id", "messages", ["sender_id"])
    op.create_table(
        "talk_sides",
        sa.Column("booking_id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("newest_id", BIG, nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("received_id", BIG, nullable=False),
        sa.Column("received_at", MOMENT),
        sa.Column("read_id", BIG, nullable=False),
        sa.Column("read_at", MOMENT),
        *_references("talk_sides", booking_id="bookings", professional_id="professionals"),
        *_references("talk_sides", user_id="users", newest_id="messages"),
        sa.PrimaryKeyConstraint("booking_id", "professional_id", "user_id", name=op.f("pk_talk_sides")),
    )
    op.create_index("ix_talk_sides_newest", "talk_sides", ["user_id", "newest_id"])
    _create_partial_index("ix_talk_sides_unread", "talk_sides", "user_id", "unread > 0")
    op.create_table(
        "message_reports",
        sa.Column("id", BIG, nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("by_id", BIG, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by_id", BIG),
        *_references("message_reports", message_id="messages", by_id="users", decided_by_id="users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_reports")),
        sa.UniqueConstraint("message_id", name=op.f("uq_message_reports_message_id")),
    )
    _create_partial_index("ix_message_reports_open", "message_reports", "id", "decided_at IS NULL")


def downgrade():
    op.drop_table("message_reports")
    op.drop_table("talk_sides")
    op.drop_table("messages")
    op.execute("DELETE FROM stored_files WHERE kind = 'picture'")
    _allow_files(FILE_KINDS)


def _references(table, **columns):
    return [
        sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))
        for column, other in columns.items()
    ]


def _create_partial_index(name, table, column, where):
    op.create_index(name, table, [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _allow_files(kinds):
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("stored_files") as batch_op:
        batch_op.drop_constraint(op.f("ck_stored_files_file_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_stored_files_file_kind"), f"kind IN ({listed})")
