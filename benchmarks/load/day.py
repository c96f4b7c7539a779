"""A day of the site as Locust plays it: visitors, customers, professionals and an admin with pages open.

Each looks at a page for two to ten seconds before the next. A page that listens holds its line, and looks again at
what it is told of, as static/js/live.js does. What customers ask for, the professional whom they asked answers.
benchmarks/load/__main__.py starts it, with the people in the file that CAST names.
"""

import html
import itertools
import json
import os
import random
import re
import time
from collections import Counter, deque
from http.cookiejar import Cookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import gevent
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from gevent import socket
from locust import FastHttpUser, between, events, task
from locust.stats import StatsEntry

CAST = json.loads(Path(os.environ["CAST"]).read_text(encoding="utf-8"))
THINKS = tuple(map(float, os.environ["THINKS"].split()))
ASSISTANT = ("How do I cancel a booking?", "What does a visit cost?", "Can I pay by UPI?", "xylophone repair?")
# What a verb may answer when somebody else was quicker; the page says so and shows how it is now.
REFUSALS = (409, 422)

# Who logs out ends all sessions of their account, so these are nobody else's.
BY_PASSWORD, BY_COOKIE = CAST["customers"][::10], [one for n, one in enumerate(CAST["customers"]) if n % 10]
# Bookings that wait for their professional's answer, and jobs to be done now: (booking, customer, professional).
asked = deque(maxlen=1000)
to_do = deque(job for job in CAST["jobs"] if job[1] not in {one[0] for one in BY_PASSWORD})
refused, places = Counter(), itertools.count(1)
_signer = Flask("signer")
_signer.secret_key = os.environ["SECRET_KEY"]
_sign = SecureCookieSessionInterface().get_signing_serializer(_signer).dumps


class Person(FastHttpUser):
    abstract = True
    wait_time = between(*THINKS)
    page, line, host_name = "", None, "127.0.0.1"

    def on_start(self):
        number = next(places)
        # Each has an address of their own, as the proxy in front would tell: what is counted by place stays counted.
        self.place = {"X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        # What a browser asks for once, and then has.
        self.see("/", "/")
        for address in sorted(set(re.findall(r'(?:href|src)="(/static/[^"]+)"', self.page))):
            self.client.get(html.unescape(address), name="/static/…", headers=self.place)

    def on_stop(self):
        self.stop_listening()

    def become(self, user_id):
        """Come with the cookie of somebody who has logged in."""
        self.forget_who()
        name = f"u{user_id}" if user_id else "admin"
        value = _sign({"_user_id": f"{name}.{int(time.time())}", "_fresh": True})
        rest = (None, False, self.host_name, True, False, "/", True, False, None, False, None, None, {})
        self.client.cookiejar.set_cookie(Cookie(0, "session", value, *rest))

    def forget_who(self):
        self.stop_listening()
        self.client.cookiejar.clear()

    # -- Pages --

    def see(self, path, name=None, **options):
        """Open a page, and listen to it as long as it is open."""
        self.stop_listening()
        with self._request("GET", path, name or path, **options) as answer:
            self.page = answer.text or ""
            if answer.status_code == 200 and "</html>" not in self.page:
                answer.failure("not a whole page")
            self._must_be_known(path, answer)
        self._listen()
        return self.page

    def part(self, path, name):
        """What a script asks for."""
        with self._request("GET", path, name, {"HX-Request": "true"}) as answer:
            return answer.text or ""

    def send(self, path, name, **fields):
        """Send a form of the page, and see what comes of it; answer whether it was not refused."""
        self.stop_listening()
        token = re.search(r'name="csrf-token" content="([^"]+)"', self.page)
        fields["csrf_token"] = token and token[1]
        with self._request("POST", path, name, data=fields) as answer:
            self.page = answer.text or ""
            self.at = answer.url or ""
            if answer.status_code in REFUSALS:
                refused[name] += 1
                answer.success()
            self._must_be_known(path, answer)
        self._listen()
        return answer.status_code < 400

    def _must_be_known(self, path, answer):
        """Whoever was sent to the log-in without asking for it has not played their part."""
        if "/login" in (answer.url or "") and "/login" not in path:
            answer.failure("was asked to log in")

    def _request(self, method, path, name, more=None, **options):
        headers = self.place | (more or {})
        return self.client.request(method, path, name=name, headers=headers, catch_response=True, **options)

    def link(self, pattern):
        """The address of one of the page's links that look like this."""
        found = re.findall(pattern, self.page)
        return html.unescape(random.choice(found)) if found else None

    def value(self, name):
        """What the first field of this name says."""
        found = re.search(rf'<input[^>]*? name="{name}"[^>]*? value="([^"]+)"', self.page)
        return found[1] if found else ""

    def pause(self):
        gevent.sleep(random.uniform(*THINKS))

    # -- The line of an open page --

    def _listen(self):
        if found := re.search(r'data-live="([^"]*)" data-known="(\d+)"', self.page):
            looks = re.findall(r'data-look="([^"]*)"[^>]*? hx-get="([^"]*)"', self.page)
            address = html.unescape(found[1])
            address += f"{'&' if '?' in address else '?'}after={found[2]}"
            self.line = gevent.spawn(self._hear, address, [(names.split(), html.unescape(url)) for names, url in looks])

    def stop_listening(self):
        if self.line is not None and self.line is not gevent.getcurrent():
            self.line.kill()
        self.line = None

    def _hear(self, address, looks):
        port = int(self.host.rpartition(":")[2])
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.client.cookiejar)
        began = time.perf_counter()
        with socket.create_connection((self.host_name, port)) as line, line.makefile("rb") as lines:
            asks = {"Host": self.host.partition("//")[2], "Cookie": cookies, **self.place}
            head = "".join(f"{name}: {value}\r\n" for name, value in asks.items())
            line.sendall(f"GET {address} HTTP/1.1\r\n{head}\r\n".encode())
            status = int((lines.readline().split() or [0, 0])[1])
            self.environment.events.request.fire(
                request_type="GET",
                name="/live (until it is open)",
                response_time=(time.perf_counter() - began) * 1000,
                response_length=0,
                exception=None if status in (200, 204) else RuntimeError(f"status {status}"),
            )
            for one in lines:
                if one.startswith(b"data: "):
                    self._look_again(one[6:].decode().split(), looks)

    def _look_again(self, told, looks):
        for names, url in looks:
            if "everything" in told or set(names) & set(told):
                self.part(url, "a part that looks again")


