"""Words in two languages and three spellings come down to what they mean."""

import pytest

from domain import wordings
from domain.wordings import Reader, sound

READER = Reader(["cancel my booking", "the professional did not come"], {"plumb": wordings.SERVICE}, {"repair"})


@pytest.mark.parametrize(
    ("devanagari", "latin"),
    [("कब", "kab"), ("चाहिए", "chahiye"), ("आएगा", "aayega"), ("पैसे", "paise"), ("नहीं", "nahi"), ("हफ्ते", "hafte")],
)
def test_hindi_sounds_the_same_in_both_letters(devanagari, latin):
    assert sound(devanagari) == sound(latin)


@pytest.mark.parametrize(
    ("text", "hindi"),
    [
        ("cancel my booking", False),
        ("booking cancel karni hai", True),
        ("बुकिंग रद्द करनी है", True),
        ("do you paint a sofa and a bed", False),
        ("", False),
    ],
)
def test_it_is_known_which_language_it_is(text, hindi):
    assert READER.read(text).hindi is hindi


def test_the_same_question_has_the_same_words():
    assert READER.read("cancel booking").words == READER.read("cancle bookng").words
    assert set(READER.read("booking radd karo").words) == set(READER.read("cancel booking").words)


def test_a_service_is_one_word_however_it_is_called():
    assert READER.read("plumber repair").words == (wordings.SERVICE,)
    assert READER.read("प्लंबर").words == (wordings.SERVICE,)


@pytest.mark.parametrize("text", ["?" * 500, "🙂", "\u0000", "a" * 5000, "क" * 5000, "् ् ्", "12345 ६७८"])
def test_nothing_that_is_typed_is_too_odd(text):
    READER.read(text)
