"""A process that sends, to be killed: `python -m tests.races.couriering outbox|directly '<settings as JSON>'`.

It ends in peace when its input does.
"""

import json
import smtplib
import sys
from datetime import timedelta

import config
from app import create_app
from domain.deliveries import Terms
from extensions import db
from mail import Courier
from models import User

# As in production, only shorter.
LEASE = 6.0
TERMS = Terms(
    lease=timedelta(seconds=LEASE),
    tries=25,
    first_pause=timedelta(seconds=0.05),
    longest_pause=timedelta(seconds=0.5),
)


def main(way, environ):
    app = create_app(config.load(environ))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if way == "directly":
        send_directly(app)
        return
    courier = Courier(app, terms=TERMS, seconds_between_looks=0.2, seconds_a_step=2.0, seconds_a_message=LEASE - 2)
    courier.start()
    sys.stdin.read()
    courier.stop()


def send_directly(app):
    """The way without an outbox: whoever is to be reminded is written to in a loop."""
    with app.app_context():
        addresses = [user.email for user in db.session.query(User).order_by(User.id)]
    settings = app.config["SETTINGS"]
    for address in addresses:
        try:
            with smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=2) as line:
                line.sendmail("no-reply@example.com", [address], f"To: {address}\r\n\r\nTomorrow\r\n")
        except (OSError, smtplib.SMTPException) as fault:
            app.logger.warning("not sent: %s", fault)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
