"""Public pages, and register_routes()."""

from datetime import timedelta
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, redirect, render_template, request, send_file, url_for
from flask_login import current_user

import caching
import help_pages
import ics
import templating
import visits
from domain import (
    availability,
    catalogue,
    channels,
    clock,
    feeds,
    files,
    help_articles,
    places,
    presence,
    professionals,
    recommendations,
    retention,
    reviews,
    search,
    search_misses,
    users,
)
from extensions import begin_write, csrf, db, limiter, settings

bp = Blueprint("public", __name__)

SLOT_DAYS = 14
# A bigger id is in no database, so its address does not exist.
PERSON = "/professionals/<int:professional_id>"
FILTERS = ("q", "service", "near", "radius", "rating", "price", "day", "time", "sort")


@bp.get("/")
def home():
    customer = current_user.id if current_user.is_authenticated and current_user.is_customer else None
    # Anybody else may say where.
    where = request.args.get("where", "")[: search.MAX_TEXT]
    place = places.resolve(where) if where else _own_place()
    return render_template(
        "public/home.html",
        categories=caching.text(caching.CATEGORIES, lambda: {"categories": catalogue.categories()}),
        days=_days_ahead(7),
        place=place,
        nearby=caching.text(caching.NEARBY, lambda: _nearby(place), place) if place else "",
        where=where,
        suggested=recommendations.suggestions(customer, place) if customer else None,
        popular="" if customer else _popular(place),
    )


@bp.get("/services")
def services():
    text = caching.text(caching.SERVICES, lambda: {"categories": catalogue.categories()})
    return render_template("public/services.html", services=text)


@bp.get("/services/<category_slug>")
def category(category_slug):
    return render_template("public/category.html", category=catalogue.category(category_slug))


@bp.get("/search", endpoint="search")
def find():
    asked = search.read(request.args)
    marks = templating.marks()
    results = search.find(asked, marks.apart)
    if (missed := search_misses.miss(asked, results)) is not None:
        visits.note_later(missed)
    page = render_template(
        "public/search.html",
        asked=asked,
        results=results,
        days=_days_ahead(settings.policy.horizon_days),
        categories=() if results.service else catalogue.categories(),
        choices=search,
        address=_address,
        # What the addresses of all cards have in common is made once.
        people=url_for("public.professional", professional_id=0).removesuffix("0"),
        photos=url_for("public.photo", file_id="-").removesuffix("-"),
        context=_context(results, asked),
        marks=marks,
        hearts=current_user.is_authenticated and current_user.is_customer,
    )
    return page, 422 if asked.errors else 200


@bp.get(PERSON)
def professional(professional_id):
    marks = templating.marks()
    person = catalogue.listed(professional_id, marks.apart)
    return render_template(
        "public/professional.html",
        marks=marks,
        reviews=_reviews(person),
        last_active=presence.last_active(person.user),
        languages_spoken=[professionals.LANGUAGES.get(code, code) for code in person.languages],
        **_slots(person),
    )


@bp.get(f"{PERSON}/slots")
def slots(professional_id):
    """Only the days and times, for a script; anybody else is sent to the page they are part of."""
    if "HX-Request" not in request.headers:
        page = url_for("public.professional", professional_id=professional_id)
        return redirect(f"{page}?{urlencode(request.args)}#slots" if request.args else f"{page}#slots")
    person = catalogue.listed(professional_id, templating.marks().apart)
    return render_template("public/slots.html", **_slots(person))


@bp.get("/pincodes/<pincode>")
def pincode(pincode):
    pin = places.find_pin(pincode)
    # In the language of who asks, so for their browser alone; the directory only changes with a release.
    known = {"Cache-Control": "private, max-age=3600"} if pin else {}
    return render_template("public/pincode.html", pin=pin), known


@bp.get("/photos/<file_id>")
def photo(file_id):
    stored, content = files.public_photo(file_id)
    return send_file(content, stored.content_type, max_age=3600, etag=stored.id)


@bp.get("/privacy")
def privacy():
    return render_template("public/privacy.html", settings=settings, rules=retention.RULES, stays=retention.STAYS)


@bp.get("/terms")
def terms():
    return render_template("public/terms.html", settings=settings)


@bp.get("/about")
def about():
    return render_template("public/about.html")


@bp.get("/help")
def help():
    return render_template("public/help.html", topics=help_articles.by_topic(), language=help_pages.language())


@bp.route("/unsubscribe/<token>", methods=["GET", "POST"])
@csrf.exempt
def unsubscribe(token):
    """Leave a kind of mail. Programs of mail post here without asking (RFC 8058), and know no token of
    ours but the one in the address; a GET changes nothing, because programs follow links too."""
    if request.method == "GET":
        return render_template("public/unsubscribe.html", found=channels.subscription(token), token=token)
    begin_write()
    verb = channels.subscribe_again if "again" in request.form else channels.unsubscribe
    verb(token)
    db.session.commit()
    if "List-Unsubscribe" in request.form:
        return render_template("public/unsubscribe.html", found=channels.subscription(token), token=token)
    return redirect(url_for("public.unsubscribe", token=token), 303)


