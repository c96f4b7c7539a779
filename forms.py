"""WTForms, grouped by role: account, customer, professional, admin."""

from contextlib import contextmanager

from flask_wtf import FlaskForm

from domain import errors
from extensions import end_refused


@contextmanager
def refusals(form: FlaskForm):
    """Put a domain refusal beside the field at fault, or on top of the form.

    Nothing is written; what the person typed stays in the form.
    """
    try:
        yield
    except (errors.Invalid, errors.Conflict, errors.NotAllowed) as refusal:
        end_refused(refusal)
        field = form._fields.get(getattr(refusal, "field", None) or "")
        if field is None:
            form.form_errors.append(refusal.message)
        else:
            field.errors = [*field.errors, refusal.message]


# -- Account --------------------------------------------------------------------------------


# -- Customer -------------------------------------------------------------------------------


# -- Professional ---------------------------------------------------------------------------


# -- Admin ----------------------------------------------------------------------------------
