"""Runs the migrations in one transaction, on SQLite and on PostgreSQL alike."""

from contextlib import contextmanager
from datetime import UTC, datetime

from alembic import context
from flask import current_app
from sqlalchemy.types import TypeDecorator

database = current_app.extensions["migrate"].db
configuration = current_app.extensions["migrate"].configure_args


def run():
    # Another database than the site's own, such as that in a backup (see copying.py).
    engine = context.config.attributes.get("engine") or database.engine
    with engine.connect() as connection, _foreign_keys_off(connection):
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            transactional_ddl=True,
            render_item=_render_item,
            process_revision_directives=_name_by_date,
            **configuration,
        )
        with context.begin_transaction():
            context.run_migrations()
            _refuse_orphans(connection)


@contextmanager
def _foreign_keys_off(connection):
    """A batch change copies a table and drops the old one: with foreign keys on, SQLite would
    delete the rows of other tables that cascade from it. It heeds the switch only outside a
    transaction, hence the driver's own connection."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF").close()
    try:
        yield
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON").close()


def _refuse_orphans(connection):
    if connection.dialect.name != "sqlite":
        return
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        raise RuntimeError(f"the migration leaves rows that refer to nothing: {orphans[:10]}")


def _render_item(kind, item, _autogenerate_context):
    """Write the plain type of a column, so that a migration never imports models.py."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


def _name_by_date(migration_context, _revision, directives):
    """Revisions are named by their day and a number: 20261121_01."""
    script = directives[0]
    if script.upgrade_ops is not None and script.upgrade_ops.is_empty():
        directives.clear()
        return
    day = f"{datetime.now(UTC):%Y%m%d}"
    known = [one.revision for one in context.script.walk_revisions() if one.revision.startswith(day)]
    script.rev_id = f"{day}_{len(known) + 1:02d}"


run()