class Looks:
    """What anybody does who looks for somebody."""

    def find(self, customer):
        """Search near an address, look at somebody's page and at another day of theirs."""
        _id, pin, slug = customer
        self.see(f"/search?service={slug}&near={pin}", "/search")
        self.pause()
        if person := self.link(r'href="(/professionals/\d+[^"#]*)"'):
            self.see(person, "/professionals/…")
            self.pause()
            if day := self.link(r'hx-get="(/professionals/\d+/slots\?[^"]*)"'):
                self.page += self.part(day, "/professionals/…/slots")

    def ask_the_assistant(self):
        self.see("/assistant")
        self.pause()
        self.send("/assistant", "POST /assistant", question=random.choice(ASSISTANT))


class Visitor(Looks, Person):
    weight = 35

    @task(6)
    def look_for_somebody(self):
        self.find(random.choice(CAST["customers"]))

    @task(3)
    def look_around(self):
        self.see("/")
        self.pause()
        self.see("/services")
        self.pause()
        if category := self.link(r'href="(/services/[^"#?]+)"'):
            self.see(category, "/services/…")

    @task(2)
    def read(self):
        self.see("/guides")
        self.pause()
        if guide := self.link(r'href="(/guides/(?!tags/|feed)[^"#?]+)"'):
            self.see(guide, "/guides/…")

    @task(1)
    def get_help(self):
        self.see("/help")
        self.pause()
        if article := self.link(r'href="(/help/[^"#?]+)"'):
            self.see(article, "/help/…")

    @task(1)
    def ask(self):
        self.ask_the_assistant()

    @task(1)
    def log_in(self):
        who = random.choice(BY_PASSWORD)[0]
        self.see("/login")
        self.pause()
        self.send("/login", "POST /login", email=f"person{who}@example.com", password=CAST["password"])
        self.pause()
        self.send("/logout", "POST /logout")
        self.forget_who()


class Customer(Looks, Person):
    weight = 38

    def on_start(self):
        super().on_start()
        self.me = random.choice(BY_COOKIE)
        self.become(self.me[0])
        self.mine = []

    @task(5)
    def book(self):
        self.find(self.me)
        if not (slot := self.link(r'href="(/book\?[^"]*starts_at=[^"]*)"')):
            return
        self.see(slot, "/book")
        self.pause()
        key, home = self.value("key"), self.value("address_id")
        fields = {name: value for name, (value,) in parse_qs(urlsplit(slot).query).items()}
        fields |= {"key": key, "address_id": home, "remarks": "Please ring twice"}
        if self.send("/book", "POST /book", **fields) and (there := re.search(r"/bookings/(\d+)", self.at)):
            self.mine.append(int(there[1]))
            asked.append((int(there[1]), self.me[0], int(fields["professional_id"])))

    @task(5)
    def look_how_it_is(self):
        self.see("/customer-dashboard")
        self.pause()
        self.see("/bookings")
        self.pause()
        if one := self.link(r'href="(/bookings/\d+)"'):
            self.see(one, "/bookings/…")

    @task(3)
    def write(self):
        if not self.mine:
            self.look_how_it_is()
            return
        one = random.choice(self.mine)
        self.see(f"/bookings/{one}", "/bookings/…")
        self.pause()
        if f'href="/conversations/{one}' in self.page:
            talk(self, one, "Do you bring the ladder?")

    @task(1)
    def call_off(self):
        if not self.mine:
            return
        one = self.mine.pop()
        self.see(f"/bookings/{one}/cancel", "/bookings/…/cancel")
        self.pause()
        self.send(f"/bookings/{one}/cancel", "POST /bookings/…/cancel", reason="We are away")

    @task(1)
    def look_back(self):
        for path in ("/bookings?show=past", "/suggestions", "/notifications", "/favourites"):
            self.see(path)
            self.pause()

    @task(1)
    def ask(self):
        self.ask_the_assistant()


