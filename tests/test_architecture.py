"""The layout of the house, kept by tests: who imports whom, how long a module is, what a template may do."""

import ast
import re
from pathlib import Path

import pytest

from config import ROOT
from models import Role

# Imports point right only; modules of one layer do not import each other.
LAYERS = (
    ("init_db",),
    ("app",),
    ("routes", "commands", "deployment", "error_pages"),
    (
        "admin",
        "assistant",
        "customer",
        "service_professional",
        "account",
        "conversations",
        "api",
        "live",
        "gateway_hooks",
        "guides",
        "health",
        "mail",
        "jobs",
    ),
    ("ics",),
    (
        "letters",
        "help_pages",
        "exporting",
        "papers",
        "desk",
        "states",
        "calendar_reading",
        "settling",
        "recovery",
        "checks",
    ),
    ("monthly", "issued"),
    ("auth",),
    ("forms",),
    ("templating",),
    ("blocks", "subjects"),
    ("caching", "identity", "visits"),
    ("fields", "upi"),
    ("domain",),
    ("gateways", "payment_gateways", "phrasing", "archives"),
    ("models",),
    ("watched",),
    ("storage", "copying", "assets", "smtp", "egress", "busy_times", "demand_models", "hub", "relays", "sharing"),
    ("extensions", "logs"),
    ("config", "metrics", "outages"),
    ("environment",),
    ("policies",),
)
# A module of a layer may import the one whose second half it is.
SECOND_HALVES = {
    ("models_lifecycle", "models"),
    ("models_integrations", "models"),
    ("models_guides", "models"),
    ("guides_talk", "guides"),
    ("models_forecast", "models"),
    ("models_live", "models"),
    ("models_analytics", "models"),
    ("models_assistant", "models"),
    ("models_money", "models"),
    ("models_money", "models_lifecycle"),
    ("models_privacy", "models"),
    ("models_taste", "models"),
    ("forms_lifecycle", "forms"),
    ("forms_assistant", "forms"),
    ("forms_bills", "forms"),
    ("forms_guides", "forms"),
    ("forms_forecast", "forms"),
    ("forms_integrations", "forms"),
    ("forms_live", "forms"),
    ("forms_money", "forms"),
    ("forms_payouts", "forms"),
    ("forms_privacy", "forms"),
}
KEPT_OUT_OF_THE_DOMAIN = {"flask", "flask_login", "flask_security", "flask_wtf", "wtforms"}

LINES = {"forms.py": 600, "models.py": 1000}
MOST_LINES = 450

# What anybody may open without logging in; everything else belongs to a gated blueprint.
PUBLIC_BLUEPRINTS = {"public", "security", "assistant", "auth", "api_docs", "live", "gateway_hooks", "guides", "health"}
PUBLIC_ENDPOINTS = {"static", "bootstrap.static"}
# A call of the API says itself to which roles it answers; these answer to anybody.
PUBLIC_CALLS = {
    "api_auth.login",
    "api_auth.refresh",
    "api_auth.register",
    "api_professionals.professional",
    "api_professionals.professionals",
    "api_professionals.slots",
    "api_services.service",
    "api_services.services",
}
GATED_BLUEPRINTS = {
    "account",
    "account_documents",
    "account_keys",
    "account_privacy",
    "admin",
    "admin_analytics",
    "admin_catalogue",
    "admin_conduct",
    "admin_conversations",
    "admin_coupons",
    "admin_disputes",
    "admin_exports",
    "admin_guides",
    "admin_forecast",
    "admin_money",
    "admin_operations",
    "admin_payments",
    "admin_questions",
    "admin_reports",
    "admin_webhooks",
    "conversations",
    "customer",
    "customer_changes",
    "customer_payments",
    "customer_extras",
    "customer_people",
    "customer_proposals",
    "customer_reports",
    "customer_series",
    "customer_tastes",
    "customer_waits",
    "guides_talk",
    "guides_writing",
    "professional",
    "professional_calendars",
    "professional_changes",
    "professional_conduct",
    "professional_forecast",
    "professional_payments",
    "professional_extras",
    "professional_payouts",
    "professional_people",
    "professional_proposals",
    "professional_reports",
    "professional_series",
    "professional_tracking",
}

