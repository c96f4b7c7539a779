"""`flask` commands of the operator."""

import click
from flask import Flask
from flask.cli import with_appcontext

from domain import bookings, ratings
from extensions import begin_write, db


def init_app(app: Flask) -> None:
    for command in (recompute_ratings, check_ratings, run_timers):
        app.cli.add_command(command)


@click.command("recompute-ratings")
@with_appcontext
def recompute_ratings():
    """Count every rating again from the reviews and say which were wrong."""
    begin_write()
    wrong = ratings.recompute()
    db.session.commit()
    click.echo(f"{len(wrong)} ratings were wrong and are right now: {wrong}" if wrong else "All ratings were right.")


@click.command("check-ratings")
@with_appcontext
def check_ratings():
    """Say which kept ratings differ from the reviews; exit 1 if any does."""
    wrong = ratings.disagreements()
    click.echo(f"Wrong: {wrong}" if wrong else "All ratings are right.")
    raise SystemExit(1 if wrong else 0)


@click.command("run-timers")
@with_appcontext
def run_timers():
    """Expire overdue requests and close confirmed jobs now, as the scheduler does each minute."""
    begin_write()
    expired, closed = bookings.expire_due(limit=10_000), bookings.close_due(limit=10_000)
    db.session.commit()
    click.echo(f"{expired} expired, {closed} closed.")
