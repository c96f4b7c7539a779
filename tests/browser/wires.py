"""The network between a browser and a site: a TCP proxy that can be cut, and mended."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Wire:
    """`address` leads to the site as long as the wire is whole."""

    def __init__(self, address: str):
        parts = urlsplit(address)
        self._site = parts.hostname, parts.port
        self._whole = threading.Event()
        self._whole.set()
        self._ends = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._in_thread(self._accept)

    def cut(self) -> None:
        """As a phone in a lift: what is open breaks, and nothing answers."""
        self.go_silent()
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def go_silent(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self.mend()
        self._listener.close()
        self.cut()
        self.mend()

    def _accept(self):
        with suppress(OSError):
            while True:
                self._in_thread(self._join, self._listener.accept()[0])

    def _join(self, client):
        self._whole.wait()
        with suppress(OSError), client, socket.create_connection(self._site) as site:
            self._ends |= {client, site}
            self._in_thread(self._pass_on, site, client)
            self._pass_on(client, site)
            self._ends -= {client, site}

    def _pass_on(self, giver, taker):
        with suppress(OSError):
            while data := giver.recv(65_536):
                self._whole.wait()
                taker.sendall(data)
        for end in (giver, taker):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _in_thread(self, act, *arguments):
        threading.Thread(target=act, args=arguments, daemon=True).start()