@bp.get("/calendar/<token>.ics")
@limiter.limit(
    "120 per hour",
    key_func=lambda: f"feed {request.view_args['token']}",
    # An address that is none costs little, and is not worth remembering.
    deduct_when=lambda answer: answer.status_code < 400,
)
def feed(token):
    """Whoever has the address reads the calendar: programs that read it cannot log in."""
    answer = Response(ics.feed(feeds.owner(token)), content_type="text/calendar; charset=utf-8")
    answer.add_etag()
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer.make_conditional(request)


def _nearby(place):
    number = search.count_near(place, search.DEFAULT_RADIUS)
    return {"place": place, "radius": search.DEFAULT_RADIUS, "number": number, "most": search.MOST_COUNTED}


def _popular(place):
    """What anybody is shown; it goes by the season, so by the day."""
    return caching.text(
        caching.POPULAR, lambda: {"found": recommendations.suggestions(None, place)}, place, clock.today()
    )


def _reviews(person):
    after = request.args.get("after")

    def load():
        return {
            "reviews": reviews.of_professional(person.id, after),
            "name": person.user.name,
            "own": url_for("public.professional", professional_id=person.id),
            "following": bool(after),
        }

    # Who turns the pages is rare, and may ask for as many as they like.
    return caching.made(caching.REVIEWS, load) if after else caching.text(caching.REVIEWS, load, person.id)


def _own_place():
    """Where a signed-in customer lives, by their newest address."""
    if not (current_user.is_authenticated and current_user.is_customer):
        return None
    addresses = users.addresses_of(current_user)
    if not addresses:
        return None
    pin = addresses[0].pin
    return places.Place(pin.place, pin.lat, pin.lon, pin.pincode, pin.approximate)


def _days_ahead(count):
    return [clock.today() + timedelta(days=n) for n in range(count + 1)]


def _address(**changes):
    """This search with some filters changed or, with None, taken away; always from the first page."""
    kept = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    wanted = {name: value for name, value in {**kept, **changes}.items() if value}
    return f"{request.path}?{urlencode(wanted)}" if wanted else request.path


def _context(results, asked):
    """What a professional's page should know of the search that led there."""
    known = {
        "service": results.service and results.service.slug,
        "near": results.place and asked.near,
        "day": asked.day,
    }
    known = {name: value for name, value in known.items() if value}
    return f"?{urlencode(known)}" if known else ""


def _slots(person):
    """What a professional's days and times show: for the service and the day in the URL, or else the
    first service and the first day with a free slot."""
    offers = catalogue.offers_of(person.id)
    chosen = request.args.get("service")
    offer = next((one for one in offers if one.slug == chosen), offers[0] if offers else None)
    days = availability.free_slots(person.id, offer.duration_minutes, clock.today(), SLOT_DAYS) if offer else []
    near = request.args.get("near", "")[: search.MAX_TEXT]
    return {
        "professional": person,
        "offers": offers,
        "offer": offer,
        "days": days,
        "day": _looked_at(days),
        "near": near,
        "place": places.resolve(near) if near else None,
        "distance": places.distance_km,
    }


def _looked_at(days):
    wanted = request.args.get("day", "")
    chosen = [day for day in days if day.date.isoformat() == wanted]
    free = [day for day in days if day.free]
    return (chosen or free or days or [None])[0]


def register_routes(app: Flask) -> None:
    import account
    import account_documents
    import account_keys
    import account_privacy
    import admin
    import admin_analytics
    import admin_catalogue
    import admin_conduct
    import admin_conversations
    import admin_coupons
    import admin_disputes
    import admin_exports
    import admin_forecast
    import admin_guides
    import admin_money
    import admin_operations
    import admin_payments
    import admin_questions
    import admin_reports
    import admin_webhooks
    import assistant
    import conversations
    import customer
    import customer_changes
    import customer_extras
    import customer_payments
    import customer_people
    import customer_proposals
    import customer_reports
    import customer_series
    import customer_tastes
    import customer_waits
    import gateway_hooks
    import guides
    import guides_talk
    import guides_writing
    import health
    import live
    import service_professional
    import service_professional_calendars
    import service_professional_changes
    import service_professional_conduct
    import service_professional_extras
    import service_professional_forecast
    import service_professional_payments
    import service_professional_payouts
    import service_professional_people
    import service_professional_proposals
    import service_professional_reports
    import service_professional_series
    import service_professional_tracking

    modules = (
        account,
        account_documents,
        account_keys,
        account_privacy,
        admin,
        admin_analytics,
        admin_catalogue,
        admin_conduct,
        admin_conversations,
        admin_coupons,
        admin_disputes,
        admin_exports,
        admin_guides,
        admin_forecast,
        admin_money,
        admin_operations,
        admin_payments,
        admin_questions,
        admin_reports,
        admin_webhooks,
        assistant,
        conversations,
        customer,
        customer_changes,
        customer_payments,
        customer_extras,
        customer_people,
        customer_proposals,
        customer_reports,
        customer_series,
        customer_tastes,
        customer_waits,
        gateway_hooks,
        guides,
        guides_talk,
        guides_writing,
        health,
        live,
        service_professional,
        service_professional_calendars,
        service_professional_changes,
        service_professional_conduct,
        service_professional_payments,
        service_professional_extras,
        service_professional_forecast,
        service_professional_payouts,
        service_professional_people,
        service_professional_proposals,
        service_professional_reports,
        service_professional_series,
        service_professional_tracking,
    )
    for blueprint in (bp, *(module.bp for module in modules)):
        app.register_blueprint(blueprint)