class Professional(Person):
    weight = 25

    @task(6)
    def answer(self):
        if not asked:
            self.look_at_the_day()
            return
        booking, _customer, me = asked.popleft()
        self.become(me)
        self.see("/professional-dashboard")
        self.pause()
        self.see("/professional/requests")
        self.pause()
        self.see(f"/professional/jobs/{booking}", "/professional/jobs/…")
        self.pause()
        if random.random() < 0.15:
            self._do(booking, "reject", reason="I am away that day")
        elif "/accept" in self.page and self._do(booking, "accept", **self._as_seen()):
            self.pause()
            talk(self, booking, "I will be there, and I bring it all.")

    @task(3)
    def do_a_job(self):
        if not to_do:
            self.look_at_the_day()
            return
        booking, customer, me = to_do.popleft()
        self._open(me, booking)
        self._do(booking, "depart")
        self.pause()
        code = self._customer_sees(customer, booking, r'class="start-code">\s*(\d{4})')
        self._open(me, booking)
        self._do(booking, "start", code=code)
        self.pause()
        self._do(booking, "complete")
        self.pause()
        self._do(booking, "payment", method="cash")
        self.pause()
        self._customer_sees(customer, booking)
        self.send(f"/bookings/{booking}/close", "POST /bookings/…/close")
        self.pause()
        stars = {"rating": random.randint(3, 5), "comment": "Quick and tidy"}
        self.send(f"/bookings/{booking}/review", "POST /bookings/…/review", **stars)

    @task(4)
    def look_at_the_day(self):
        self.become(random.randint(1, CAST["professionals"]))
        self.see("/professional-dashboard")
        self.pause()
        for path in random.sample(("calendar", "earnings", "reviews", "requests", "hours", "history", "scorecard"), 3):
            self.see(f"/professional/{path}")
            self.pause()

    def _do(self, booking, verb, **fields):
        return self.send(f"/professional/jobs/{booking}/{verb}", f"POST /professional/jobs/…/{verb}", **fields)

    def _as_seen(self):
        """What the button to accept says that the professional has seen."""
        form = self.page.partition('/accept"')[2].partition("</form>")[0]
        return dict(re.findall(r'name="(seen|commission)" value="([^"]*)"', form))

    def _open(self, me, booking):
        self.become(me)
        self.see(f"/professional/jobs/{booking}", "/professional/jobs/…")
        self.pause()

    def _customer_sees(self, customer, booking, pattern=""):
        self.become(customer)
        self.see(f"/bookings/{booking}", "/bookings/…")
        self.pause()
        found = re.search(pattern, self.page)
        return found[1] if pattern and found else ""


class Admin(Person):
    weight = 2

    def on_start(self):
        super().on_start()
        self.become(None)

    @task(4)
    def look(self):
        self.see("/admin-dashboard")
        self.pause()
        self.see(f"/admin/{random.choice(('bookings', 'people', 'outbox', 'payments', 'status'))}")

    @task(2)
    def find(self):
        self.see(f"/admin/search?q=person+{random.randint(1, CAST['professionals'])}", "/admin/search")

    @task(1)
    def report(self):
        self.see(random.choice(("/admin/revenue", "/admin/summary", "/admin/reports/cancellations")))


def talk(person, booking, text):
    person.see(f"/conversations/{booking}", "/conversations/…")
    person.pause()
    person.send(f"/conversations/{booking}", "POST /conversations/…", text=text, key=person.value("key"))


@events.quitting.add_listener
def write_down(environment, **_more):
    """The figures, for who started this."""
    seen, broken = environment.stats, environment.runner.exceptions.values()
    without_files = StatsEntry(seen, "pages", "")
    for (name, _method), one in seen.entries.items():
        if not name.startswith("/static/"):
            without_files.extend(one)
    figures = {
        "seconds": (seen.last_request_timestamp or 0) - seen.start_time,
        "errors": [[one.name, str(one.error), one.occurrences] for one in seen.errors.values()],
        "broken": [[one["traceback"], one["msg"], one["count"]] for one in broken],
        "refused": dict(refused),
        "to_do": list(to_do),
        "pages": {one.name: _figures(one) for one in seen.entries.values()},
        "without files": _figures(without_files),
        "all": _figures(seen.total),
    }
    with open(os.environ["FIGURES"], "w", encoding="utf-8") as file:
        json.dump(figures, file)


def _figures(entry):
    p50, p95 = (entry.get_response_time_percentile(share) or 0 for share in (0.5, 0.95))
    return {"requests": entry.num_requests, "failed": entry.num_failures, "p50": p50, "p95": p95}
