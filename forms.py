"""WTForms, grouped by role: account, customer, professional, admin."""

import re
import unicodedata
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import zip_longest

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import ForgotPasswordForm, LoginForm, TwoFactorRescueForm, TwoFactorSetupForm, hash_password
from flask_security.forms import EmailValidation, email_required, password_required
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    DateField,
    EmailField,
    Field,
    HiddenField,
    PasswordField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TelField,
    TextAreaField,
    TimeField,
    ValidationError,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, Regexp
from wtforms.widgets import CheckboxInput, ListWidget

from domain import audit, causes, clock, errors, passwords, payments, professionals, schedules
from domain.transitions import LABELS
from extensions import end_refused, settings
from fields import IdField, IdsField, MomentField, MoneyField, PercentField, WholeNumberField, row_id
from models import PaymentMethod, Role, Status

# Control characters, halves of surrogate pairs and marks that turn the direction of what follows.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@contextmanager
def refusals(form: FlaskForm):
    """Put a domain refusal beside the field at fault, or on top of the form.

    Nothing is written; what the person typed stays in the form.
    """
    try:
        yield
    except (errors.Invalid, errors.Conflict, errors.NotAllowed) as refusal:
        end_refused(refusal)
        form.refusal = refusal
        field = form._fields.get(getattr(refusal, "field", None) or "")
        if field is None:
            form.form_errors.append(refusal.message)
        else:
            field.errors = [*field.errors, refusal.message]


def status_of(form: FlaskForm) -> int:
    """The status of a page that shows a form: 200 as it is opened, 409 when somebody was faster, else 422."""
    if not form.is_submitted():
        return 200
    return 409 if isinstance(getattr(form, "refusal", None), errors.Conflict) else 422


def tidy(text: str | None) -> str | None:
    """A filter for text fields: what a person sees of it, composed, without space around."""
    if text is None:
        return None
    return _UNSEEN.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n"))).strip()


# What WTForms refuses by itself, said as everything else is.
_NOT_LISTED = _l("Choose one of the list.")
_REFUSALS = {
    "Field cannot be longer than %(max)d characters.": _l("Use at most %(max)d characters."),
    "Number must be between %(min)s and %(max)s.": _l("Enter a number from %(min)s to %(max)s."),
    "Not a valid integer value.": _l("Enter a whole number."),
    "Not a valid date value.": _l("Enter a date such as 2026-11-22."),
    "Not a valid time value.": _l("Enter a time such as 09:30."),
    "Not a valid choice.": _NOT_LISTED,
    "Invalid Choice: could not coerce.": _NOT_LISTED,
    "'%(value)s' are not valid choices for this field.": _NOT_LISTED,
}


class _Words:
    def gettext(self, text):
        return str(_REFUSALS.get(text, text))

    def ngettext(self, _one, many, _number):
        return self.gettext(many)


class Form(FlaskForm):
    """A form whose every refusal is in the reader's language."""

    class Meta:
        def get_translations(self, _form):
            return _Words()


# -- Account --------------------------------------------------------------------------------


class LogInForm(LoginForm):
    """Says the same of an unknown address and of a wrong password (see auth.py)."""

    email = EmailField(_l("E-mail address"), validators=[email_required, EmailValidation(verify=False)])
    password = PasswordField(_l("Password"), validators=[password_required])
    remember = BooleanField(_l("Keep me logged in on this device"))

    def validate_next(self, field):
        """Whatever it says, auth.py keeps the redirect within the site."""

    def validate(self, **kwargs):
        passed = super().validate(**kwargs)
        if self.requires_confirmation and self.user.active:
            # The password was right, so this tells nobody but the owner.
            self.email.errors = []
            self.form_errors.append(_("Confirm your address first: open the link that we mailed to you."))
        return passed


class ResetRequestForm(ForgotPasswordForm):
    """Takes the time of one hash whether the address is known or not (see auth.py)."""

    def validate(self, **kwargs):
        passed = super().validate(**kwargs)
        if passed:
            hash_password("the view does this for an unknown address")
        return passed


