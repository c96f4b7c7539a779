"""What is issued about a booking: invoices, credit notes and receipts, numbered without gaps in a financial year.

A document says what was true when it was issued, whatever is renamed, repriced or anonymised later: the law wants
invoices kept as they were. When it lets go, those who were erased leave them too.

Its number is taken in the transaction of the event that it is about, and on PostgreSQL the row of the counter makes
the next one wait until that is over, so a number is neither lost nor given twice.
"""

from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import Select, and_, exists, false, func, or_, select, text, true, update

from domain import clock, ledger
from domain.errors import NotFound
from domain.job_runs import Step
from domain.paging import Page, keyset
from extensions import db, settings
from models import Booking, BookingLine, LineKind, Role, User
from models_money import Document, DocumentCounter, DocumentKind, Payment, PaymentStatus

# The invoice's own has none; with the law of India in mind a number is of 16 letters at most.
PREFIXES = {DocumentKind.INVOICE: "", DocumentKind.CREDIT_NOTE: "C-", DocumentKind.RECEIPT: "R-"}
OF_BILLS = (DocumentKind.INVOICE, DocumentKind.CREDIT_NOTE)
PEOPLE = ((Document.customer_id, "customer"), (Document.professional_id, "professional"))
BATCH = 500

_ADD_COUNTER = text("INSERT INTO document_counters (kind, year, last) VALUES (:kind, :year, 0) ON CONFLICT DO NOTHING")


# -- Issuing ----------------------------------------------------------------------------------


def bill(booking: Booking, change: dict[str, int]) -> None:
    """Issue what a bill says that no document about it says yet: an invoice, or a credit note when it is lower.

    `change` is what the ledger was just told, by account.
    """
    before = db.session.scalar(_of(booking.id).order_by(Document.id.desc()).limit(1))
    lines = _unissued(booking, before)
    if not lines:
        return
    amount = sum(line.amount for line in lines)
    professional = ledger.professional(booking.professional_id)
    content = {
        "lines": [[line.kind.value, line.label, line.amount, line.tax] for line in lines],
        "last_line": lines[-1].id,
        "professional_has": -change.get(professional, 0),
        "platform_has": -change.get(ledger.PLATFORM, 0),
        "tax": -change.get(ledger.TAX, 0),
        "about": before.number if before else None,
    }
    _issue(DocumentKind.CREDIT_NOTE if amount < 0 else DocumentKind.INVOICE, booking, amount, content)


def receipt(payment: Payment) -> None:
    """Issue what says that a customer paid."""
    content = {"method": payment.method.value, "due": payment.booking.due, "payment": payment.id}
    _issue(DocumentKind.RECEIPT, payment.booking, payment.amount, content)


def financial_year(day: date) -> str:
    """The year that a date belongs to, such as 2026-27, or 2026 where it begins in January."""
    start = settings.financial_year_start
    first = day.year - (day.month < start)
    return str(first) if start == 1 else f"{first}-{(first + 1) % 100:02}"


def since_reversal(lines: list[BookingLine]) -> list[BookingLine]:
    """What still counts of a bill: for a booking called off, only what it costs all the same."""
    last = max((at for at, line in enumerate(lines, 1) if line.kind is LineKind.REVERSAL), default=0)
    return lines[last:]


def _unissued(booking, before):
    """The lines that came since the last document."""
    lines = db.session.scalars(
        select(BookingLine).where(BookingLine.booking_id == booking.id).order_by(BookingLine.id)
    ).all()
    if before is not None:
        return [line for line in lines if line.id > before.content["last_line"]]
    return since_reversal(lines)


def _issue(kind, booking, amount, content):
    year = financial_year(clock.today())
    serial = _next_serial(kind, year)
    db.session.add(
        Document(
            kind=kind,
            year=year,
            serial=serial,
            number=f"{PREFIXES[kind]}{year}/{serial:06}",
            booking_id=booking.id,
            customer_id=booking.customer_id,
            professional_id=booking.professional_id,
            amount=amount,
            content=_parties(booking) | content,
            issued_at=clock.now(),
        )
    )
    db.session.flush()