INLINE = (
    (r"<script(?![^>]*\bsrc=)(?![^>]*type=\"(?:application/(?:ld\+)?json|importmap)\")", "inline script"),
    (r"<style\b", "inline style"),
    (r"\sstyle=", "inline style attribute"),
    (r"\son[a-z]+=[\"']", "inline handler"),
    (r"\|\s*safe\b", "|safe"),
    (r"autoescape\s+false", "autoescape off"),
    (r"javascript:", "a javascript: link"),
)
# Programs that show mails drop style sheets that are not in them; no browser gets these under our policy.
ALLOWED_IN_MAILS = {"inline style", "inline style attribute"}

DOWNLOADS = {"downloads/evidence.html"}


def our_modules() -> list[Path]:
    top = [path for path in ROOT.glob("*.py") if path.name != "gunicorn.conf.py"]
    return sorted([*top, *(ROOT / "domain").glob("*.py"), *(ROOT / "api").glob("*.py")])


def templates() -> list[Path]:
    return sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt", ".xml"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, function-local imports included; `domain.x` stays whole."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            found.add(node.module)
            if node.module in ("domain", "api"):
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def layer_of(module: str) -> int | None:
    """The number of a module's layer; admin_reports counts as admin, models_content as models."""
    top = module.split(".")[0]
    for number, names in enumerate(LAYERS):
        if top in names or any(top.startswith(f"{name}_") for name in names):
            return number
    return None


@pytest.mark.parametrize("path", our_modules(), ids=name_of)
def test_imports_point_from_the_edge_to_the_middle(path):
    own, package = layer_of(name_of(path)), name_of(path).split(".")[0]
    assert own is not None, f"{path.name} has no place among the layers of this test"
    for imported in imports_of(path):
        other = layer_of(imported)
        within = package in ("domain", "api") and imported.split(".")[0] == package
        within = within or (package, imported) in SECOND_HALVES
        assert other is None or other > own or within, f"{path.name} imports {imported}"


def test_no_imports_run_in_a_circle():
    known = {name_of(path): path for path in our_modules()}
    arrows = {name: imports_of(path) & known.keys() for name, path in known.items()}
    done, on_the_way = set(), []

    def visit(name):
        if name in on_the_way:
            pytest.fail(" -> ".join([*on_the_way[on_the_way.index(name) :], name]))
        if name in done:
            return
        on_the_way.append(name)
        for imported in sorted(arrows[name]):
            visit(imported)
        done.add(on_the_way.pop())

    for name in known:
        visit(name)


@pytest.mark.parametrize("path", sorted((ROOT / "domain").glob("*.py")), ids=name_of)
def test_the_domain_knows_no_web(path):
    used = {imported.split(".")[0] for imported in imports_of(path)}
    assert not used & KEPT_OUT_OF_THE_DOMAIN


@pytest.mark.parametrize("path", sorted((ROOT / "domain").glob("*.py")), ids=name_of)
def test_the_domain_flushes_and_never_commits(path):
    assert not re.search(r"\bsession\.commit\(", path.read_text())