class TwoFactorForm(TwoFactorSetupForm):
    setup = StringField(_l("Two-step log-in"))

    def validate(self, **kwargs):
        if self.setup.data == "disable" and settings.admin_two_factor and self.user.is_admin:
            self.setup.errors = [_("Admins of this site need a second step. You cannot switch it off.")]
            return False
        return super().validate(**kwargs)


class RescueForm(TwoFactorRescueForm):
    """Flask-Security makes one beside each code form; the page links to recovery codes instead."""

    help_setup = RadioField(choices=[])


def _good_password(_form, field):
    fault = passwords.fault(field.data)
    if fault:
        raise ValidationError(fault)


class SignUpForm(Form):
    name = StringField(_l("Your name"), [DataRequired(_l("Enter your name.")), Length(max=120)], filters=[tidy])
    email = EmailField(
        _l("E-mail address"), [DataRequired(_l("Enter your e-mail address.")), Length(max=254)], filters=[tidy]
    )
    phone = TelField(_l("Phone"), [Length(max=30)], filters=[tidy])
    password = PasswordField(_l("Password"), [InputRequired(_l("Choose a password.")), _good_password])


class ProfessionalSignUpForm(SignUpForm):
    pincode = StringField(
        _l("PIN code you start from"),
        [DataRequired(_l("Enter the PIN code of the place you start from.")), Length(max=10)],
        filters=[tidy],
    )
    radius_km = WholeNumberField(
        _l("How far you travel, in km"),
        [InputRequired(_l("Enter how far you travel, 1 to 200 km.")), NumberRange(1, 200)],
        default=10,
    )
    experience_years = WholeNumberField(
        _l("Years of experience"),
        [InputRequired(_l("Enter your years of experience, 0 to 70.")), NumberRange(0, 70)],
        default=0,
    )


class ProfileForm(Form):
    name = StringField(_l("Name"), [DataRequired(_l("Enter your name.")), Length(max=120)], filters=[tidy])
    phone = TelField(_l("Phone"), [Length(max=30)], filters=[tidy])
    photo = FileField(_l("Photo"))
    drop_photo = BooleanField(_l("Remove the photo"))


