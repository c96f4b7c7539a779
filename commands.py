"""`flask` commands of the operator."""

import os
import signal

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from flask_security import hash_password

import jobs
import mail
import states
from domain import billing, errors, job_runs, ledger, passwords, payments, payouts, ratings, timetable, users
from extensions import begin_write, db
from models import RunStatus


def init_app(app: Flask) -> None:
    for command in (ledger_group, create_admin, recompute_ratings, check_ratings, print_states, scheduler, jobs_group):
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


ledger_group = AppGroup("ledger", help="The books of the site.")


@ledger_group.command("check")
def check_ledger():
    """Prove that the books balance and agree with every bill; exit 1 if they do not."""
    found = [*ledger.faults(), *billing.faults(), *payments.faults(), *payouts.faults()]
    click.echo("\n".join(found) or "The books balance.")
    raise SystemExit(1 if found else 0)


@ledger_group.command("adopt")
def adopt_into_ledger():
    """Write what the site did before it had a ledger: once, after moving to a version that has one."""
    number = 0
    while True:
        begin_write()
        written = billing.adopt()
        db.session.commit()
        if not written:
            break
        number += written
    click.echo(f"{number} bookings are in the books now.")


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


@click.command("scheduler")
@with_appcontext
def scheduler():
    """Run the timetable and send messages, without serving pages, until SIGTERM or Ctrl-C."""
    leaving = {signal.SIGTERM, signal.SIGINT}
    # The threads that begin from here on leave these signals to sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, leaving)
    app = current_app._get_current_object()
    by_itself = [jobs.start(app), mail.start(app)]
    click.echo("The timetable runs. Stop it with Ctrl-C.")
    signal.sigwait(leaving)
    for one in by_itself:
        one.stop(0)
    for one in by_itself:
        one.stop()


jobs_group = AppGroup("jobs", help="What the site does by itself.")


@jobs_group.command("list")
def list_jobs():
    """Say what there is to do, when, and when it was done last."""
    for entry in timetable.overview():
        job, last = entry.job, entry.last
        click.echo(f"{job.name:24}{job.schedule.words}")
        if last is not None:
            click.echo(f"{'':24}{last.period}: {_outcome(last)}")


@jobs_group.command("run")
@click.argument("name")
@click.option("--period", help="A date such as 2026-11-21, or a month such as 2026-11; the present one unless given.")
def run_job(name, period):
    """Do the work of a job now. What has been done for the period is not done again."""
    begin_write()
    try:
        job = timetable.find(name)
        period = timetable.next_period(job) if period is None else timetable.reopen(job, period)
    except errors.DomainError as refusal:
        raise click.ClickException(refusal.message) from None
    db.session.commit()
    jobs.run(current_app._get_current_object(), job, period)
    run = job_runs.find(job.name, period)
    if run.status is not RunStatus.DONE:
        raise click.ClickException(f"{name} {period}: {_outcome(run)}")
    click.echo(f"{name} {period}: {_outcome(run)}")


def _outcome(run):
    if run.status is RunStatus.FAILED:
        return f"failed: {run.error}"
    done = f"{run.count} done, the last run took {run.seconds:.1f} s"
    return done if run.status is RunStatus.DONE else f"{done}, not complete"


@click.command("states")
@with_appcontext
def print_states():
    """Print docs/states.md anew: the table of what can happen to a booking."""
    click.echo(states.document(), nl=False)