def _next_serial(kind, year):
    counted = (
        update(DocumentCounter)
        .where(DocumentCounter.kind == kind, DocumentCounter.year == year)
        .values(last=DocumentCounter.last + 1)
        .returning(DocumentCounter.last)
        .execution_options(synchronize_session=False)
    )
    serial = db.session.scalar(counted)
    if serial is None:
        db.session.execute(_ADD_COUNTER, {"kind": kind.value, "year": year})
        serial = db.session.scalar(counted)
    return serial


def _parties(booking):
    return {
        "seller": settings.site_name,
        "seller_address": settings.business_address,
        "tax_number": settings.tax_number,
        "customer": booking.customer.name,
        "address": f"{booking.address_line}, {booking.pin.place} {booking.pincode}",
        "professional": booking.professional.user.name if booking.professional else "",
        "booking": booking.reference,
        "service": booking.title,
        "day": clock.local(booking.starts_at).date().isoformat(),
        "currency": booking.currency,
    }


# -- Reading ----------------------------------------------------------------------------------


def visible_to(user: User) -> Select:
    """The documents that a person may see: those about their own bookings, or all for an admin."""
    theirs = {
        Role.ADMIN: true(),
        Role.CUSTOMER: Document.customer_id == user.id,
        Role.PROFESSIONAL: Document.professional_id == user.id,
    }
    return select(Document).where(theirs.get(user.role, false()))


def get(document_id: int, user: User) -> Document:
    """One document. Raises NotFound for a stranger too."""
    found = db.session.scalar(visible_to(user).where(Document.id == document_id))
    if found is None:
        raise NotFound(_("There is no such document, or it is not yours."))
    return found


def page(user: User, after: str | None = None) -> Page:
    """A page of a person's documents, the newest first."""
    return keyset(visible_to(user), [(Document.id, "desc")], after)


def billed(first: int, last: int) -> dict[int, int]:
    """What the invoices of a booking less its credit notes come to, in minor units: by booking, for all that have
    any and a number from the first to the last."""
    rows = db.session.execute(
        select(Document.booking_id, func.sum(Document.amount))
        .where(Document.booking_id.between(first, last), Document.kind.in_(OF_BILLS))
        .group_by(Document.booking_id)
    )
    return {booking_id: int(amount) for booking_id, amount in rows}


def is_void(document: Document) -> bool:
    """Whether a receipt is of a payment that, as an admin decided, never was made."""
    paid = select(Payment.status).where(Payment.id == document.content.get("payment"))
    return db.session.scalar(paid) is PaymentStatus.REFUSED


# -- Letting go -------------------------------------------------------------------------------


def forget_names(period: str, cursor: int) -> Step:
    """Take out of what was issued long ago the name and address of who is erased; the numbers stay."""
    old = Document.issued_at < clock.now() - timedelta(days=settings.keep_days.invoices)
    found = (
        select(Document, *(_is_named(person, key) for person, key in PEOPLE))
        .where(Document.id > cursor, old, or_(*(_is_named(person, key) for person, key in PEOPLE)))
        .order_by(Document.id)
        .limit(BATCH)
    )
    rows = db.session.execute(found).all()
    for document, customer, professional in rows:
        gone = [*(("customer", "address") if customer else ()), *(("professional",) if professional else ())]
        document.content = document.content | dict.fromkeys(gone, "")
    db.session.flush()
    return Step(len(rows), rows[-1][0].id if len(rows) == BATCH else None)


def _is_named(person, key):
    """Whether a document says the name of a person who is erased."""
    erased = exists().where(User.id == person, User.anonymised_at.is_not(None))
    return and_(Document.content[key].as_string() != "", erased)


def _of(booking_id):
    return select(Document).where(Document.booking_id == booking_id, Document.kind.in_(OF_BILLS))