class ProfessionalProfileForm(ProfileForm):
    bio = TextAreaField(_l("About your work"), [Length(max=2000)], filters=[tidy])
    experience_years = WholeNumberField(
        _l("Years of experience"),
        [InputRequired(_l("Enter your years of experience, 0 to 70.")), NumberRange(0, 70)],
    )
    hourly_rate = MoneyField(_l("Hourly rate"))
    upi_id = StringField(_l("UPI ID"), [Length(max=100)], filters=[tidy])
    pincode = StringField(
        _l("PIN code you start from"), [DataRequired(_l("Enter a PIN code.")), Length(max=10)], filters=[tidy]
    )
    radius_km = WholeNumberField(
        _l("How far you travel, in km"),
        [InputRequired(_l("Enter how far you travel, 1 to 200 km.")), NumberRange(1, 200)],
    )
    speed_kmh = WholeNumberField(
        _l("How fast you get about, in km/h"),
        [InputRequired(_l("Enter your speed, 5 to 100 km/h.")), NumberRange(5, 100)],
    )
    languages = SelectMultipleField(
        _l("Languages you speak"),
        choices=[SelectChoice(code, name) for code, name in professionals.LANGUAGES.items()],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    resume = FileField(_l("Resume"))
    identity = FileField(_l("Identity document"))


class AddressForm(Form):
    label = StringField(_l("Name of the place"), [Optional(), Length(max=40)], filters=[tidy])
    line = StringField(
        _l("House, street, area"),
        [DataRequired(_l("Enter the house, street and area.")), Length(max=200)],
        filters=[tidy],
    )
    pincode = StringField(
        _l("PIN code"), [DataRequired(_l("Enter a PIN code.")), Length(max=10)], filters=[tidy]
    )


def messages_form(topics: dict, channels: list, chosen: dict, chat_url: str) -> Form:
    """A form with the channels of each topic as boxes to tick, and the address of a chat."""
    boxes = {"choices": one_of(channels), "option_widget": CheckboxInput()}
    fields = {
        topic: SelectMultipleField(offer.label, default=[*chosen[topic]], **boxes) for topic, offer in topics.items()
    }
    fields["chat_url"] = StringField(_l("Google Chat webhook"), default=chat_url, filters=[tidy])
    return type("MessagesForm", (Form,), {str(name): field for name, field in fields.items()})()


def offerings_form(services, offered: dict) -> Form:
    """A form with a box to tick and a price for each service, in the order of the catalogue."""

    class OfferingsForm(Form):
        def prices(self) -> dict[int, int | None]:
            return {
                service.id: self[f"price-{service.id}"].data
                for service in services
                if self[f"offer-{service.id}"].data
            }

    for service in services:
        setattr(OfferingsForm, f"offer-{service.id}", BooleanField(service.name, default=service.id in offered))
        setattr(
            OfferingsForm,
            f"price-{service.id}",
            MoneyField(_("Your price for %(service)s", service=service.name), default=offered.get(service.id)),
        )
    return OfferingsForm()


# -- Customer -------------------------------------------------------------------------------


class PlaceForm(Form):
    """Where the work is: one of the customer's addresses, or a new one written right there."""

    address_id = IdField(_l("Address"))
    line = StringField(_l("House, street, area"), [Length(max=200)], filters=[tidy])
    pincode = StringField(_l("PIN code"), [Length(max=10)], filters=[tidy])


class BookForm(PlaceForm):
    key = HiddenField(validators=[Length(max=64)], filters=[tidy])
    professional_id = IdField(_l("Professional"))
    service_id = IdField(_l("Service"), [DataRequired(_l("Choose a service."))])
    more = IdsField(_l("More in the same visit"))
    day = DateField(_l("Day"), [Optional()])
    starts_at = MomentField(_l("Time"), [DataRequired(_l("Choose a time."))])
    remarks = TextAreaField(_l("Remarks"), [Length(max=1000)], filters=[tidy])
    coupon = StringField(_l("Coupon code"), [Length(max=30)], filters=[tidy])
    # What the page said that it would cost.
    total = WholeNumberField(validators=[Optional()])
    cascade = BooleanField(_l("Ask somebody else if they can’t come"))


class MoveForm(Form):
    day = DateField(_l("Day"), [Optional()])
    starts_at = MomentField(_l("Time"), [DataRequired(_l("Choose a time."))])


class EditForm(PlaceForm):
    remarks = TextAreaField(_l("Remarks"), [Length(max=1000)], filters=[tidy])


def cause_field(role: Role) -> SelectField:
    """Why somebody calls a booking off, from the list of their role."""
    choices = [SelectChoice(code, label) for code, label in [("", _l("Rather not say")), *causes.choices(role)]]
    return SelectField(_l("Why?"), [Optional()], choices=choices)


class CancelForm(Form):
    cause = cause_field(Role.CUSTOMER)
    reason = TextAreaField(_l("Reason"), [Length(max=500)], filters=[tidy])


class ReviewForm(Form):
    rating = WholeNumberField(_l("Your rating"), [InputRequired(_l("Choose one to five stars."))])
    comment = TextAreaField(_l("Your words"), [Length(max=2000)], filters=[tidy])


# -- Professional ---------------------------------------------------------------------------


class RangesField(Field):
    """The working hours of one weekday: inputs of one name, a start and an end by turns.

    `data` is a list of (first minute, last minute); `rows` is what is shown, as typed.
    """

    widget = None

    def process_data(self, value):
        self.data = value or []
        self.rows = self._padded([(_clock(starts), _clock(ends)) for starts, ends in self.data])

    def process_formdata(self, valuelist):
        texts = [text.strip()[:20] for text in valuelist[: 2 * schedules.MOST_RANGES]]
        pairs = list(zip_longest(texts[::2], texts[1::2], fillvalue=""))
        self.rows = self._padded(pairs)
        self.data = [(_minute(starts), _minute(ends) or 1440) for starts, ends in pairs if starts or ends]

    def _padded(self, pairs):
        return [*pairs, *[("", "")] * (schedules.MOST_RANGES - len(pairs))]


def _clock(minute):
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def _minute(text):
    """Minutes after midnight of a time such as 09:30."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(:00)?", text, re.ASCII)
    if not found:
        raise ValueError(_("Enter a start and an end such as 09:00 and 18:00, or leave both empty."))
    return int(found[1]) * 60 + int(found[2])


class AcceptForm(Form):
    seen = MomentField()
    commission = WholeNumberField(validators=[Optional()])


class DeclineForm(Form):
    reason = TextAreaField(
        _l("Reason"), [InputRequired(_l("Give a reason: the customer will read it."))], filters=[tidy]
    )


class CancelJobForm(Form):
    cause = cause_field(Role.PROFESSIONAL)
    reason = TextAreaField(_l("Reason"), filters=[tidy])


class StartForm(Form):
    code = StringField(
        _l("Start code"), [Regexp(r"\s*[0-9]{4}\s*\Z", message=_l("Enter the four digits that the customer sees."))]
    )


PAID_BY = {PaymentMethod.CASH: _l("Cash"), PaymentMethod.UPI: _l("UPI")}


class PaymentForm(Form):
    method = RadioField(
        _l("How they paid"),
        choices=lambda: [SelectChoice(one.value, PAID_BY[one]) for one in payments.methods_noted()],
        validators=[InputRequired(_l("Choose how the customer paid."))],
    )
    amount = MoneyField(_l("How much"))


class HoursForm(Form):
    monday = RangesField(_l("Monday"))
    tuesday = RangesField(_l("Tuesday"))
    wednesday = RangesField(_l("Wednesday"))
    thursday = RangesField(_l("Thursday"))
    friday = RangesField(_l("Friday"))
    saturday = RangesField(_l("Saturday"))
    sunday = RangesField(_l("Sunday"))

    @property
    def days(self) -> list[RangesField]:
        return [self[name] for name in schedules.WEEKDAYS]

    @property
    def hours(self) -> schedules.Hours:
        return {weekday: day.data for weekday, day in enumerate(self.days) if day.data}


def plausible_date(form, field):
    """Dates of which the database and the clock can still speak."""
    if field.data and not 2000 <= field.data.year < 2100:
        raise ValidationError(_("Enter a date of this century."))


class TimeOffForm(Form):
    first_day = DateField(_l("First day"), [InputRequired(_l("Choose the first day.")), plausible_date])
    from_time = TimeField(_l("From"), [Optional()])
    last_day = DateField(_l("Last day"), [Optional(), plausible_date])
    until_time = TimeField(_l("Until"), [Optional()])
    note = StringField(_l("Note"), filters=[tidy])

    @property
    def starts_at(self) -> datetime:
        return _moment(self.first_day.data, self.from_time.data or time())

    @property
    def ends_at(self) -> datetime:
        last = self.last_day.data or self.first_day.data
        if self.until_time.data is None:
            return clock.start_of(last + timedelta(1))
        return _moment(last, self.until_time.data)


def _moment(day, at):
    return datetime.combine(day, at, settings.zone).astimezone(UTC)


class OutsideCalendarForm(Form):
    name = StringField(_l("Name"), [InputRequired(_l("Give it a name, such as “Family”."))], filters=[tidy])
    url = StringField(_l("Address"), [InputRequired(_l("Copy the address of the calendar."))], filters=[tidy])


class ReplyForm(Form):
    reply = TextAreaField(_l("Your reply"), [InputRequired(_l("Write a few words."))], filters=[tidy])


class EarningsForm(Form):
    """A range of dates in the address of the page."""

    class Meta:
        csrf = False

    first = DateField(_l("From"), [Optional(), plausible_date], name="from")
    last = DateField(_l("To"), [Optional(), plausible_date], name="to")

    def validate_last(self, field):
        if field.data and self.first.data and field.data < self.first.data:
            raise ValidationError(_("The end must be later than the beginning."))

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last: this month's, or as far as the form says."""
        last = self.last.data or max(clock.today(), self.first.data or clock.today())
        return self.first.data or last.replace(day=1), last


# -- Admin ----------------------------------------------------------------------------------


ROW = NumberRange(1, 2**63 - 1)


class Asked(Form):
    """What a page is asked for in its address; nothing is changed by it."""

    class Meta:
        csrf = False


class SearchForm(Asked):
    q = StringField(_l("Search"), [Length(max=100)], filters=[tidy])


class PeriodForm(Asked):
    first = DateField(_l("From"), [Optional(), plausible_date], name="from")
    last = DateField(_l("To"), [Optional(), plausible_date], name="to")


def one_of(pairs, everything=None) -> list[SelectChoice]:
    """The choices of a list, after one for everything in a filter."""
    pairs = list(pairs) if everything is None else [("", everything), *pairs]
    return [SelectChoice(value, label) for value, label in pairs]


class PeopleForm(Asked):
    q = StringField(_l("Name, mail or phone"), [Length(max=100)], filters=[tidy])
    role = SelectField(
        _l("Role"),
        [Optional()],
        choices=one_of(
            ((Role.CUSTOMER, _l("Customers")), (Role.PROFESSIONAL, _l("Professionals")), (Role.ADMIN, _l("Admins"))),
            _l("All roles"),
        ),
    )
    state = SelectField(
        _l("State"),
        [Optional()],
        choices=one_of(
            (("active", _l("Active")), ("blocked", _l("Blocked")), ("anonymised", _l("Anonymised"))),
            _l("All states"),
        ),
    )


class BookingsForm(PeriodForm):
    status = SelectField(
        _l("State"), [Optional()], choices=one_of(((one.value, LABELS[one]) for one in Status), _l("All states"))
    )
    place = StringField(_l("City or PIN code"), [Length(max=100)], filters=[tidy])
    professional = StringField(_l("Professional"), [Length(max=100)], filters=[tidy])
    service = SelectField(_l("Service"), [Optional()], coerce=lambda value: int(value) if value else None)
    reference = StringField(_l("Reference"), [Length(max=30)], filters=[tidy])
    customer = WholeNumberField(_l("Customer"), [Optional(), ROW])
    late = BooleanField(_l("Only late jobs"))
    locked = BooleanField(_l("Only with a locked start code"))


class ReviewsForm(Asked):
    shown = SelectField(
        _l("Shown"), [Optional()], choices=one_of((("yes", _l("Visible")), ("no", _l("Hidden"))), _l("All reviews"))
    )
    stars = SelectField(
        _l("Stars"), [Optional()], choices=one_of(((n, n) for n in "54321"), _l("All stars"))
    )
    review = WholeNumberField(_l("Review"), [Optional(), ROW])


class AuditForm(Asked):
    action = SelectField(_l("Act"), [Optional()], choices=one_of(audit.ACTIONS.items(), _l("All acts")))
    admin = WholeNumberField(_l("Admin"), [Optional(), ROW])


class ReasonForm(Form):
    reason = TextAreaField(_l("Reason"), [Length(max=500)], filters=[tidy])


class CancelBookingForm(ReasonForm):
    cause = cause_field(Role.ADMIN)


class ReassignForm(ReasonForm):
    professional_id = RadioField(
        _l("Professional"), [InputRequired(_l("Choose a professional."))], coerce=row_id
    )


class CategoryForm(Form):
    name = StringField(_l("Name"), [DataRequired(_l("Enter a name.")), Length(max=80)], filters=[tidy])
    slug = StringField(_l("Address on the site"), [Length(max=80)], filters=[tidy])
    position = WholeNumberField(_l("Place in the list"), [Optional(), NumberRange(0, 1000)])
    commission = PercentField(_l("Commission in per cent"), [Optional()])


class ServiceForm(Form):
    category_id = SelectField(_l("Category"), [InputRequired(_l("Choose a category."))], coerce=int)
    name = StringField(_l("Name"), [DataRequired(_l("Enter a name.")), Length(max=120)], filters=[tidy])
    slug = StringField(_l("Address on the site"), [Length(max=140)], filters=[tidy])
    description = TextAreaField(_l("Description"), [Length(max=1000)], filters=[tidy])
    base_price = MoneyField(_l("Base price"), [InputRequired(_l("Enter a price."))])
    duration_minutes = WholeNumberField(
        _l("Duration in minutes"),
        [InputRequired(_l("Enter a duration, 15 to 720 minutes.")), NumberRange(15, 720)],
    )
