"""Chat and SMS: what reaches a real server through apprise, and what must reach nobody."""

import dataclasses
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import config
import environment
import gateways
from models import Channel, User
from tests.gateway import Server, names_lead_to, say, sent

SPACE, KEY, TOKEN = "AAQAabc_1-2", "AIzaSyKEYKEYKEY", "tOkEn_-abc="
URL = f"https://chat.googleapis.com/v1/spaces/{SPACE}/messages?key={KEY}&token={TOKEN.replace('=', '%3D')}"
HERE = ("127.0.0.0/8", "::1/128")
SMS_URLS = {
    "msg91": "msg91://tmpl5ecret@authkey5ecret/{phone}",
    "twilio": "twilio://AC0123456789abcdef0123456789abcdef:tok5ecret0123456789abcdef0123456@15551230000/{phone}",
    "vonage": "vonage://key5ecret:sec5ecret12345678@15551230000/{phone}",
    "d7sms": "d7sms://tok5ecret@{phone}",
    "plivo": "plivo://MAABCDEFGHIJKLMNOPQR5ecret@tok5ecret0123456789012345678901234567890/15551230000/{phone}",
}
SMS_HERE = {scheme: url.replace("MAABCDEFGHIJKLMNOPQR5ecret", "A" * 25) for scheme, url in SMS_URLS.items()}

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(60)]


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as running:
        yield running


@pytest.fixture
def with_settings(site):
    """with_settings(sms_url=...) runs the site with other settings."""
    usual = site.config["SETTINGS"]

    def change(**values):
        site.config["SETTINGS"] = dataclasses.replace(usual, **values)

    with site.app_context():
        yield change
    site.config["SETTINGS"] = usual


@pytest.fixture
def guard(server):
    import egress

    return egress.Guard(networks=HERE, authorities=str(server.authority))


@pytest.fixture
def deliver(with_settings, monkeypatch, server, guard):
    """Sends to Asha; every name of the world leads to the server of the test, or to `places`."""

    def send(channel=Channel.CHAT, *, url=URL, places=None, subject="News", text="Asha, hello.", timeout=5, **given):
        person = User(name="Asha", phone="+919876543210", chat_url=url)
        with names_lead_to(monkeypatch, *(places or [(server.address, server.port)])):
            gateways.send(channel, person, subject, text, timeout, **{"guard": guard, **given})

    return send


def refused(deliver, *args, **given):
    with pytest.raises(gateways.Undelivered) as refusal:
        deliver(*args, **given)
    return str(refusal.value)


# -- What arrives -----------------------------------------------------------------------------


def test_a_chat_message_arrives_in_the_space_with_its_key_and_token(deliver, server):
    deliver(subject="Tomorrow", text="Tap repair at 11:00 am.\nhttps://doorstep.example/bookings/1")
    (request,) = server.requests
    assert request["path"] == f"/v1/spaces/{SPACE}/messages"
    assert request["query"] == {"key": [KEY], "token": [TOKEN]}
    assert sent(request)["text"] == "Tomorrow\nTap repair at 11:00 am.\nhttps://doorstep.example/bookings/1"


@pytest.mark.parametrize("text", ["नमस्ते आशा 👩🏽‍🔧", "שלום עליכם", "a & b *c* _d_ `e`", "50% off {phone}"])
def test_text_arrives_as_it_was_written(deliver, server, text):
    deliver(subject="", text=text)
    assert sent(server.requests[0])["text"] == text


def test_nobody_is_mentioned_and_no_link_is_disguised(deliver, server):
    deliver(text="<users/all> <https://evil.example|your bank>")
    assert "<" not in sent(server.requests[0])["text"]


def test_a_subject_that_the_text_begins_with_is_said_once(deliver, server):
    for text in ("News", "News\nof your booking", ""):
        deliver(subject="News", text=text)
    assert [sent(request)["text"] for request in server.requests] == ["News", "News\nof your booking", "News"]


def test_a_long_text_is_one_message_cut_short(deliver, server):
    deliver(text="word " * 5000)
    (request,) = server.requests
    text = sent(request)["text"]
    assert len(text) <= 4000
    assert text.endswith("word…")


@pytest.mark.parametrize("scheme", SMS_HERE)
def test_an_sms_goes_to_the_person_by_each_gateway(with_settings, deliver, server, scheme):
    with_settings(sms_url=SMS_HERE[scheme])
    server.answer = say(200, '{"type": "success", "messages": [{"status": "0"}]}')
    deliver(Channel.SMS, subject="Tomorrow", text="x" * 300)
    (request,) = server.requests
    asked = request["body"].decode() + str(request["query"])
    assert "919876543210" in asked
    assert "Tomorrow" in asked
    assert "x" * 161 not in asked


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("vonage", '{"messages": [{"status": "4", "error-text": "Bad"}]}'), ("msg91", '{"type": "error"}')],
)
def test_a_no_in_an_answer_of_200_is_a_no(with_settings, deliver, server, scheme, said):
    with_settings(sms_url=SMS_HERE[scheme])
    server.answer = say(200, said)
    assert "refused the message" in refused(deliver, Channel.SMS)


@pytest.mark.parametrize("said", ["", "[]", "null", "not json", '{"messages": 3}', '{"messages": [1]}'])
def test_an_answer_that_makes_no_sense_is_taken_for_what_its_status_says(with_settings, deliver, server, said):
    with_settings(sms_url=SMS_HERE["vonage"])
    server.answer = say(200, said)
    deliver(Channel.SMS)


# -- What is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_of_the_gateway_is_told(deliver, server, status):
    server.answer = say(status, f"you sent {TOKEN}")
    assert refused(deliver) == f"chat.googleapis.com answered {status}."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://127.0.0.1/latest/meta-data", "http://169.254.169.254/", "/again"])
def test_no_redirect_is_followed(deliver, server, status, target):
    server.answer = say(status, Location=target)
    assert refused(deliver) == f"chat.googleapis.com answered {status}."
    assert len(server.requests) == 1


PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "::1",
    "::",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "fd00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(deliver, server, address):
    import egress

    assert not egress.Guard().allows(address)
    words = refused(deliver, places=[(address, server.port)], guard=None)
    assert words == "chat.googleapis.com could not be reached at a public address."
    assert server.requests == []


def test_a_private_address_is_refused_even_if_another_one_is_allowed(deliver, server):
    import egress

    refused(deliver, guard=egress.Guard(networks=("10.0.0.0/8",), authorities=str(server.authority)))
    assert server.requests == []


def test_a_name_is_looked_up_once_and_its_first_answer_holds(with_settings, monkeypatch, server, guard):
    """A name that answers well first and badly later has nothing to gain: it is not asked again."""
    person = User(name="Asha", chat_url=URL)
    with names_lead_to(monkeypatch, (server.address, server.port), ("10.0.0.1", 443)) as asked:
        gateways.send(Channel.CHAT, person, "News", "Hello", 5, guard)
    assert asked == ["chat.googleapis.com"]
    assert len(server.requests) == 1


def test_a_mapped_address_is_what_it_stands_for():
    import egress

    assert egress.Guard(networks=HERE).allows("::ffff:127.0.0.1")
    assert not egress.Guard(networks=("10.0.0.0/8",)).allows("::ffff:127.0.0.1")
    assert egress.Guard().allows("142.250.77.106")
    assert egress.Guard().allows("2404:6800:4007:80e::200a")


def test_the_certificate_must_be_that_of_the_host(deliver, tmp_path, guard):
    (tmp_path / "other").mkdir()
    with Server(tmp_path / "other", names=("elsewhere.example",)) as other:
        trusting = dataclasses.replace(guard, authorities=str(other.authority))
        words = refused(deliver, places=[(other.address, other.port)], guard=trusting)
        assert words == "chat.googleapis.com has no certificate that can be trusted."
        refused(deliver, guard=dataclasses.replace(guard, authorities=None))
        assert other.requests == []


def test_a_proxy_of_the_environment_is_not_asked(deliver, server, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    deliver()
    assert len(server.requests) == 1


def test_nobody_listens(deliver):
    assert "could not be reached" in refused(deliver, places=[("127.0.0.1", 9)])


# -- How long it takes ------------------------------------------------------------------------


def silent(handler):
    time.sleep(5)


def drops(handler):
    """A byte now and then: each arrives well before any timeout of a single read."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(100):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def drops_of_body(handler):
    try:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


@pytest.mark.parametrize("answer", [silent, drops, drops_of_body])
def test_a_slow_server_is_cut_off_in_time(deliver, server, answer):
    deliver()
    server.answer = answer
    began = time.monotonic()
    assert refused(deliver, timeout=0.6) == "chat.googleapis.com did not answer within 0.6 seconds."
    assert time.monotonic() - began < 4


def test_a_slow_look_up_is_cut_off_in_time(with_settings, monkeypatch, guard, deliver):
    deliver()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_more: time.sleep(6) or [])
    began = time.monotonic()
    with pytest.raises(gateways.Undelivered):
        gateways.send(Channel.CHAT, User(chat_url=URL), "News", "Hello", 0.6, guard)
    assert time.monotonic() - began < 4


def test_a_large_answer_is_not_read(deliver, server):
    server.answer = say(200, "x" * 200_000)
    assert refused(deliver) == "chat.googleapis.com answered too much."


def test_no_thread_and_no_connection_stays_behind(deliver, server):
    import threading

    deliver()
    before = threading.active_count()
    for _ in range(3):
        deliver()
    time.sleep(0.1)
    assert threading.active_count() <= before


# -- Addresses --------------------------------------------------------------------------------

BAD_URLS = [
    "",
    "hello",
    URL.replace("https:", "http:"),
    URL.replace("chat.googleapis.com", "chat.googleapis.com.evil.example"),
    URL.replace("chat.googleapis.com", "evil.example"),
    URL.replace("chat.googleapis.com", "chat.googleapis.com:8443"),
    URL.replace("chat.googleapis.com", "chat.googleapis.com@evil.example"),
    URL.replace("chat.googleapis.com", "me:pw@chat.googleapis.com"),
    URL.replace("chat.googleapis.com", "127.0.0.1"),
    URL.replace("chat.googleapis.com", "[::1]"),
    URL.replace("chat.googleapis.com", "[::1"),
    URL.replace("chat.googleapis.com", "chаt.googleapis.com"),
    URL.replace("/v1/", "/v1/../"),
    URL.replace("/messages", "/messages/../../x"),
    URL.replace(f"key={KEY}", ""),
    URL.replace(f"key={KEY}", f"key={KEY}&key=2"),
    URL.replace(f"key={KEY}", "key=a%0d%0ab"),
    URL.replace(SPACE, "a/b"),
    URL.replace(SPACE, "{workspace.__class__}"),
    "json://chat.googleapis.com/v1/spaces/a/messages?key=a&token=b",
    "gchat://a/b/c",
    "javascript:alert(1)",
    "https:///v1/spaces/a/messages?key=a&token=b",
    "x" * 10**6,
    f"{URL}&pad={'x' * 10**5}&" + "&".join(f"a{n}=1" for n in range(50)),
    "\ud800",
    "👩🏽‍🔧",
]


@pytest.mark.parametrize("url", BAD_URLS, ids=range(len(BAD_URLS)))
def test_an_address_that_is_no_webhook_is_none(with_settings, deliver, url):
    assert gateways.webhook(url) is None
    with pytest.raises(gateways.Unreachable):
        deliver(url=url)


def test_a_webhook_is_kept_without_what_it_does_not_need(with_settings):
    found = gateways.webhook(f"  {URL}&threadKey=x&messageReplyOption=y ")
    assert found == ("chat.googleapis.com", SPACE, KEY, TOKEN)
    assert gateways.webhook(found.url) == found


def test_the_operator_may_name_another_host(with_settings, deliver, server):
    with_settings(chat_hosts=("api.plivo.com",))
    deliver(url=URL.replace("chat.googleapis.com", "api.plivo.com"))
    assert server.requests[0]["headers"]["Host"] == "api.plivo.com"
    assert gateways.webhook(URL) is None


def test_who_has_no_such_channel_is_unreachable(with_settings, guard):
    with_settings(sms_url=SMS_HERE["msg91"])
    for channel in (Channel.CHAT, Channel.SMS):
        with pytest.raises(gateways.Unreachable):
            gateways.send(channel, User(), "News", "Hello", 5)
    with_settings(sms_url="")
    with pytest.raises(gateways.Unreachable):
        gateways.send(Channel.SMS, User(phone="+919876543210"), "News", "Hello", 5)


def test_production_takes_no_guard_of_a_test(with_settings, guard):
    with_settings(env="production")
    with pytest.raises(RuntimeError):
        gateways.send(Channel.CHAT, User(chat_url=URL), "News", "Hello", 5, guard)


# -- Secrets ----------------------------------------------------------------------------------


def everything_said(fault):
    import traceback

    return "".join(traceback.format_exception(fault))


@pytest.mark.parametrize("scheme", [None, *SMS_HERE])
@pytest.mark.parametrize("trouble", ["status", "nobody", "private", "slow", "certificate", "nonsense"])
def test_no_error_and_no_log_tells_a_secret(
    with_settings, deliver, server, guard, caplog, capfd, trouble, scheme
):
    caplog.set_level(logging.DEBUG)
    url = SMS_HERE.get(scheme, "")
    if trouble == "nonsense":
        url = url.replace("@", "@@//?%%") or url
    with_settings(sms_url=url)
    server.answer = {"slow": silent}.get(trouble, say(500, "5ecret"))
    given = {
        "nobody": {"places": [("127.0.0.1", 9)]},
        "private": {"guard": None},
        "certificate": {"guard": dataclasses.replace(guard, authorities=None)},
        "slow": {"timeout": 0.3},
    }.get(trouble, {})
    with pytest.raises(gateways.Undelivered) as refusal:
        deliver(Channel.SMS if scheme else Channel.CHAT, **given)
    said = everything_said(refusal.value) + caplog.text + "".join(capfd.readouterr())
    secrets = [KEY, TOKEN, "5ecret", "9876543210", *re.findall(r"[A-Za-z0-9]{20,}", url)]
    assert [secret for secret in secrets if secret in said] == []


def test_the_address_of_the_sms_gateway_is_not_in_the_settings_as_printed(with_settings, site):
    with_settings(sms_url=SMS_HERE["twilio"])
    assert "5ecret" not in repr(site.config["SETTINGS"])


# -- apprise ----------------------------------------------------------------------------------


def test_the_gateways_are_those_of_the_settings():
    assert tuple(gateways.SMS_GATEWAYS) == environment.SMS_SCHEMES


@pytest.mark.parametrize("path", [gateways.GOOGLE_CHAT, *(one.plugin for one in gateways.SMS_GATEWAYS.values())])
def test_a_plugin_can_only_ask_through_the_guard(path):
    kind = gateways._plugin(path)
    source = Path(sys.modules[kind.__module__].__file__).read_text()
    used = set(re.findall(r"\brequests\.(\w+)", source))
    assert used <= {"post", "get", "codes", "RequestException"}
    others = "socket|http|urllib|urllib3|smtplib|aiohttp|httpx|subprocess"
    assert not re.search(rf"^\s*(import|from) ({others})\b", source, re.MULTILINE)


def test_outside_of_a_delivery_a_plugin_asks_nobody(server):
    plugin = gateways._plugin(gateways.GOOGLE_CHAT)("space", "key", "token")
    with pytest.raises(LookupError):
        plugin.notify(body="Hello")


def test_apprise_is_not_loaded_with_the_site():
    code = "import sys, app; sys.exit('apprise' in sys.modules or 'requests' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=config.ROOT).returncode == 0
