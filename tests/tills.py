"""Stripe and Razorpay as far as the site speaks with them, on this machine: for tests of what is asked and answered."""

import http.server
import itertools
import json
import threading
from urllib.parse import parse_qs, urlsplit

CARD, LINK = "https://checkout.stripe.test/", "https://rzp.test/"


class Tills:
    """Keeps what it was asked for; a test says what becomes of it, or has the next calls fail."""

    def __init__(self):
        self.asked, self.orders, self.refunds, self.fail = [], {}, {}, []
        self.pending = False
        self._numbers, self._answers = itertools.count(1), {}
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def pay(self, reference):
        """The customer pays an order on the page of the gateway."""
        order = self.orders[reference]
        order["payment"] = f"{'pi' if reference.startswith('cs') else 'pay'}_{next(self._numbers)}"
        order["status"] = "complete" if reference.startswith("cs") else "paid"
        return order["payment"]

    def end(self, reference):
        self.orders[reference]["status"] = "expired"

    # -- As each of them says it --

    def session(self, reference):
        order = self.orders[reference]
        return {
            "id": reference,
            "object": "checkout.session",
            "url": CARD + reference,
            "client_reference_id": order["key"],
            "amount_total": order["amount"],
            "currency": order["currency"],
            "status": order["status"],
            "payment_status": "paid" if order.get("payment") else "unpaid",
            "payment_intent": order.get("payment"),
        }

    def link(self, reference):
        order = self.orders[reference]
        paid = order.get("payment")
        return {
            "id": reference,
            "short_url": LINK + reference,
            "reference_id": order["key"],
            "amount": order["amount"],
            "currency": order["currency"],
            "status": order["status"],
            "payments": [{"payment_id": paid, "amount": order["amount"], "status": "captured"}] if paid else None,
        }

    def _answer(self, method, path, given):
        match method, path.strip("/").split("/"):
            case "POST", ["v1", "checkout", "sessions"]:
                amount = int(given["line_items[0][price_data][unit_amount]"]) * int(given["line_items[0][quantity]"])
                currency = given["line_items[0][price_data][currency]"]
                return self.session(self._begin("cs", given["client_reference_id"], amount, currency, "open"))
            case "GET", ["v1", "checkout", "sessions", reference]:
                return self.session(reference)
            case "POST", ["v1", "refunds"]:
                return self._refund(given["payment_intent"], int(given["amount"]), given["metadata[key]"], "succeeded")
            case "GET", ["v1", "refunds"]:
                found = [one for one in self.refunds.values() if one["payment_intent"] == given["payment_intent"]]
                return {"object": "list", "data": found}
            case "POST", ["v1", "payment_links"]:
                return self.link(
                    self._begin("plink", given["reference_id"], given["amount"], given["currency"], "created")
                )
            case "GET", ["v1", "payment_links", reference]:
                return self.link(reference)
            case "POST", ["v1", "payments", payment, "refund"]:
                return self._refund(payment, given["amount"], given["notes"]["key"], "processed")
            case "GET", ["v1", "payments", payment, "refunds"]:
                return {"items": [one for one in self.refunds.values() if one["payment_intent"] == payment]}
        raise KeyError(path)

    def _begin(self, kind, key, amount, currency, status):
        reference = f"{kind}_{next(self._numbers)}"
        self.orders[reference] = {"key": key, "amount": amount, "currency": currency, "status": status}
        return reference

    def _refund(self, payment, amount, key, status):
        paid = next(one["amount"] for one in self.orders.values() if one.get("payment") == payment)
        back = sum(one["amount"] for one in self.refunds.values() if one["payment_intent"] == payment)
        if back + amount > paid:
            raise ValueError("More than was paid.")
        number, known = f"re_{next(self._numbers)}", {"key": key}
        status = "pending" if self.pending else status
        self.refunds[number] = {
            "id": number,
            "object": "refund",
            "payment_intent": payment,
            "amount": amount,
            "status": status,
            "metadata": known,
            "notes": known,
        }
        return self.refunds[number]

    def _handler(self):
        tills = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                if self.headers.get("Content-Type") == "application/json":
                    given = json.loads(body)
                else:
                    given = {name: values[0] for name, values in parse_qs(body or parts.query).items()}
                tills.asked.append((self.command, parts.path, given, dict(self.headers)))
                status, answer = tills._hear(self.command, parts.path, given, self.headers)
                said = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        return Handler

    def _hear(self, method, path, given, headers):
        if self.fail:
            status, code = self.fail.pop(0)
            return status, {"error": {"type": code, "code": code, "message": "No.", "description": "No."}}
        key = headers.get("Idempotency-Key") or headers.get("X-Refund-Idempotency")
        if key in self._answers:
            return self._answers[key]
        try:
            answer = 200, self._answer(method, path, given)
        except ValueError as no:
            said = {"type": "invalid_request_error", "code": "BAD_REQUEST_ERROR", "message": str(no)}
            answer = 400, {"error": said | {"description": str(no)}}
        if key:
            self._answers[key] = answer
        return answer
