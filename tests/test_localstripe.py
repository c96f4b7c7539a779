"""What localstripe knows of Stripe: payments with signed messages, and refunds. It has no Checkout."""

import http.server
import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import requests
import stripe

from domain import billing, bookings, checkouts, ledger, payments
from extensions import db, settings, written
from models import Booking, PaymentMethod, Status
from models_lifecycle import RefundState
from payment_gateways import GATEWAYS, REFUNDED
from tests import factories

pytestmark = [pytest.mark.slow, pytest.mark.realtime]


@contextmanager
def hooks():
    """A place where messages arrive: (address, messages as they came)."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((body, self.headers["Stripe-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", heard
        server.shutdown()


@pytest.fixture
def localstripe(gateways, set_up, tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), None) as free:
        port = free.server_address[1]
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    set_up(stripe_api=f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: requests.get(f"{settings.stripe_api}/", timeout=5).status_code)
        yield settings.stripe_api
    finally:
        process.terminate()
        process.wait(30)


def wait_for(what, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(requests.ConnectionError):
            if found := what():
                return found
        time.sleep(0.1)
    raise TimeoutError


def test_a_payment_is_heard_of_and_goes_back(app, client, localstripe, customer, professional):
    job = factories.booking(customer, professional, status=Status.ACCEPTED)
    checkout = checkouts.begin(job, customer, PaymentMethod.STRIPE)
    db.session.commit()
    with hooks() as (address, heard):
        requests.post(
            f"{localstripe}/_config/webhooks/site",
            json={"url": address, "secret": settings.stripe_webhook_secret},
            timeout=10,
        ).raise_for_status()
        stripe_ = stripe.StripeClient(settings.stripe_secret_key, base_addresses={"api": localstripe}).v1
        card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        way = stripe_.payment_methods.create(params={"type": "card", "card": card})
        intent = stripe_.payment_intents.create(
            params={
                "amount": checkout.amount,
                "currency": "inr",
                "payment_method": way.id,
                "confirm": True,
                "metadata": {"key": checkout.key},
            }
        )
        body, signature = wait_for(lambda: next((one for one in heard if b"payment_intent.succeeded" in one[0]), None))
    client.csrf = False
    for _time in range(2):
        answer = client.post("/webhooks/stripe", data=body, headers={"Stripe-Signature": signature})
        assert answer.status_code == 204
    changed = json.dumps(json.loads(body)).encode()
    assert client.post("/webhooks/stripe", data=changed, headers={"Stripe-Signature": signature}).status_code == 400
    job = db.session.get(Booking, job.id)
    assert (job.paid, job.payments[0].reference) == (job.total, intent.id)

    bookings.cancel(job, customer)
    db.session.commit()
    (refund,) = job.refunds
    (asked,) = written(checkouts.claim_refunds, 10)
    notice = GATEWAYS["stripe"].give_back(asked[2], asked[3], asked[4], again=False)
    assert notice.kind == REFUNDED
    # It knows no idempotency: what it has done is found by our key.
    assert GATEWAYS["stripe"].give_back(asked[2], asked[3], asked[4], again=True) == notice
    written(checkouts.refunded, refund.id, notice)
    assert refund.state is RefundState.DONE
    assert [*ledger.faults(), *billing.faults(), *payments.faults()] == []
