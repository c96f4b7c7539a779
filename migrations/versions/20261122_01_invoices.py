"""names on invoices"""

from alembic import op

revision = "20261122_01"
down_revision = "20261121_17"
branch_labels = None
depends_on = None

# What says whom a document is about, and may be taken out of it when the law lets go; nothing else may change.
NAMES = ("customer", "address", "professional")
REFUSAL = "what was issued stays as it is"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        _on_postgresql()
    else:
        _on_sqlite()


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER documents_changed ON documents")
        op.execute("DROP FUNCTION documents_changed()")
        op.execute("DROP TRIGGER documents_kept ON documents")
        _keep_on_postgresql("UPDATE OR DELETE OR TRUNCATE")
        return
    op.execute("DROP TRIGGER documents_no_update")
    _refuse_on_sqlite("")


def _on_postgresql():
    op.execute("DROP TRIGGER documents_kept ON documents")
    _keep_on_postgresql("DELETE OR TRUNCATE")
    names = ", ".join(f"'{name}'" for name in NAMES)
    emptied = " AND ".join(f"NEW.content ->> '{name}' IN ('', OLD.content ->> '{name}')" for name in NAMES)
    op.execute(
        "CREATE FUNCTION documents_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF to_jsonb(NEW) - 'content' = to_jsonb(OLD) - 'content'"
        f" AND NEW.content::jsonb - ARRAY[{names}] = OLD.content::jsonb - ARRAY[{names}] AND {emptied}"
        f" THEN RETURN NEW; END IF; RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER documents_changed BEFORE UPDATE ON documents"
        " FOR EACH ROW EXECUTE FUNCTION documents_changed()"
    )


def _on_sqlite():
    columns = "id, kind, year, serial, number, booking_id, customer_id, professional_id, amount, issued_at"
    old, new = (", ".join(f"{row}.{column}" for column in columns.split(", ")) for row in ("old", "new"))
    paths = ", ".join(f"'$.{name}'" for name in NAMES)
    emptied = " AND ".join(
        f"json_extract(new.content, '$.{name}') IN ('', json_extract(old.content, '$.{name}'))" for name in NAMES
    )
    rest = f"json_remove(new.content, {paths}) = json_remove(old.content, {paths})"
    op.execute("DROP TRIGGER documents_no_update")
    _refuse_on_sqlite(f"WHEN (({old}) IS ({new}) AND {rest} AND {emptied}) IS NOT TRUE")


def _keep_on_postgresql(acts):
    op.execute(
        f"CREATE TRIGGER documents_kept BEFORE {acts} ON documents"
        " FOR EACH STATEMENT EXECUTE FUNCTION documents_kept()"
    )


def _refuse_on_sqlite(when):
    op.execute(
        f"CREATE TRIGGER documents_no_update BEFORE UPDATE ON documents {when}"
        f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )
