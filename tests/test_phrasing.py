"""The language model that words answers: asked over the wire as a real server would be, and believed in nothing."""

import functools
import json
import subprocess
import sys
import time

import pytest

import egress
import phrasing
from config import ROOT, load
from environment import BadSetting
from tests.gateway import Server, say, sent
from tests.test_assistant import asked, said

KEY = "sk-0123456789"
FEE = "Cancelling late costs ₹100."


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as running:
        yield running


@pytest.fixture
def model(server, set_up, monkeypatch):
    """The model of the test answers on this machine."""
    set_up(llm_url=f"https://127.0.0.1:{server.port}/v1", llm_key=KEY, llm_model="small")
    guard = egress.Guard(networks=("127.0.0.0/8",), authorities=str(server.authority))
    monkeypatch.setattr(phrasing, "worded", functools.partial(phrasing.worded, guard=guard))
    return server


def words(text):
    return say(200, json.dumps({"choices": [{"message": {"content": text}}]}))


def test_it_words_an_article_and_the_source_stays(model, client):
    model.answer = words(FEE)
    page = asked(client, "how do I cancel my booking? asha@example.com, 98450 12345")
    assert FEE in said(page)[1]
    assert "Worded by a language model" in said(page)[1]
    assert 'href="/help/cancelling"' in page
    request = model.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    task, question = (one["content"] for one in sent(request)["messages"])
    assert "late fee of ₹100" in task
    assert question == "how do I cancel my booking? …@… ##### #####"


@pytest.mark.parametrize(
    "answer",
    [
        say(500, "{}"),
        say(200, "no JSON"),
        say(200, "{}"),
        say(302, "", Location="https://example.com/"),
        words(""),
        words("UNKNOWN"),
        words("It costs ₹250."),
        words("See https://example.com/ for more."),
        words("x" * 1201),
        say(200, "x" * 100_000),
    ],
)
def test_whatever_goes_wrong_the_plain_answer_stands(model, client, answer):
    model.answer = answer
    page = asked(client, "how do I cancel my booking?")
    assert "late fee of ₹100" in said(page)[1]
    assert "Worded by" not in page


@pytest.mark.realtime
def test_one_that_does_not_answer_is_not_waited_for(model, client, monkeypatch):
    monkeypatch.setattr(phrasing, "SECONDS", 0.3)
    model.answer = lambda handler: time.sleep(2)
    begun = time.monotonic()
    assert "late fee of ₹100" in said(asked(client, "how do I cancel my booking?"))[1]
    assert time.monotonic() - begun < 60


def test_a_model_on_a_private_network_is_not_asked(server, set_up, app):
    set_up(llm_url=f"https://127.0.0.1:{server.port}/v1", llm_model="small")
    with app.test_request_context():
        assert phrasing.worded("why", "because", "en") is None
    assert server.requests == []


def test_what_is_somebodys_own_never_reaches_a_model(model, as_, customer):
    asked(as_(customer), "when is my next booking?")
    asked(as_(customer), "what do I owe?")
    assert model.requests == []


@pytest.mark.parametrize(
    "values",
    [
        {"LLM_URL": "http://llm.example.com/v1", "LLM_MODEL": "small"},
        {"LLM_URL": "https://name:word@llm.example.com/v1", "LLM_MODEL": "small"},
        {"LLM_URL": "https://llm.example.com/v1"},
    ],
)
def test_settings_of_a_model_that_cannot_be_are_refused(values, tmp_path):
    with pytest.raises(BadSetting):
        load({"INSTANCE_DIR": str(tmp_path), **values})


def test_no_start_of_the_site_loads_what_only_questions_need():
    code = "import sys, app; sys.exit(any(one in sys.modules for one in ('bm25s', 'numpy', 'requests')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
