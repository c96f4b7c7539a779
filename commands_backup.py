"""`flask` commands of the operator that carry a whole site: backup, restore, and to another database."""

import tempfile
import time
from pathlib import Path

import click
import psycopg
from flask import Flask
from flask.cli import with_appcontext
from flask_migrate.cli import db as db_group
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

import archives
import config
import copying
import recovery
from domain import backups, errors, leases, timetable
from extensions import db, settings

MEGABYTE = 1024 * 1024


def init_app(app: Flask, boot: recovery.Boot) -> None:
    """`boot` makes a site of settings: the one in an archive is started to prove itself."""
    app.cli.add_command(backup)
    app.cli.add_command(_restore(boot))


@click.command("backup")
@click.option("--list", "only_list", is_flag=True, help="Say which backups there are, and make none.")
@with_appcontext
def backup(only_list):
    """Put the database and all uploads into an archive, while the site runs."""
    if only_list:
        for place, shelf in zip(("here", "elsewhere"), archives.shelves(), strict=False):
            for name in shelf.names():
                click.echo(f"{name}  {place}")
        return
    began = time.monotonic()
    try:
        taken = backups.take()
    except errors.DomainError as refusal:
        raise click.ClickException(refusal.message) from None
    click.echo(f"{taken.path}: {taken.rows} rows and {taken.uploads} uploads, {taken.size / MEGABYTE:.1f} MB", nl=False)
    click.echo(f", in {time.monotonic() - began:.1f} s.")
    if settings.backup_url:
        click.echo("It is elsewhere too.")
    for name in taken.thrown_away:
        click.echo(f"Deleted {name}.")
    if taken.lost:
        raise click.ClickException(f"Uploads that the database names are gone: {', '.join(taken.lost)}")


def _restore(boot):
    @click.command("restore")
    @click.argument("archive")
    @click.option("--drill", is_flag=True, help="Only try it out, in a folder that is deleted afterwards.")
    @click.option("--force", is_flag=True, help="Put the backup in the place of the site that is here.")
    @with_appcontext
    def restore(archive, drill, force):
        """Bring a site back from ARCHIVE: a path, a URL, the name of a backup, or latest."""
        began = time.monotonic()
        try:
            if drill:
                _try_out(boot, archive)
            else:
                _bring_back(boot, archive, force)
        except (recovery.Refused, copying.NotPossible) as refusal:
            raise click.ClickException(str(refusal)) from None
        click.echo(f"All of it took {time.monotonic() - began:.1f} s.")

    return restore


def _try_out(boot, where):
    # Where there is room for backups: /tmp may be in memory.
    settings.backup_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drill-", dir=settings.backup_dir) as scratch:
        folder = Path(scratch)
        path, shelf = recovery.find(where, folder)
        erased = recovery.erasures(shelf)
        recovery.rehearse(boot, path, folder, erased, _tell, upload_dir=folder / "uploads", upload_url="")
    click.echo("This backup brings the site back.")


def _bring_back(boot, where, force):
    recovery.prove_free(force)
    # On the disk of the database, so that it can take its place by a new name.
    on = Path(db.engine.url.database).parent if db.engine.dialect.name == "sqlite" else settings.backup_dir
    on.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restoring-", dir=on) as scratch:
        path, shelf = recovery.find(where, Path(scratch))
        site = recovery.rehearse(boot, path, Path(scratch), recovery.erasures(shelf), _tell)
        before = recovery.take_its_place(site)
    click.echo("The site is back.")
    if before is not None:
        click.echo(f"What was there before is {before}: delete it when it is not needed any more.")


def _tell(words, seconds):
    click.echo(f"{'' if seconds is None else f'{seconds:.1f} s':>8}  {words}")


@db_group.command("copy")
@click.option("--to", "url", required=True, help="An empty database at the same migration: postgresql://...")
@click.option("--running", is_flag=True, help="Copy a site that runs: what is written meanwhile stays behind.")
@with_appcontext
def copy_database(url, running):
    """Copy all rows into another database, and compare their numbers and checksums."""
    if timetable.is_led(leases.find()) and not running:
        raise click.ClickException("The site is running. Stop it first, and after a crash wait a minute.")
    db.session.rollback()
    target = create_engine(config.database_url(url), hide_parameters=True)
    began = time.monotonic()
    try:
        copied = copying.copy(db.engine, target, _tell_of)
    except copying.NotPossible as refusal:
        raise click.ClickException(str(refusal)) from None
    except (SQLAlchemyError, psycopg.Error) as fault:
        # What comes after the first line may quote a row.
        said = str(fault).partition("\n")[0]
        raise click.ClickException(f"The copy failed, and nothing of it stays: {said}") from None
    finally:
        target.dispose()
    rows = sum(seen.rows for seen in copied)
    click.echo(f"{rows} rows of {len(copied)} tables are the same in both, in {time.monotonic() - began:.1f} s.")


def _tell_of(seen):
    click.echo(f"{seen.table:28}{seen.rows:>10}  {seen.checksum[:16]}")
