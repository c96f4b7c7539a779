"""A mail server for tests, which takes mails or refuses them as it is told."""

import datetime
import email
import email.policy
import socket
import ssl
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DROP = "drop"


class Mailbox:
    """What arrived. `refuse(stage)`, called at RCPT, DATA and END, answers a reply, DROP or None."""

    def __init__(self, refuse=lambda stage: None):
        self.refuse = refuse
        self.letters = []
        self.envelopes = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := self._refusal(server, "RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if answer := self._refusal(server, "DATA"):
            return answer
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos, session.ssl))
        return "250 taken"

    def _refusal(self, server, stage):
        answer = self.refuse(stage)
        if answer == DROP:
            server.transport.abort()
            return "421 gone"
        return answer


class _AnyPort(Controller):
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        socket.create_connection((self.hostname, self.port)).close()


@contextmanager
def serving(mailbox, port=0, **kwargs):
    """Runs a server in a thread; gives its port, which is any that is free unless given."""
    controller = _AnyPort(mailbox, hostname="127.0.0.1", port=port, **kwargs)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop(no_assert=True)


def certificate(folder, name="localhost"):
    """A certificate that only its own file vouches for; answers the file and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The clock of a test stands still, that of TLS does not.
        .not_valid_before(now - datetime.timedelta(days=3650))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, key_file = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return file, context
