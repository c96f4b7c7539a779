"""editions"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_16"
down_revision = "20261121_15"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "editions",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("mark", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_editions")),
    )


def downgrade():
    op.drop_table("editions")
