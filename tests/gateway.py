"""Somebody else's server, for tests of what leaves the house: HTTPS with a certificate of its own."""

import datetime
import http.server
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("chat.googleapis.com", "control.msg91.com", "api.twilio.com", "rest.nexmo.com", "api.d7networks.com")
NAMES += ("api.plivo.com",)


class Server:
    """Answers every request as `answer(handler)` does, and remembers what it was asked."""

    def __init__(self, folder, address="127.0.0.1", names=NAMES):
        self.requests = []
        self.answer = say(200, "{}")
        self.authority = folder / "authority.pem"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(folder, names))
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = type("Here", (http.server.ThreadingHTTPServer,), {"address_family": family, "daemon_threads": True})
        self._http = kind((address, 0), self._handler())
        self._http.handle_error = lambda *_: None
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.address, self.port = self._http.server_address[:2]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = {"path": parts.path, "query": parse_qs(parts.query), "body": body, "headers": self.headers}
                server.requests.append(asked)
                server.answer(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        return Handler


def say(status, text="", **headers):
    """An answer for a Server."""

    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


def sent(request):
    """The JSON that a request carried."""
    return json.loads(request["body"])


@contextmanager
def names_lead_to(monkeypatch, *places):
    """The names of this world as a test wants them: each look-up answers with the next of (address, port)."""
    asked = []

    def look_up(host, port, *_args, **_more):
        address, own_port = places[min(len(asked), len(places) - 1)]
        asked.append(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        where = (address, own_port or port, 0, 0) if family == socket.AF_INET6 else (address, own_port or port)
        return [(family, socket.SOCK_STREAM, 6, "", where)]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        yield asked


def _certificate(folder, names):
    """A certificate that signs itself, with its key, in one file; what trusts it is authority.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2020, 1, 1)
    alternatives = [x509.DNSName(one) for one in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(datetime.datetime(2100, 1, 1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "authority.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + pem)
    return folder / "server.pem"
