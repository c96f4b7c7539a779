"""Where professionals get their money: a bank account or a UPI id, sealed, of which only the end is shown."""

import json
import re
from dataclasses import asdict, dataclass

from cryptography.fernet import InvalidToken
from flask_babel import gettext as _
from sqlalchemy import exists, select, update

from domain import clock, notifications, sealing
from domain.errors import Conflict, Invalid, NotAllowed
from extensions import db, settings
from models import User
from models_money import Payout, PayoutAccount, PayoutStatus, PayoutWay

LONGEST_HOLDER = 120
_NUMBER = re.compile(r"[A-Z0-9]{5,34}")
# An Indian bank's branch, and elsewhere what the banks of a country use: a BIC, a routing number, a sort code.
_CODES = {"IN": re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")}
_CODE = re.compile(r"[A-Z0-9]{4,11}")
_UPI = re.compile(r"[A-Za-z0-9._-]{2,250}@[A-Za-z][A-Za-z0-9]{1,63}")


@dataclass(frozen=True)
class Details:
    """What a transfer needs: an account with the code of its bank, or a UPI id."""

    holder: str
    number: str = ""
    code: str = ""
    upi: str = ""

    @property
    def way(self) -> PayoutWay:
        return PayoutWay.UPI if self.upi else PayoutWay.BANK

    @property
    def hint(self) -> str:
        """As much as may be shown: •••• 1234, or de•••@okbank."""
        if self.upi:
            name, _at, bank = self.upi.partition("@")
            return f"{name[:2] if len(name) > 3 else ''}•••@{bank}"
        return f"•••• {self.number[-4:]}"


def get(professional_id: int) -> PayoutAccount | None:
    return db.session.get(PayoutAccount, professional_id)


def save(by: User, way: PayoutWay, *, holder: str, number: str = "", code: str = "", upi: str = "") -> PayoutAccount:
    """Keep where a professional is paid from the next batch on, and tell them that it was changed."""
    if not by.is_professional:
        raise NotAllowed(_("Only professionals are paid out."))
    details = _checked(way, holder, number, code, upi)
    account = get(by.id) or PayoutAccount(professional_id=by.id)
    account.way, account.hint, account.sealed = details.way, details.hint, seal(details)
    account.changed_at = clock.now()
    db.session.add(account)
    db.session.flush()
    _tell(by, details.hint)
    return account


def remove(by: User) -> None:
    """Be paid nowhere for now; what is on its way goes where it was sent. Raises Conflict when there is none."""
    account = get(by.id)
    if account is None:
        raise Conflict(_("There is no account any more. Reload the page."))
    db.session.delete(account)
    db.session.flush()
    _tell(by, "–")


def forget(user: User) -> None:
    """Erase where somebody was paid. Raises Conflict while money is on its way to them."""
    # Whoever makes a batch at this moment has the account, or finds it gone.
    account = db.session.scalar(select(PayoutAccount).filter_by(professional_id=user.id).with_for_update())
    theirs = Payout.professional_id == user.id
    if db.session.scalar(select(exists().where(theirs, Payout.status == PayoutStatus.MADE))):
        raise Conflict(_("A payout is on its way to this person. Mark it as paid or failed first."))
    db.session.execute(
        update(Payout).where(theirs).values(hint="", sealed="").execution_options(synchronize_session=False)
    )
    if account is not None:
        db.session.delete(account)
        db.session.flush()


def seal(details: Details) -> str:
    return sealing.sealed(json.dumps(asdict(details)))


def unseal(sealed: str) -> Details | None:
    """What was sealed; None when that was under another SECRET_KEY."""
    try:
        return Details(**json.loads(sealing.unsealed(sealed)))
    except InvalidToken:
        return None


def takes_upi() -> bool:
    """Whether the site's money is paid out by UPI at all, which knows rupees alone."""
    return settings.currency == "INR"


def _checked(way, holder, number, code, upi):
    holder = " ".join(holder.split())
    if not holder or len(holder) > LONGEST_HOLDER:
        raise Invalid(_("Enter the name as the bank has it."), "holder")
    if way is PayoutWay.UPI:
        if not takes_upi():
            raise Invalid(_("This site pays to bank accounts only."), "way")
        if not _UPI.fullmatch(upi.strip()):
            raise Invalid(_("Enter a UPI id such as name@bank."), "upi")
        return Details(holder, upi=upi.strip())
    number, code = (re.sub(r"[\s-]", "", text).upper() for text in (number, code))
    if not _NUMBER.fullmatch(number):
        raise Invalid(_("Enter the account number with all its digits."), "number")
    if not _CODES.get(settings.country, _CODE).fullmatch(code):
        raise Invalid(_("Enter the code of your bank, such as HDFC0001234."), "code")
    return Details(holder, number, code)


def _tell(user, hint):
    now = clock.now()
    notifications.notify_all([user.id], "payout_account", cause=f"payout_account:{now.isoformat()}", account=hint)
