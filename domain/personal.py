"""What the site holds about one person: which columns of which rows they get as a copy, and why not the rest.

Every table and every column is decided here; a test fails for a new one. Nothing of it opens anything, and of
other people it says only what the person is shown on the site as well.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum

from sqlalchemy import ColumnElement, func, or_, select, tuple_

from domain import clock, files
from extensions import db, settings
from models import StoredFile, User

ROWS_IN_A_PIECE = 1_000
# Whose a row is that belongs to a booking: that of its customer and of its professional.
BOTH = "booking_id.customer_id booking_id.professional_id"
OPENS = "opens an account, a door or a chat, or is encrypted; the pages show as much of it as is safe"
INNER = "keeps the site running and says nothing about the person"
COPY = "is a copy of what another file says, for searching"
OTHERS = "is about somebody else, or was written by them for themselves"


@dataclass(frozen=True)
class Share:
    """A file of the copy: these columns of the rows of a table that are the person's.

    `whose` is the column that holds the person's id, or the way to it over other tables; several
    are alternatives.
    """

    table: str
    whose: str
    columns: str
    part: str = ""

    @property
    def name(self) -> str:
        return f"{self.table}{self.part}.json"


SHARES = (
    Share(
        "users",
        "id",
        "id role email name phone locale photo_id message_choices last_seen_at demo created_at erase_at agreed_version"
        " blocked_reason active confirmed_at tf_primary_method",
    ),
    Share("addresses", "customer_id", "id label line pincode created_at archived_at"),
    Share("consents", "user_id", "id about version given at place"),
    Share(
        "professionals",
        "id",
        "id bio experience_years hourly_rate upi_id commission base_pincode lat lon radius_km languages resume_id"
        " identity_id approval approval_reason applied_at approved_at paused speed_kmh warned_at warned_of suspended_at"
        " counts_from rating_sum rating_count rank offers_answered offers_accepted last_job_at",
    ),
    Share("offerings", "professional_id", "service_id own_price listed lat lon radius_km rating rank experience_years"),
    Share("working_hours", "professional_id", "id weekday starts_minute ends_minute"),
    Share("time_off", "professional_id", "id starts_at ends_at note calendar_id"),
    Share("sick_days", "professional_id", "day marked_at"),
    Share("rate_items", "professional_id", "id label price"),
    Share("area_professionals", "professional_id", "state district service_id households"),
    Share("outside_calendars", "professional_id", "id name created_at read_at failures error"),
    Share(
        "bookings",
        "customer_id",
        "id customer_id professional_id service_id status starts_at ends_at address_line pincode remarks currency"
        " subtotal total paid refunded respond_by created_at accepted_at completed_at closed_at cascade moves"
        " series_id rework_of_id",
    ),
    Share(
        "bookings",
        "professional_id",
        "id customer_id professional_id service_id status starts_at ends_at pincode currency subtotal total paid"
        " refunded commission respond_by created_at accepted_at completed_at closed_at cascade moves series_id"
        " rework_of_id",
        "_as_professional",
    ),
    Share("booking_services", BOTH, "booking_id service_id position price duration_minutes"),
    Share("booking_lines", BOTH, "id booking_id kind label amount tax"),
    Share("booking_events", BOTH, "id booking_id verb from_status to_status actor_id at"),
    Share("booking_events", "actor_id", "id booking_id verb at reason cause", "_by_you"),
    Share("booking_offers", "professional_id", "booking_id position status created_at answered_at"),
    Share("proposals", BOTH, "id booking_id by_id starts_at note status created_at lapses_at answered_at"),
    Share("extras", BOTH, "id booking_id label price quantity status proposed_at answered_at"),
    Share(
        "disputes", BOTH, "id booking_id words opened_at answer answered_at outcome refund reason resolved_at"
    ),
    Share(
        "dispute_photos",
        "dispute_id.booking_id.customer_id dispute_id.booking_id.professional_id",
        "dispute_id position file_id",
    ),
    Share(
        "payments",
        BOTH,
        "id booking_id method status amount reference holder recorded_by_id recorded_at verified_at confirmed_at"
        " denied_at decided_at reason",
    ),
    Share(
        "checkouts",
        "booking_id.customer_id",
        "id booking_id method status amount currency reference created_at expires_at",
    ),
    Share("refunds", BOTH, "id booking_id payment_id amount reason holder state reference recorded_at done_at"),
    Share("coupon_uses", "customer_id", "booking_id coupon_id amount used_at given_back_at"),
    Share(
        "documents",
        "customer_id professional_id",
        "id kind year serial number booking_id customer_id professional_id amount content issued_at",
    ),
    Share("payout_accounts", "professional_id", "way hint changed_at"),
    Share("payouts", "professional_id", "id batch_id amount status hint ended_at reason"),
    Share(
        "reviews",
        "customer_id",
        "id booking_id customer_id professional_id rating comment reply replied_at created_at edited_at hidden_at",
    ),
    Share(
        "reviews",
        "professional_id",
        "id booking_id rating comment reply replied_at created_at edited_at hidden_at",
        "_about_you",
    ),
    Share("series", "customer_id professional_id", "id customer_id professional_id service_id every created_at"),
    Share(
        "waits",
        "customer_id",
        "id professional_id service_id address_id day status created_at starts_at held_until",
    ),
    Share("favourites", "customer_id", "professional_id created_at"),
    Share("blocked_pairs", "by_id", "id customer_id professional_id created_at"),
    Share("appeals", "professional_id", "id words created_at granted answer answered_at"),
    Share(
        "recommendations",
        "customer_id",
        "position service_id professional_id why about_id number score since until",
    ),
    Share("taste_choices", "customer_id", "off"),
    Share("messages", "sender_id", "id booking_id professional_id text file_id created_at hidden_at hidden_reason"),
    Share("messages", BOTH, "id booking_id sender_id created_at", "_of_your_bookings"),
    Share("message_reports", "by_id", "id message_id reason created_at decided_at"),
    Share(
        "talk_sides", "user_id", "booking_id professional_id newest_id unread received_id received_at read_id read_at"
    ),
    Share("positions", "booking_id.professional_id", "booking_id since lat lon accuracy at set_off_at set_off_km"),
    Share("notifications", "user_id", "id kind booking_id data created_at read_at"),
    Share("outbox", "user_id", "id kind channel address booking_id status tries subject created_at sent_at"),
    Share(
        "guides",
        "author_id",
        "id slug state language title summary text reason created_at edited_at publish_at published_at",
    ),
    Share("guide_tags", "guide_id.author_id", "guide_id tag"),
    Share("guide_services", "guide_id.author_id", "guide_id service_id position"),
    Share("guide_pictures", "guide_id.author_id", "file_id guide_id"),
    Share("guide_comments", "author_id", "id guide_id text state created_at reason decided_at"),
    Share("guide_comments", "reported_by_id", "id guide_id report", "_reported_by_you"),
    Share("guide_reactions", "user_id", "guide_id kind"),
    Share("stored_files", "owner_id", "id kind content_type size created_at"),
    Share("api_keys", "user_id", "id name hint scopes created_at last_used_at expires_at revoked_at"),
    Share("api_sessions", "user_id", "id created_at expires_at"),
    Share("webhooks", "created_by_id", "id verbs created_at paused_at removed_at"),
    Share("exports", "admin_id", "id kind filters excel status created_at finished_at expires_at"),
    Share("audit_entries", "actor_id", "id action subject_type subject_id detail address at"),
)
# The columns of these tables that are in no file.
LEFT_OUT = {
    "addresses": {"customer_id": COPY},
    "api_keys": {"hash": OPENS, "user_id": COPY},
    "api_sessions": {"session refresh_jti": OPENS, "user_id": COPY},
    "appeals": {"professional_id": COPY, "answered_by_id": OTHERS},
    "area_professionals": {"professional_id": COPY},
    "audit_entries": {"actor_id": COPY},
    "blocked_pairs": {"by_id": COPY},
    "booking_offers": {"professional_id": COPY},
    "bookings": {"code_salt code_tries": OPENS},
    "checkouts": {"key url": OPENS, "due_at tries": INNER},
    "consents": {"user_id": COPY},
    "coupon_uses": {"customer_id": COPY},
    "disputes": {"resolved_by_id": OTHERS},
    "exports": {"admin_id": COPY, "key holder total done file_name size error started_at": INNER},
    "favourites": {"customer_id": COPY},
    "guide_comments": {"author_id reported_by_id": COPY, "mark": INNER},
    "guide_reactions": {"user_id": COPY},
    "guides": {"author_id": COPY},
    "message_reports": {"by_id": COPY, "decided_by_id": OTHERS},
    "messages": {"mark": INNER},
    "notifications": {"user_id": COPY},
    "offerings": {"professional_id": COPY},
    "outbox": {
        "user_id": COPY,
        "data body": OPENS,
        "key webhook_id due_at lease leased_until error": INNER,
    },
    "outside_calendars": {"professional_id": COPY, "url": OPENS, "due_at lease leased_until": INNER},
    "payments": {"verified_by_id": OTHERS},
    "payout_accounts": {"professional_id": COPY, "sealed": OPENS},
    "payouts": {"professional_id": COPY, "sealed": OPENS},
    "rate_items": {"professional_id": COPY},
    "recommendations": {"customer_id": COPY},
    "refunds": {"key due_at tries error": INNER, "recorded_by_id": OTHERS},
    "reviews": {"hidden_reason": OTHERS},
    "sick_days": {"professional_id": COPY, "marked_by_id": OTHERS},
    "stored_files": {"owner_id": COPY},
    "talk_sides": {"user_id": COPY},
    "taste_choices": {"customer_id": COPY},
    "time_off": {"professional_id": COPY},
    "users": {
        "chat_url feed_salt password fs_uniquifier tf_totp_secret tf_last_counter mf_recovery_codes": OPENS,
        "name_key": COPY,
        "anonymised_at": "is empty for whoever can ask",
    },
    "waits": {"customer_id": COPY},
    "webhooks": {"created_by_id": COPY, "url secret": OPENS},
    "working_hours": {"professional_id": COPY},
}
CATALOGUE = "is what the site offers, the same for everybody"
COUNTED = "counts what many did; whose it was is not kept"
# Tables of which nothing is in the copy.
LEFT_OUT_WHOLE = {
    "api_results": "keeps what a program was answered for a day, encrypted",
    "area_services": COUNTED,
    "categories": CATALOGUE,
    "cities": CATALOGUE,
    "city_names": CATALOGUE,
    "coupons": CATALOGUE,
    "demand": COUNTED,
    "demand_series": COUNTED,
    "document_counters": INNER,
    "editions": INNER,
    "forecasts": COUNTED,
    "gateway_events": INNER,
    "guide_words": COPY,
    "idempotency_keys": INNER,
    "job_runs": INNER,
    "later_names": COPY,
    "leases": INNER,
    "ledger_entries": "is the site's books; payments, documents and payouts say the same",
    "ledger_lines": "is the site's books; payments, documents and payouts say the same",
    "open_questions": "nothing in it says who asked",
    "payout_batches": INNER,
    "pin_codes": CATALOGUE,
    "revenue_days": COUNTED,
    "search_misses": COUNTED,
    "service_pairs": COUNTED,
    "services": CATALOGUE,
    "shortages": COUNTED,
    "slot_claims": "is the time of the bookings, quarter by quarter",
    "tallies": COUNTED,
    "trips": COUNTED,
}


@dataclass(frozen=True)
class Part:
    """One JSON file of a copy, as the writer of exports takes it: a list with an object for each row."""

    share: Share
    user_id: int
    heading: str = "["

    @property
    def name(self) -> str:
        return self.share.name

    def count(self) -> int:
        table = db.metadata.tables[self.share.table]
        return db.session.scalar(select(func.count()).select_from(table).where(self._mine()))

    def pieces(self) -> Iterator[tuple[str, int]]:
        """Some rows as text, and how many; then the next. The transaction may end between two pieces."""
        table = db.metadata.tables[self.share.table]
        names, key = self.share.columns.split(), list(table.primary_key)
        found = select(*(table.c[name] for name in names), *(one.label(f"_{one.name}") for one in key))
        found = found.where(self._mine()).order_by(*key).limit(ROWS_IN_A_PIECE)
        before, after = "\n", None
        while True:
            step = found if after is None else found.where(tuple_(*key) > after)
            rows = db.session.execute(step).all()
            objects = [json.dumps(_plain(zip(names, row, strict=False)), ensure_ascii=False) for row in rows]
            yield before + ",\n".join(objects) if objects else "", len(rows)
            if len(rows) < ROWS_IN_A_PIECE:
                break
            before, after = ",\n", tuple(rows[-1][len(names) :])
        yield "\n]\n", 0

    def _mine(self):
        return mine(self.share, self.user_id)


def parts(user_id: int) -> list[Part]:
    """The files about one person, in the order in which they are written."""
    return [Part(share, user_id) for share in SHARES]


def uploads(user_id: int) -> Iterator[tuple[str, bytes]]:
    """What somebody uploaded, by the names that it has in the copy."""
    owned = select(StoredFile).where(StoredFile.owner_id == user_id).order_by(StoredFile.id)
    for file in db.session.scalars(owned).all():
        content = files.content_of(file)
        if content is not None:
            yield f"uploads/{file.id}.{'pdf' if file.content_type == files.PDF else 'jpg'}", content


def about(user_id: int) -> str:
    """What stands at the beginning of a copy: whose it is, of when, from whom, and what is not in it."""
    person = db.session.get_one(User, user_id)
    left_out = {table: dict(columns) for table, columns in LEFT_OUT.items()}
    said = {
        "site": settings.site_url,
        "operator": settings.operator,
        "contact": settings.grievance_contact or settings.contact_email,
        "person": {"id": person.id, "name": person.name, "email": person.email},
        "made_at": clock.now().isoformat(),
        "times": "UTC",
        "amounts": f"{settings.currency}, in its smallest unit",
        "left_out": {"columns": left_out, "tables": LEFT_OUT_WHOLE},
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def mine(share: Share, user_id: int) -> ColumnElement:
    """The condition under which a row of a share is somebody's."""
    table = db.metadata.tables[share.table]
    return or_(*(_leads_to(table, way.split("."), user_id) for way in share.whose.split()))


def _leads_to(table, way, user_id):
    column = table.c[way[0]]
    if len(way) == 1:
        return column == user_id
    (foreign,) = column.foreign_keys
    further = foreign.column.table
    return column.in_(select(foreign.column).where(_leads_to(further, way[1:], user_id)))


def _plain(pairs):
    return {name: _value(value) for name, value in pairs}


def _value(value):
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, date) else value
