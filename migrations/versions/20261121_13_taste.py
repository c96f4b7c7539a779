"""taste"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_13"
down_revision = "20261121_12"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade():
    op.create_table(
        "service_pairs",
        sa.Column("service_id", BIG, nullable=False),
        sa.Column("other_id", BIG, nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_service_pairs_service_id")),
        sa.ForeignKeyConstraint(["other_id"], ["services.id"], name=op.f("fk_service_pairs_other_id")),
        sa.PrimaryKeyConstraint("service_id", "other_id", name=op.f("pk_service_pairs")),
    )
    op.create_table(
        "area_services",
        sa.Column("state", sa.String(length=120), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("season", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("service_id", BIG, nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_area_services_service_id")),
        sa.PrimaryKeyConstraint("state", "district", "season", "service_id", name=op.f("pk_area_services")),
    )
    op.create_table(
        "area_professionals",
        sa.Column("state", sa.String(length=120), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("service_id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_area_professionals_service_id")),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_area_professionals_professional_id")
        ),
        sa.PrimaryKeyConstraint(
            "state", "district", "service_id", "professional_id", name=op.f("pk_area_professionals")
        ),
    )
    op.create_index("ix_area_professionals_most", "area_professionals", ["state", "district", "households"])
    op.create_index("ix_area_professionals_professional_id", "area_professionals", ["professional_id"])
    op.create_table(
        "recommendations",
        sa.Column("customer_id", BIG, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("service_id", BIG, nullable=False),
        sa.Column("professional_id", BIG, nullable=True),
        sa.Column("why", _one_of("rhythm", "again", "stars", "beside", "avoid", name="why"), nullable=False),
        sa.Column("about_id", BIG, nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_recommendations_customer_id")),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_recommendations_service_id")),
        sa.ForeignKeyConstraint(["about_id"], ["services.id"], name=op.f("fk_recommendations_about_id")),
        sa.ForeignKeyConstraint(
            ["professional_id"], ["professionals.id"], name=op.f("fk_recommendations_professional_id")
        ),
        sa.PrimaryKeyConstraint("customer_id", "position", name=op.f("pk_recommendations")),
    )
    op.create_index(
        "ix_recommendations_professional_id",
        "recommendations",
        ["professional_id"],
        sqlite_where=sa.text("professional_id IS NOT NULL"),
        postgresql_where=sa.text("professional_id IS NOT NULL"),
    )
    op.create_table(
        "taste_choices",
        sa.Column("customer_id", BIG, autoincrement=False, nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_taste_choices_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_taste_choices")),
    )


def downgrade():
    for table in ("taste_choices", "recommendations", "area_professionals", "area_services", "service_pairs"):
        op.drop_table(table)


def _one_of(*values, name):
    return sa.Enum(*values, name=name, native_enum=False, length=20, create_constraint=True)
