"""Speaks to the gateways behind the pages: asks about payments that were begun, and has money given back.

Nothing is asked within a transaction. What is in hand is due again later, so a crash between the two changes
nothing: the gateway is asked again, and knows what was asked by its key.
"""

import threading

from flask import Flask

import payment_gateways
from domain import checkouts
from extensions import db, written
from payment_gateways import Declined, Unanswered

AT_ONCE = 10

_one_at_a_time = threading.Lock()


def drain(app: Flask, stop: threading.Event) -> int:
    """Ask what is due, and answer how much that was."""
    if not _one_at_a_time.acquire(blocking=False):
        return 0
    try:
        return _drain(app, stop)
    finally:
        _one_at_a_time.release()


def _drain(app, stop):
    asked = 0
    while not stop.is_set():
        with app.app_context():
            # A site on which nothing is due writes nothing.
            due = checkouts.anything_due()
            db.session.rollback()
            did = (_ask_for_refunds(app, stop) + _ask_about_payments(app, stop)) if due else 0
        if not did:
            break
        asked += did
    return asked


def _ask_for_refunds(app, stop):
    claimed = written(checkouts.claim_refunds, AT_ONCE)
    for refund_id, method, payment, amount, key, again in claimed:
        if stop.is_set():
            break
        try:
            notice = payment_gateways.GATEWAYS[method].give_back(payment, amount, key, again)
        except Declined as no:
            written(checkouts.not_refunded, refund_id, str(no))
        except Unanswered as fault:
            app.logger.warning("%s gave no answer about refund %s: %s", method, refund_id, fault)
        else:
            written(checkouts.refunded, refund_id, notice)
    return len(claimed)


def _ask_about_payments(app, stop):
    claimed = written(checkouts.claim_checkouts, AT_ONCE)
    for checkout_id, method, reference in claimed:
        if stop.is_set():
            break
        try:
            notice = payment_gateways.GATEWAYS[method].look(reference)
        except (Declined, Unanswered) as fault:
            app.logger.warning("%s gave no answer about checkout %s: %s", method, checkout_id, type(fault).__name__)
        else:
            written(checkouts.looked, checkout_id, notice)
    return len(claimed)
