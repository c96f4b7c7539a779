"""Which passwords are good enough."""

import functools
import unicodedata

from flask_babel import gettext as _

from config import ROOT
from extensions import settings

SHORTEST, LONGEST = 8, 128
# With digits and signs around them they are still no passwords; the name of the site is another.
OUR_WORDS = ("doorstep", "customer", "professional", "administrator")


def fault(password: str) -> str | None:
    """What is wrong with a new password, or None."""
    if len(password) < SHORTEST:
        return _("Use at least %(count)s characters.", count=SHORTEST)
    if len(password) > LONGEST:
        return _("Use at most %(count)s characters.", count=LONGEST)
    letters = "".join(filter(str.isalpha, normalised(password).lower()))
    if letters in (word.replace(" ", "") for word in (*OUR_WORDS, settings.site_name.lower())):
        return _("That is the name of this site, so it is among the first to be tried. Choose another.")
    if normalised(password).lower() in _common():
        return _("Many people use this password, so it is the first to be tried. Choose another.")
    return None


def normalised(password: str) -> str:
    """The same password however a keyboard composed its letters; always one that UTF-8 can say."""
    sayable = password[: LONGEST + 1].encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", sayable)


@functools.cache
def _common() -> frozenset[str]:
    lines = (ROOT / "data" / "common-passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))
