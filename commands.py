"""`flask` commands of the operator."""

import os

import click
from flask import Flask
from flask.cli import with_appcontext
from flask_security import hash_password

import states
from domain import bookings, errors, passwords, ratings, users
from extensions import begin_write, db


def init_app(app: Flask) -> None:
    for command in (create_admin, recompute_ratings, check_ratings, run_timers, print_states):
        app.cli.add_command(command)


@click.command("create-admin")
@click.option("--email", envvar="ADMIN_EMAIL", prompt="E-mail address")
@click.option("--name", envvar="ADMIN_NAME", default="Admin", show_default=True)
@with_appcontext
def create_admin(email, name):
    """Make an account for an admin; the password is asked for, or read from ADMIN_PASSWORD."""
    password = os.environ.get("ADMIN_PASSWORD") or click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if fault := passwords.fault(password):
        raise click.ClickException(fault)
    password_hash = hash_password(passwords.normalised(password))
    begin_write()
    try:
        admin = users.add_admin(email=email, name=name, password_hash=password_hash)
    except errors.Invalid as refusal:
        raise click.ClickException(refusal.message) from None
    if admin is None:
        raise click.ClickException(f"{email} has an account already.")
    db.session.commit()
    click.echo(f"{admin.email} can log in as admin now.")


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


@click.command("states")
@with_appcontext
def print_states():
    """Print docs/states.md anew: the table of what can happen to a booking."""
    click.echo(states.document(), nl=False)
