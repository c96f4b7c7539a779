"""What the assistant knows is made once for all threads, and anew when the site's content changes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain import assistant, help_articles, knowledge
from domain.knowledge import Passage
from domain.wordings import Wording
from extensions import db
from tests import factories


def ask(text):
    db.session.rollback()
    return assistant.ask(text, None)


def test_every_intent_is_an_article_or_an_answer_and_every_article_can_be_asked_for():
    own, talk = {"my-next", "my-due", "my-bookings"}, {"contact", "hello", "thanks", "none"}
    dynamic = {"price", "slots", "services", "book"} | own | talk
    assert set(knowledge.phrases()) == set(help_articles.articles()) | dynamic


def test_a_title_asked_as_it_stands_leads_to_its_article(app):
    known = knowledge.current()
    missed = [
        (slug, article.titles["en"])
        for slug, article in help_articles.articles().items()
        if slug not in [guess.name for guess in known.guesses(known.read(article.titles["en"]))]
    ]
    assert missed == []


def test_it_is_made_once_and_anew_for_a_new_service(app, monkeypatch):
    first = knowledge.current()
    assert knowledge.current() is first
    factories.service("Parquet polishing", base_price=150_00)
    db.session.commit()
    assert knowledge.current() is not first
    assert [one.name for one in ask("what does parquet polishing cost").services] == ["Parquet polishing"]


def test_threads_that_ask_at_once_make_it_once(app, monkeypatch):
    made = []
    make = knowledge.make
    monkeypatch.setattr(knowledge, "_made", None)
    monkeypatch.setattr(knowledge, "make", lambda *content: made.append(1) or make(*content))

    def question(_number):
        with app.app_context():
            return ask("how do I pay?").name

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(question, range(8))) == {"ways-to-pay"}
    assert made == [1]


def test_another_source_of_passages_is_one_function(app, monkeypatch):
    tale = Passage("Caring for an RO filter", "Sediment cartridges are renewed twice a year.", "/guides/ro")
    monkeypatch.setattr(knowledge, "SOURCES", (*knowledge.SOURCES, lambda services: [tale]))
    monkeypatch.setattr(knowledge, "_made", None)
    # Each test has a database of its own, which to the process is one.
    monkeypatch.setattr(knowledge, "_content", knowledge._content.__wrapped__)
    found = ask("sediment cartridges renewed year")
    assert (found.kind, found.passage) == ("passage", tale)


@pytest.mark.parametrize("text", ["what is the capital of france", "asdfgh", "बिरयानी कैसे पकाते हैं"])
def test_what_is_not_the_sites_is_not_answered(app, text):
    assert ask(text).kind == "nothing"


def test_where_two_things_are_as_likely_it_asks_back(app):
    guesses = [knowledge.Guess("cancelling", 0.5), knowledge.Guess("moving", 0.495), knowledge.Guess("refunds", 0.1)]

    class Torn:
        def guesses(self, _wording):
            return guesses

    words = Wording(("cancel", "move"), ("cancel", "move"), hindi=False)
    assert assistant.understood(Torn(), words) == ("cancelling", "moving")
    guesses[0] = knowledge.Guess("none", 0.9)
    assert assistant.understood(Torn(), words) == ()
