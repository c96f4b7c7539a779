"""What the site is put into service with: containers, proxies, a unit of systemd, and the locked packages."""

import re
import shutil
import subprocess

import pytest
import yaml

import live
from config import ROOT

MEGABYTE = 1024 * 1024
# The service of a database and its cache know nothing of ours.
OURS = ("migrate", "app")


def read(name):
    return (ROOT / name).read_text()


def settings_of_the_site():
    """Every variable that the README knows."""
    return set(re.findall(r"`([A-Z][A-Z_]+)`", read("README.md").split("## Settings")[1].split("\n## ")[0]))


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(read("compose.yaml"))


# -- Containers -------------------------------------------------------------------------------


def test_every_container_is_read_only_and_without_privileges(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_only_the_proxy_is_reached_from_outside_and_the_database_reaches_nothing(compose):
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["caddy"]
    assert compose["networks"]["back"] == {"internal": True}
    assert {name: compose["services"][name]["networks"] for name in ("db", "redis", "caddy")} == {
        "db": ["back"],
        "redis": ["back"],
        "caddy": ["front"],
    }


def test_every_image_is_of_one_version(compose):
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    images += re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE)
    assert len(images) == 5
    assert all(re.search(r":\d+\.\d+", image) for image in images)


def test_no_secret_is_written_down(compose):
    for name in OURS:
        values = compose["services"][name]["environment"]
        for secret in ("SECRET_KEY", "DATABASE_URL", "MAIL_PASSWORD"):
            assert "${" in values[secret]
    assert compose["services"]["db"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?}"


def test_what_is_set_for_the_site_is_a_setting_of_it(compose):
    known = settings_of_the_site()
    for name in OURS:
        assert set(compose["services"][name]["environment"]) <= known
    block = re.search(r"FROM [^\n]*\nENV (PATH.*?)\nRUN", read("Dockerfile"), re.DOTALL)[1]
    assert set(re.findall(r"([A-Z_]+)=", block)) - known == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    named = re.findall(r"([A-Z][A-Z_]+)=", re.search(r"^Environment=(.*)$", read("deploy/doorstep.service"), re.M)[1])
    assert set(named) - known == {"PYTHONUNBUFFERED"}


