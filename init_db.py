"""Makes a database ready: migrates it, loads places, services and guides, and on a first run demo people.

A second run changes nothing. In production nobody is invented: `flask create-admin` makes the first admin.
"""

import csv

import flask_migrate
from flask_security import hash_password
from sqlalchemy import exists, select

import config
import demo
from app import create_app
from demo import people
from domain import articles, clock, editions, guides, places
from extensions import begin_write, db, settings
from models import Category, PinCode, Role, Service, User
from models_guides import Guide

PASSWORD = "doorstep-demo"  # noqa: S105 (it is printed, and refused in production)
ICONS = {
    "Home Cleaning": "bucket",
    "AC & Cooling": "snow",
    "Appliance Repair": "plug",
    "Plumbing": "droplet",
    "Electrical": "lightning",
    "Carpentry & Furniture": "hammer",
    "Pest Control": "bug",
    "Painting": "palette",
    "Salon at Home (Women)": "flower",
    "Grooming at Home (Men)": "scissors",
    "Massage at Home": "heart",
}
# What a category without an icon of its own gets.
ICON = "tools"
MINOR_UNITS_IN_FILE = 100


def main() -> None:
    chosen = config.load()
    chosen.instance.mkdir(parents=True, exist_ok=True)
    with create_app(chosen).app_context():
        prepare()


def prepare(size: demo.Size = demo.FULL) -> None:
    """Bring the database of the current application to its first use, or to the newest schema."""
    flask_migrate.upgrade()
    if not _any(PinCode.pincode):
        print("Loading the directory of places ...", flush=True)
        begin_write()
        places.load_directory()
        db.session.commit()
    if not _any(Category.id):
        begin_write()
        load_catalogue()
        db.session.commit()
    if not _any(Guide.id):
        begin_write()
        load_guides()
        db.session.commit()
    if not settings.production:
        _invite_guests(size)


def load_catalogue() -> None:
    """The categories and services of data/services.csv."""
    categories = {}
    with open(config.ROOT / "data" / "services.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row["category"]
            if name not in categories:
                categories[name] = Category(
                    name=name, slug=_slug(name), icon=ICONS.get(name, ICON), position=len(categories)
                )
                db.session.add(categories[name])
            categories[name].services.append(
                Service(
                    name=row["service"],
                    slug=_slug(row["service"]),
                    description=row["description"],
                    base_price=int(row["base_price_inr"]) * MINOR_UNITS_IN_FILE,
                    duration_minutes=int(row["duration_minutes"]),
                    created_at=clock.now(),
                )
            )
    # A Redis may still have the pages of a database that was here before.
    editions.changed(*editions.OF_THE_SITE)
    db.session.flush()


def load_guides() -> None:
    """The articles of data/guides, which from then on are the admins' to change."""
    services = dict(db.session.execute(select(Service.slug, Service.id)).all())
    for path in sorted((config.ROOT / "data" / "guides").glob("*.md")):
        front, text = path.read_text(encoding="utf-8").removeprefix("---\n").split("\n---\n", 1)
        says = dict(line.split(": ", 1) for line in front.splitlines())
        named = [slug.strip() for slug in says["services"].split(",")]
        draft = articles.Draft(
            title=says["title"],
            slug=says["slug"],
            summary=says["summary"],
            text=text,
            tags=tuple(says["tags"].split(",")),
            service_ids=tuple(services[slug] for slug in named if slug in services),
        )
        guides.publish_for_site(draft)


def _invite_guests(size):
    if not _any(User.id):
        print("Inventing people and bookings for a first look ...", flush=True)
        password_hash = hash_password(PASSWORD)
        begin_write()
        demo.load(password_hash, size)
        db.session.commit()
    if db.session.scalar(select(exists().where(User.email == f"admin@{people.DOMAIN}", User.demo.is_(True)))):
        print("Log in as " + ", ".join(f"{role}@{people.DOMAIN}" for role in Role) + f" (password {PASSWORD})")


def _any(column) -> bool:
    found = db.session.scalar(select(column).limit(1)) is not None
    db.session.rollback()
    return found


def _slug(name):
    return "-".join("".join(c.lower() if c.isalnum() else " " for c in name).split())


if __name__ == "__main__":
    main()
