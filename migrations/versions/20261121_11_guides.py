"""guides"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_11"
down_revision = "20261121_10"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
TO_DECIDE = sa.text("state IN ('waiting', 'reported')")


def upgrade():
    op.create_table(
        "guides",
        sa.Column("id", BIG, nullable=False),
        sa.Column("slug", sa.String(length=100), nullable=False),
        sa.Column("author_id", BIG, nullable=True),
        sa.Column(
            "state", _one_of("draft", "waiting", "scheduled", "published", name="guide_state"), nullable=False
        ),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.String(length=300), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("edited_at", MOMENT, nullable=False),
        sa.Column("publish_at", MOMENT, nullable=True),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.CheckConstraint("state <> 'published' OR published_at IS NOT NULL", name=op.f("ck_guides_published_at")),
        sa.CheckConstraint("state <> 'scheduled' OR publish_at IS NOT NULL", name=op.f("ck_guides_publish_at")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_guides_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guides")),
        sa.UniqueConstraint("slug", name=op.f("uq_guides_slug")),
    )
    op.create_index("ix_guides_state_published_at", "guides", ["state", "published_at", "id"])
    op.create_index("ix_guides_author_id", "guides", ["author_id", "id"])
    op.create_table(
        "guide_tags",
        sa.Column("guide_id", BIG, nullable=False),
        sa.Column("tag", sa.String(length=40), nullable=False),
        _of_guide("guide_tags"),
        sa.PrimaryKeyConstraint("guide_id", "tag", name=op.f("pk_guide_tags")),
    )
    op.create_index("ix_guide_tags_tag", "guide_tags", ["tag", "guide_id"])
    op.create_table(
        "guide_services",
        sa.Column("guide_id", BIG, nullable=False),
        sa.Column("service_id", BIG, nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        _of_guide("guide_services"),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_guide_services_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("guide_id", "service_id", name=op.f("pk_guide_services")),
    )
    op.create_table(
        "guide_pictures",
        sa.Column("file_id", sa.String(length=40), nullable=False),
        sa.Column("guide_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["stored_files.id"], name=op.f("fk_guide_pictures_file_id")),
        _of_guide("guide_pictures"),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_guide_pictures")),
    )
    op.create_index("ix_guide_pictures_guide_id", "guide_pictures", ["guide_id"])
    op.create_table(
        "guide_words",
        sa.Column("word", sa.String(length=40), nullable=False),
        sa.Column("guide_id", BIG, nullable=False),
        _of_guide("guide_words"),
        sa.PrimaryKeyConstraint("word", "guide_id", name=op.f("pk_guide_words")),
    )
    op.create_index("ix_guide_words_guide_id", "guide_words", ["guide_id"])
    op.create_table(
        "guide_reactions",
        sa.Column("guide_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        _of_guide("guide_reactions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_guide_reactions_user_id")),
        sa.PrimaryKeyConstraint("guide_id", "kind", "user_id", name=op.f("pk_guide_reactions")),
    )
    op.create_index("ix_guide_reactions_user_id", "guide_reactions", ["user_id"])
    op.create_table(
        "guide_comments",
        sa.Column("id", BIG, nullable=False),
        sa.Column("guide_id", BIG, nullable=False),
        sa.Column("author_id", BIG, nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "state", _one_of("waiting", "shown", "reported", "hidden", name="comment_state"), nullable=False
        ),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("reported_by_id", BIG, nullable=True),
        sa.Column("report", sa.String(length=500), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        _of_guide("guide_comments"),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_guide_comments_author_id")),
        sa.ForeignKeyConstraint(["reported_by_id"], ["users.id"], name=op.f("fk_guide_comments_reported_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guide_comments")),
        sa.UniqueConstraint("guide_id", "author_id", "mark", name=op.f("uq_guide_comments_guide_id_author_id_mark")),
    )
    op.create_index("ix_guide_comments_guide_id", "guide_comments", ["guide_id", "id"])
    op.create_index("ix_guide_comments_author_id", "guide_comments", ["author_id"])
    op.create_index(
        "ix_guide_comments_to_decide", "guide_comments", ["id"], sqlite_where=TO_DECIDE, postgresql_where=TO_DECIDE
    )


def downgrade():
    tables = "comments", "reactions", "words", "pictures", "services", "tags"
    for table in (*(f"guide_{one}" for one in tables), "guides"):
        op.drop_table(table)


def _of_guide(table):
    return sa.ForeignKeyConstraint(
        ["guide_id"], ["guides.id"], name=op.f(f"fk_{table}_guide_id"), ondelete="CASCADE"
    )


def _one_of(*values, name):
    return sa.Enum(*values, name=name, native_enum=False, length=20, create_constraint=True)
