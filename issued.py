"""What an issued document says, for a page or on paper: in the reader's language, and always the same."""

from datetime import date

from flask_babel import gettext as _

import templating
from blocks import Facts, Heading, Table
from domain import documents
from domain.pricing import Line
from models import LineKind
from models_money import Document, DocumentKind


def title(document: Document) -> str:
    return templating.document_title(document)


def blocks(document: Document) -> tuple:
    """The parties, what is charged or given back, and whose it is."""
    parties = Facts(tuple((name, text) for name, text in _parties(document) if text))
    if document.kind is DocumentKind.RECEIPT:
        return (parties, Facts(tuple(_payment(document))))
    return (parties, _lines(document), Heading(_("Whose it is")), Facts(tuple(_parts(document))))


def _parties(document):
    content = document.content
    yield _("Issued on"), templating.full_date(document.issued_at)
    yield _("Issued by"), content["seller"]
    yield _("Address"), content["seller_address"]
    yield _("Tax number"), content["tax_number"]
    yield _("Customer"), content["customer"]
    yield _("Place of the work"), content["address"]
    yield _("Professional"), content["professional"]
    yield _("Booking"), f"{content['booking']} · {content['service']}"
    yield _("Day of the work"), templating.full_date(date.fromisoformat(content["day"]))
    yield _("Changes"), content.get("about")


def _lines(document):
    """What a credit note gives back is above zero, as people write it."""
    sign = _sign(document)
    lines = [Line(LineKind(kind), *rest) for kind, *rest in document.content["lines"]]
    rows = [(templating.line_label(line), templating.money(sign * line.amount)) for line in lines if _is_shown(line)]
    rows.append((_("Total"), templating.money(sign * document.amount)))
    tax = sum(line.tax for line in lines)
    if tax:
        rows.append((_("Tax in it"), templating.money(sign * tax)))
    return Table((_("What"), _("Amount")), tuple(rows))


def _is_shown(line):
    """Where prices contain their tax, its line adds nothing; it is told below the total."""
    return line.amount or line.kind is not LineKind.TAX


def _parts(document):
    sign, content = _sign(document), document.content
    yield content["professional"] or _("Professional"), templating.money(sign * content["professional_has"])
    yield content["seller"], templating.money(sign * content["platform_has"])
    yield _("Tax"), templating.money(sign * content["tax"])


def _payment(document):
    yield _("Paid"), templating.money(document.amount)
    yield _("How"), templating.payment_method(document.content["method"])
    yield _("Still due"), templating.money(document.content["due"])
    if documents.is_void(document):
        yield _("Void"), _("This payment was not made, as was found later.")


def _sign(document):
    return -1 if document.kind is DocumentKind.CREDIT_NOTE else 1
