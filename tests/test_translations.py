"""Every language the footer offers is complete: nothing missing, empty, guessed at or misquoted."""

import functools
import gettext
import io
import os
import re
import tempfile
from collections import Counter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import templating
from config import ROOT
from tests import html

TRANSLATED = sorted(set(templating.LANGUAGES) - {"en"})
# As bin/messages asks for them.
KEYWORDS = {**DEFAULT_KEYWORDS, "_l": None, "lazy_gettext": None}
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?.")
DEVANAGARI = re.compile("[\u0900-\u097f]")

each_language = pytest.mark.parametrize("language", TRANSLATED)


@functools.cache
def texts_of_the_code() -> frozenset:
    with open(ROOT / "babel.cfg", encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(ROOT, methods, options, keywords=KEYWORDS)
    return frozenset((text, context) for _file, _line, text, _comments, context in found)


@functools.cache
def catalogue(language: str) -> Catalog:
    with open(folder(language) / "messages.po", "rb") as file:
        return read_po(file, locale=language)


def folder(language):
    return ROOT / "translations" / language / "LC_MESSAGES"


def entries(language):
    """(id, translation, context, flags) of each text, ids and translations as tuples."""
    for one in catalogue(language):
        if one.id:
            yield _forms(one.id), _forms(one.string), one.context, one.flags


def _forms(text) -> tuple:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.fixture(scope="module")
def compiled():
    """What make does before the tests: a fresh .mo beside each .po."""
    for language in TRANSLATED:
        source, target = folder(language) / "messages.po", folder(language) / "messages.mo"
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with tempfile.NamedTemporaryFile(dir=folder(language), suffix=".mo", delete=False) as file:
            write_mo(file, catalogue(language))
        os.replace(file.name, target)


def read_in(client, language, address):
    return client.get(address, headers={"Accept-Language": language})


def heading(page):
    return "".join(html.parse(page.text).find(".//h1").itertext())


def test_there_is_a_catalogue_for_each_language_on_offer():
    assert sorted(path.name for path in (ROOT / "translations").iterdir() if path.is_dir()) == TRANSLATED


@each_language
def test_it_has_exactly_the_texts_of_the_code(language):
    known = {(one.id, one.context) for one in catalogue(language) if one.id}
    assert texts_of_the_code() - known == set(), "run make messages, then translate these"
    assert known - texts_of_the_code() == set(), "run make messages: the code no longer says these"


@each_language
def test_no_text_is_empty_or_fuzzy(language):
    for ids, translations, _context, flags in entries(language):
        assert all(text.strip() for text in translations), ids
        assert "fuzzy" not in flags, ids


@each_language
def test_every_plural_form_is_there(language):
    assert catalogue(language).num_plurals == 2
    for ids, translations, _context, _flags in entries(language):
        assert len(translations) == (catalogue(language).num_plurals if len(ids) == 2 else 1), ids


@each_language
def test_placeholders_are_those_of_the_original(language):
    for ids, translations, _context, _flags in entries(language):
        # Of one thing the number may be left out, where the original leaves it out: "every week".
        of_one, wanted = (Counter(PLACEHOLDER.findall(text)) for text in (ids[0], ids[-1]))
        for number, text in enumerate(translations):
            allowed = (of_one, wanted) if number == 0 else (wanted,)
            assert Counter(PLACEHOLDER.findall(text)) in allowed, (ids, text)


@each_language
def test_no_stray_space_and_questions_stay_questions(language):
    for ids, translations, _context, _flags in entries(language):
        for text in translations:
            assert text == text.strip(), ids
            assert text.endswith("?") == ids[-1].endswith("?"), ids


def test_hindi_sentences_end_with_a_danda():
    for ids, translations, _context, _flags in entries("hi"):
        for text in translations:
            assert text.endswith("।") == ids[-1].endswith("."), ids


@each_language
def test_it_compiles(language):
    file = io.BytesIO()
    write_mo(file, catalogue(language))
    file.seek(0)
    spoken = gettext.GNUTranslations(file)
    for ids, translations, context, _flags in entries(language):
        if len(ids) == 1 and context is None:
            assert spoken.gettext(ids[0]) == translations[0]


def test_hindi_counts_none_and_one_alike(compiled):
    spoken = gettext.translation("messages", ROOT / "translations", ["hi"])
    said = [spoken.ngettext("%(num)s service", "%(num)s services", number) for number in (0, 1, 2)]
    assert said == ["%(num)s सेवा", "%(num)s सेवा", "%(num)s सेवाएँ"]


@pytest.mark.parametrize("address", ["/", "/help", "/services", "/login", "/signup", "/nothing-here"])
def test_a_page_greets_a_reader_of_hindi_in_hindi(client, compiled, address):
    page = read_in(client, "hi-IN,hi;q=0.9,en;q=0.5", address)
    assert html.parse(page.text).get("lang") == "hi"
    assert DEVANAGARI.search(heading(page))


def test_the_dashboards_are_in_hindi(as_, compiled, customer, professional, admin):
    for person, address in (
        (customer, "/customer-dashboard"),
        (professional, "/professional-dashboard"),
        (admin, "/admin-dashboard"),
    ):
        assert DEVANAGARI.search(heading(read_in(as_(person), "hi", address))), address


def test_the_buttons_in_the_footer_change_the_language(client, compiled):
    assert heading(client.get("/help")) == "Help"
    client.post("/language", data={"language": "hi", "next": "/help"})
    assert heading(client.get("/help")) == "मदद"
    client.post("/language", data={"language": "en", "next": "/help"})
    assert heading(client.get("/help")) == "Help"


def test_refusals_are_in_hindi_too(client, compiled):
    sent = {"name": "Asha", "email": "asha", "radius_km": "900", "experience_years": "many"}
    page = client.post("/signup/professional", data=sent, headers={"Accept-Language": "hi"})
    assert "1 से 200 तक की कोई संख्या लिखें।" in page.text
    assert "पूरी संख्या लिखें।" in page.text
    assert "कोई पासवर्ड चुनें।" in page.text
    assert "Enter" not in page.text


def test_money_and_days_are_written_the_indian_way(site, compiled):
    with site.test_request_context(headers={"Accept-Language": "hi"}):
        assert templating.money(12499900) == "₹1,24,999.00"
        assert templating.day(templating.clock.now()) == "सोमवार 23 नवंबर"
        assert templating.when(templating.clock.now()) == "आज, 9:00 am"
