"""What a booking costs, with the tax on top of the prices or in them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import pricing
from models import LineKind

AMOUNTS = st.integers(0, 10**12)


@pytest.fixture
def priced(app, monkeypatch, settings):
    """priced(tax_mode=..., ...) has the site run with these settings."""

    def with_settings(**values):
        monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(settings, **values))

    return with_settings


def tax_lines(quote):
    return [(line.label, line.amount, line.tax) for line in quote.lines if line.kind is LineKind.TAX]


def test_tax_comes_on_top_of_the_services_and_the_fee(priced):
    priced(platform_fee=1_500, tax_basis_points=1_800)
    quote = pricing.quote_visit([("Tap", 34_900), ("Sink", 20_000)])
    assert tax_lines(quote) == [("GST 18 %", 10_152, 10_152)]
    assert (quote.subtotal, quote.tax, quote.total) == (54_900, 10_152, 66_552)


def test_tax_that_is_in_the_prices_adds_nothing(priced):
    priced(tax_mode="inclusive", platform_fee=1_500, tax_basis_points=1_800)
    quote = pricing.quote_visit([("Tap", 34_900), ("Sink", 20_000)])
    # 56,400 are 118 %, so 8,603.39 are tax, of which 228.81 are of the fee.
    assert tax_lines(quote) == [("GST 18 %", 0, 8_603)]
    assert quote.total == 56_400
    assert quote.subtotal == 54_900 - (8_603 - 229)


@pytest.mark.parametrize("mode", ["added", "inclusive"])
def test_without_a_rate_there_is_no_line_of_tax(priced, mode):
    priced(tax_mode=mode, tax_basis_points=0, platform_fee=0)
    quote = pricing.quote("Tap", 34_900)
    assert [line.kind for line in quote.lines] == [LineKind.SERVICE]
    assert (quote.subtotal, quote.tax, quote.total) == (34_900, 0, 34_900)


@pytest.mark.parametrize(
    "mode, total, tax, work", [("added", 28_320, 4_320, 24_000), ("inclusive", 24_000, 3_661, 20_339)]
)
def test_extras_have_tax_too_and_no_fee(priced, mode, total, tax, work):
    priced(tax_mode=mode)
    quote = pricing.quote_extras([("Filter", 24_000)])
    assert (quote.total, quote.tax, quote.subtotal) == (total, tax, work)


def test_a_discount_leaves_work_and_tax_as_they_are(priced):
    priced(platform_fee=1_500)
    quote = pricing.quote("Tap", 34_900)
    less = pricing.discounted(quote, "WELCOME", 5_000)
    assert less.total == quote.total - 5_000 == sum(line.amount for line in less.lines)
    assert (less.subtotal, less.tax) == (quote.subtotal, quote.tax)


@pytest.mark.parametrize("amount, share", [(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (10, 3)])
def test_half_a_minor_unit_is_rounded_up(amount, share):
    assert pricing.share(amount, 1, 4) == share


@given(amount=AMOUNTS, rate=st.integers(0, 10_000))
def test_a_share_is_never_further_off_than_half(amount, rate):
    off = pricing.round_half_up(amount, rate) * pricing.BASIS_POINTS - amount * rate
    assert -pricing.BASIS_POINTS < 2 * off <= pricing.BASIS_POINTS


@pytest.mark.parametrize("mode", ["added", "inclusive"])
@pytest.mark.parametrize("fee, rate", [(0, 0), (1_500, 1_800), (1, 1), (99_999, 2_750), (7, 9_999)])
def test_a_total_is_the_sum_of_its_lines_and_of_its_parts(priced, mode, fee, rate):
    priced(tax_mode=mode, platform_fee=fee, tax_basis_points=rate)
    for price in (0, 1, 7, 34_900, 10**10 + 1):
        quote = pricing.quote("Work", price)
        assert quote.total == sum(line.amount for line in quote.lines)
        fee_without_tax = quote.total - quote.subtotal - quote.tax
        assert 0 <= fee_without_tax <= fee
        assert 0 <= quote.subtotal <= price
        if mode == "added":
            assert fee_without_tax == fee