def test_the_site_serves_when_the_schema_is_there_and_the_proxy_when_the_site_lives(compose):
    services = compose["services"]
    assert services["app"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["caddy"]["depends_on"]["app"] == {"condition": "service_healthy"}
    assert "/healthz" in read("Dockerfile")


def test_the_image_installs_what_the_hashes_name_and_runs_as_nobody_in_particular():
    text = read("Dockerfile")
    assert "--require-hashes -r requirements.txt" in text
    assert text.index("USER 10001") < text.index("CMD")
    assert "COPY --from=build" in text


def test_packages_are_installed_by_their_hashes_only():
    setup = read("bin/setup")
    assert set(re.findall(r"requirements[-\w]*\.txt", setup)) == {
        "requirements.txt", "requirements-dev.txt", "requirements-scan.txt",
    }  # fmt: skip
    # All go through one function, and nothing else installs.
    assert len(re.findall(r"pip install", setup)) == len(re.findall(r"pip install .*--require-hashes", setup)) == 3
    for locked in (*ROOT.glob("requirements*.txt"), ROOT / "bin" / "uv.txt"):
        packages = re.findall(r"^\S.*(?:\n\s+--hash=sha256:.*)*", locked.read_text(), re.M)
        named = [package for package in packages if not package.startswith("#")]
        assert named, locked
        assert [package for package in named if "==" not in package or "--hash=sha256:" not in package] == [], locked


def test_the_dockerfile_has_no_fault_that_hadolint_knows():
    hadolint = shutil.which("hadolint", path=str(ROOT / ".venv" / "bin"))
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_of_the_operator_gets_into_the_image():
    ignored = read(".dockerignore").splitlines()
    # Names that begin with a dot are the repository, the environment and what is in .env.
    assert {".*", "instance", "tests"} <= set(ignored)
    for needed in ("data", "migrations", "templates", "static", "translations", "app.py", "gunicorn.conf.py"):
        assert needed not in ignored


# -- Proxies ----------------------------------------------------------------------------------


def test_no_proxy_passes_the_numbers_on():
    assert re.search(r"location = /metrics \{\s*return 404;", read("deploy/nginx.conf"))
    assert re.search(r"handle /metrics \{\s*respond 404", read("deploy/Caddyfile"))


def test_a_proxy_takes_what_the_site_takes_and_takes_it_whole(site):
    larger = [getattr(view, "most_bytes", 0) for view in site.view_functions.values()]
    megabytes = max(site.config["MAX_CONTENT_LENGTH"], *larger) // MEGABYTE
    assert f"client_max_body_size {megabytes}m;" in read("deploy/nginx.conf")
    assert "proxy_request_buffering off" not in read("deploy/nginx.conf")
    assert f"max_size {megabytes}MiB" in read("deploy/Caddyfile")
    assert f"request_buffers {megabytes}MiB" in read("deploy/Caddyfile")


def test_a_proxy_says_itself_who_asks():
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in read("deploy/nginx.conf")
    assert "add_x_forwarded_for" not in read("deploy/nginx.conf")


def test_a_proxy_waits_longer_than_a_page_that_listens_is_silent():
    seconds = int(re.search(r"proxy_read_timeout (\d+)s;", read("deploy/nginx.conf"))[1])
    assert seconds >= 2 * live.SECONDS_BETWEEN_PINGS
    assert "flush_interval -1" in read("deploy/Caddyfile")


def test_a_proxy_closes_a_connection_before_the_site_does():
    """Who sends a form on a connection that is closed just then gets no answer, and a proxy sends no form twice."""
    site = int(re.search(r"^keepalive = (\d+)$", read("gunicorn.conf.py"), re.MULTILINE)[1])
    assert int(re.search(r"keepalive_timeout (\d+)s;", read("deploy/nginx.conf"))[1]) < site
    assert int(re.search(r"\bkeepalive (\d+)s\b", read("deploy/Caddyfile"))[1]) < site


# -- systemd ----------------------------------------------------------------------------------


def test_the_service_may_do_little():
    unit = read("deploy/doorstep.service").splitlines()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "User=doorstep"):
        assert line in unit
    # gunicorn has nine seconds for what is under way.
    assert "TimeoutStopSec=15" in unit


# -- Packages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "bin/uv.txt"])
def test_every_locked_package_has_its_version_and_hashes(name):
    text = re.sub(r"\\\n", " ", read(name))
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"\S+==\S+", line), line
        assert "--hash=sha256:" in line, line


def test_every_package_that_is_asked_for_is_locked():
    locked = _names(r"^([\w.-]+)(?:\[.*\])?==", read("requirements.txt") + read("requirements-dev.txt"))
    assert _names(r"^([A-Za-z][\w.-]*)", read("requirements.in") + "\n" + read("requirements-dev.in")) <= locked


def _names(pattern, text):
    return {name.lower().replace("_", "-") for name in re.findall(pattern, text, re.MULTILINE)}


# -- What the operator reads ------------------------------------------------------------------


def test_the_alerts_of_the_manual_are_about_numbers_that_there_are(client):
    ending = re.compile("_(bucket|count|total)$")
    known = {ending.sub("", name) for name in re.findall(r"# TYPE (doorstep_\w+)", client.get("/metrics").text)}
    named = {ending.sub("", name) for name in re.findall(r"\bdoorstep_[a-z_]+", read("docs/operations.md"))}
    assert len(named) > 8
    assert named <= known


def test_the_manual_names_no_setting_that_there_is_not():
    known = settings_of_the_site() | {"SITE_HOST", "POSTGRES_PASSWORD"}
    for name in ("docs/operations.md", "docs/security.md"):
        for variable in re.findall(r"`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`", read(name)):
            assert variable in known, (name, variable)
