"""WTForms of payments."""

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import HiddenField, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from fields import MoneyField
from forms import PAID_BY, Form, PeriodForm, ReasonForm, one_of, tidy
from models import PaymentMethod
from models_money import PaymentStatus

METHODS = PAID_BY | {PaymentMethod.STRIPE: "Stripe", PaymentMethod.RAZORPAY: "Razorpay"}
STATES = {
    PaymentStatus.CLAIMED: _l("Claimed"),
    PaymentStatus.VERIFIED: _l("Verified"),
    PaymentStatus.REFUSED: _l("Refused"),
}


class ClaimForm(Form):
    reference = StringField(
        _l("UTR number"), [DataRequired(_l("Enter the UTR number.")), Length(max=40)], filters=[tidy]
    )


class OnlineForm(Form):
    method = RadioField(choices=one_of((one.value, name) for one, name in METHODS.items()))


class VerifyForm(Form):
    amount = MoneyField(_l("Amount that came"), [InputRequired(_l("Enter an amount."))])


class RefundPaymentForm(ReasonForm):
    amount = MoneyField(_l("Amount"), [InputRequired(_l("Enter an amount."))])


class SentForm(Form):
    reference = StringField(
        _l("Number of the transfer"),
        [DataRequired(_l("Enter the number of the transfer.")), Length(max=60)],
        filters=[tidy],
    )


class StatementForm(Form):
    statement = FileField(_l("Statement as CSV"))


class MatchedForm(Form):
    matched = HiddenField()


class PaymentsForm(PeriodForm):
    method = SelectField(
        _l("Way"), [Optional()], choices=one_of(((one.value, name) for one, name in METHODS.items()), _l("All ways"))
    )
    status = SelectField(
        _l("State"), [Optional()], choices=one_of(((one.value, name) for one, name in STATES.items()), _l("All states"))
    )
    reference = StringField(_l("Reference number"), [Length(max=120)], filters=[tidy])