@pytest.mark.parametrize("path", sorted((ROOT / "domain").glob("*.py")), ids=name_of)
def test_the_domain_asks_only_its_clock_for_the_time(path):
    if path.name != "clock.py":
        assert not re.search(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.time)\(", path.read_text())


@pytest.mark.parametrize("path", our_modules(), ids=name_of)
def test_a_module_stays_readable(path):
    lines = path.read_text().count("\n")
    assert lines <= LINES.get(path.name, MOST_LINES), f"{path.name} has {lines} lines"


@pytest.mark.parametrize("path", our_modules(), ids=name_of)
def test_a_module_says_what_it_decides(path):
    text = path.read_text()
    if text:
        assert ast.get_docstring(ast.parse(text)), f"{path.name} has no docstring"


@pytest.mark.parametrize("name", ["utils", "helpers", "managers", "common", "misc"])
def test_no_module_is_a_drawer(name):
    assert not [path for path in our_modules() if path.stem == name]


@pytest.mark.parametrize("path", sorted((ROOT / "migrations").glob("versions/*.py")), ids=lambda path: path.stem)
def test_a_migration_is_named_by_its_day(path):
    assert re.fullmatch(r"\d{8}_\d{2}_\w+", path.stem)


def test_nothing_but_migrations_makes_tables():
    for path in [*our_modules(), *(ROOT / "benchmarks").rglob("*.py")]:
        assert "create_all" not in path.read_text(), path.name


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_has_nothing_inline_and_nothing_unescaped(path):
    text = path.read_text()
    # A file that is only ever downloaded is read without the site, and so without its style sheets.
    for pattern, fault in INLINE:
        if "emails" in path.parts and fault in ALLOWED_IN_MAILS:
            continue
        if str(path.relative_to(ROOT / "templates")) in DOWNLOADS and fault == "inline style":
            continue
        assert not re.search(pattern, text, re.IGNORECASE), f"{path.name}: {fault}"


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_posting_form_carries_the_token(path):
    for form in re.findall(r"<form\b.*?</form>", path.read_text(), re.DOTALL | re.IGNORECASE):
        if re.search(r"method=[\"']?post", form, re.IGNORECASE):
            assert "csrf_field()" in form or "hidden_tag()" in form, f"{path.name}: {form[:80]}"


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_loads_nothing_from_elsewhere(path):
    sources = re.findall(r"<(?:script|link|img)\b[^>]*(?:src|href)=\"(https?:)?//", path.read_text())
    assert not sources, path.name


def test_every_template_is_used():
    text = "\n".join(path.read_text() for path in [*our_modules(), *templates()])
    for path in templates():
        name = str(path.relative_to(ROOT / "templates"))
        if name.startswith(("security/", "emails/")):
            continue  # Flask-Security finds these by their names
        assert f'"{name}"' in text or f"'{name}'" in text, f"{name} is used by nothing"


def test_every_macro_that_is_imported_is_used():
    for path in templates():
        text = path.read_text()
        for names in re.findall(r"{%-?\s*from\s+\S+\s+import\s+([^%]+?)\s*(?:with context)?\s*-?%}", text):
            for name in (part.split()[-1] for part in names.split(",")):
                assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{path.name} imports {name} for nothing"


def test_every_endpoint_is_gated_or_public_by_name(site):
    strangers = [
        rule.endpoint
        for rule in site.url_map.iter_rules()
        if rule.endpoint not in PUBLIC_ENDPOINTS
        and rule.endpoint.split(".")[0] not in PUBLIC_BLUEPRINTS | GATED_BLUEPRINTS
        and not hasattr(site.view_functions[rule.endpoint], "terms")
    ]
    assert not strangers


def test_every_call_names_its_roles_or_is_public_by_name(site):
    terms = {endpoint: view.terms for endpoint, view in site.view_functions.items() if hasattr(view, "terms")}
    assert {endpoint for endpoint, those in terms.items() if not those.roles} == PUBLIC_CALLS


def test_every_call_with_a_role_has_a_scope_or_needs_a_log_in(site):
    terms = {endpoint: view.terms for endpoint, view in site.view_functions.items() if hasattr(view, "terms")}
    assert {endpoint for endpoint, those in terms.items() if those.roles and not those.scope} == {"api_auth.logout"}


def test_every_role_has_a_blueprint_behind_a_gate(app):
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] not in GATED_BLUEPRINTS or "GET" not in rule.methods:
            continue
        address = re.sub(r"<[^>]+>", "1", rule.rule)
        response = client.get(address)
        assert response.status_code in (302, 401, 403, 404), f"anybody may open {rule.rule}"
        if response.status_code == 302:
            assert "/login" in response.location, f"{rule.rule} sends a stranger to {response.location}"


def test_there_are_three_roles():
    assert {role.value for role in Role} == {"customer", "professional", "admin"}
