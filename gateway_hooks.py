"""Where gateways say what has happened. Anybody may call: what counts is the gateway's signature."""

from flask import Blueprint, abort, request

import payment_gateways
from domain import checkouts
from extensions import csrf, settings, takes_raw, written
from models import PaymentMethod
from payment_gateways import Forged

bp = Blueprint("gateway_hooks", __name__)

MOST_KILOBYTES = 256


@bp.post("/webhooks/<gateway>")
@csrf.exempt
@takes_raw(MOST_KILOBYTES)
def hear(gateway):
    """What was signed is taken, or has been; what was not changes nothing."""
    if gateway not in settings.gateways:
        abort(404)
    try:
        notice = payment_gateways.GATEWAYS[gateway].read(request.get_data(), request.headers)
    except Forged:
        abort(400)
    written(checkouts.take_event, PaymentMethod(gateway), notice)
    return "", 204
