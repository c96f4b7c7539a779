"""What keeps a site from going into production: its settings, its accounts, and what it stands on."""

import sys

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy import inspect

import checks
import config
from domain import users
from extensions import db


class UnsafeDeployment(RuntimeError):
    """The site must not start in production like this; the message names each fault."""


def init_app(app: Flask) -> None:
    """Raises UnsafeDeployment when production settings are unsafe."""
    app.cli.add_command(check_deploy)
    if not app.config["SETTINGS"].production or sys.argv[1:2] == [check_deploy.name]:
        return
    if found := faults(app):
        raise UnsafeDeployment("Refusing to start in production:\n- " + "\n- ".join(found))


def faults(app: Flask) -> list[str]:
    """What is unsafe about running this site in production, one sentence each."""
    found = config.faults(app.config["SETTINGS"])
    with app.app_context():
        # Before the first run of init_db.py there is nobody, and no table either.
        if inspect(db.engine).has_table("users") and users.demo_accounts_exist():
            found.append("Demo accounts exist: start production on a database without demo data.")
    return found


@click.command("check-deploy")
@with_appcontext
def check_deploy():
    """Print what keeps this site from starting in production, or from serving well; exit 1 if anything does."""
    found = faults(current_app) + checks.before_deployment()
    click.echo("\n".join(found) or "Nothing found: this site may go into production.")
    raise SystemExit(1 if found else 0)
