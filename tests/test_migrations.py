"""The migrations make exactly what models.py describes, on both databases, or nothing at all."""

import flask_migrate
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask

import models  # noqa: F401  the tables register themselves
from config import ROOT
from extensions import db, migrate
from tests import databases

HALF_WAY = '''
import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade():
    op.create_table("second", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("UPDATE first SET name = 'changed'")
    {then}
'''
FIRST = '''
import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade():
    op.create_table(
        "first", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(20))
    )
    op.create_table(
        "child",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("first_id", sa.Integer(), sa.ForeignKey("first.id", ondelete="CASCADE")),
    )
    op.execute("INSERT INTO first (id, name) VALUES (1, 'as it was')")
    op.execute("INSERT INTO child (id, first_id) VALUES (1, 1)")
'''


@pytest.fixture
def bare_app(worker_name):
    """An application on an empty database, with nothing but its tables."""
    app = Flask("bare")
    app.config["SQLALCHEMY_DATABASE_URI"] = databases.empty(f"{worker_name}_migrations")
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def scratch(bare_app, tmp_path):
    """A folder of migrations that a test writes itself, run by the project's own env.py."""
    for name in ("env.py", "alembic.ini", "script.py.mako"):
        (tmp_path / name).write_text((ROOT / "migrations" / name).read_text())
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "1.py").write_text(FIRST)
    flask_migrate.upgrade(directory=str(tmp_path))

    def run(text):
        (tmp_path / "versions" / "2.py").write_text(text)
        flask_migrate.upgrade(directory=str(tmp_path))

    return run


def test_the_migrations_lead_to_the_models(bare_app):
    flask_migrate.upgrade()

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []
    assert _describe(db.engine) == _as_the_models_say(bare_app)


def test_there_is_one_newest_migration(bare_app):
    assert len(_scripts().get_heads()) == 1


def test_the_migrations_can_be_taken_back(bare_app):
    flask_migrate.upgrade()
    flask_migrate.downgrade(revision="base")

    assert sa.inspect(db.engine).get_table_names() == ["alembic_version"]

    flask_migrate.upgrade()
    assert "bookings" in sa.inspect(db.engine).get_table_names()


def test_running_them_twice_changes_nothing(bare_app):
    flask_migrate.upgrade()
    before = _describe(db.engine)
    flask_migrate.upgrade()
    assert _describe(db.engine) == before


def test_no_migration_depends_on_todays_models():
    for path in (ROOT / "migrations" / "versions").glob("*.py"):
        assert "import models" not in path.read_text(), path.name
        assert "from models" not in path.read_text(), path.name


def test_a_migration_that_fails_half_way_leaves_nothing_behind(scratch, caplog):
    with pytest.raises(SystemExit):
        scratch(HALF_WAY.format(then='raise RuntimeError("half-way")'))

    assert "half-way" in caplog.text
    assert "second" not in sa.inspect(db.engine).get_table_names()
    assert _all("SELECT name FROM first") == [("as it was",)]
    assert _all("SELECT version_num FROM alembic_version") == [("1",)]


def test_a_batch_change_keeps_the_rows_that_refer_to_the_table(scratch):
    scratch(
        HALF_WAY.format(
            then='with op.batch_alter_table("first") as batch:\n'
            '        batch.alter_column("name", existing_type=sa.String(20), type_=sa.String(40))'
        )
    )

    assert _all("SELECT id, first_id FROM child") == [(1, 1)]


def test_a_migration_that_leaves_orphans_is_refused(scratch):
    with pytest.raises((SystemExit, sa.exc.IntegrityError)):
        scratch(HALF_WAY.format(then='op.execute("INSERT INTO child (id, first_id) VALUES (2, 99)")'))

    assert _all("SELECT id FROM child") == [(1,)]
    assert "second" not in sa.inspect(db.engine).get_table_names()


def test_foreign_keys_hold_again_after_a_migration(scratch):
    scratch(HALF_WAY.format(then=""))

    with pytest.raises(sa.exc.IntegrityError), db.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO child (id, first_id) VALUES (3, 99)")


def _as_the_models_say(app):
    """What the models alone would make, for comparison; the site itself never does this."""
    db.drop_all()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    db.create_all()
    return _describe(db.engine)


def _describe(engine) -> dict:
    """Everything about the tables that compare_metadata looks at, and what it does not: checks,
    the conditions of partial indexes, and what a foreign key does on deletion."""
    inspector = sa.inspect(engine)
    found = {}
    for table in inspector.get_table_names():
        if table == "alembic_version":
            continue
        found[table] = {
            "columns": sorted(
                (one["name"], str(one["type"]), one["nullable"], str(one["default"]))
                for one in inspector.get_columns(table)
            ),
            "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign keys": _sorted(inspector.get_foreign_keys(table)),
            "unique": _sorted(inspector.get_unique_constraints(table)),
            "checks": _sorted(inspector.get_check_constraints(table)),
            "indexes": _sorted(inspector.get_indexes(table)),
            "options": str(inspector.get_table_options(table)),
        }
    return found


def _sorted(constraints) -> list[str]:
    return sorted(_plain(one) for one in constraints)


def _plain(value) -> str:
    if isinstance(value, dict):
        return str(sorted((key, _plain(one)) for key, one in value.items()))
    return str(value)


def _all(query: str) -> list[tuple]:
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def _scripts():
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(ROOT / "migrations"))
