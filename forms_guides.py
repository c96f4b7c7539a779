"""WTForms of the guides: writing them, and what readers say."""

from datetime import datetime, time

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import DateField, HiddenField, SelectField, SelectMultipleField, StringField, TextAreaField, TimeField
from wtforms.validators import Length, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from domain import clock
from domain.articles import Draft
from fields import MomentField
from forms import Form, one_of, plausible_date, tidy
from models_guides import Guide

LANGUAGES = {"en": "English", "hi": "हिन्दी"}
# When a day was chosen, and no time.
MORNING = time(9)


class GuideForm(Form):
    """`seen` is the version that was on the page."""

    seen = MomentField()
    title = StringField(_l("Title"), filters=[tidy])
    summary = TextAreaField(_l("Summary"), filters=[tidy])
    text = TextAreaField(_l("Text"), filters=[tidy])
    picture = FileField(_l("Add a picture"))
    alt = StringField(_l("What the picture shows"), filters=[tidy])
    tags = StringField(_l("Tags"), [Length(max=400)], filters=[tidy])
    services = SelectMultipleField(
        _l("Services"), coerce=int, widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
    slug = StringField(_l("Address"), [Length(max=100)], filters=[tidy])
    language = SelectField(_l("Language"), [Optional()], choices=one_of(LANGUAGES.items()), default="en")
    publish_on = DateField(_l("Publish on"), [Optional(), plausible_date])
    publish_time = TimeField(_l("At"), [Optional()])

    def of(self, guide: Guide) -> "GuideForm":
        """Show a guide as it is, unless something was typed."""
        if not self.is_submitted():
            for name in ("title", "summary", "text", "slug", "language"):
                self[name].data = getattr(guide, name)
            self.seen.data = guide.edited_at
            self.tags.data = ", ".join(guide.names_of_tags)
            self.services.data = [one.id for one in guide.services]
            if guide.publish_at:
                here = clock.local(guide.publish_at)
                self.publish_on.data, self.publish_time.data = here.date(), here.time()
        return self

    @property
    def draft(self) -> Draft:
        return Draft(
            title=self.title.data or "",
            summary=" ".join((self.summary.data or "").split()),
            text=self.text.data or "",
            slug=self.slug.data or "",
            tags=tuple((self.tags.data or "").split(",")),
            service_ids=tuple(self.services.data or ()),
            language=self.language.data or "",
            publish_at=self._publish_at,
            alt=self.alt.data or "",
        )

    @property
    def _publish_at(self) -> datetime | None:
        day = self.publish_on.data
        return clock.at_wall(day, self.publish_time.data or MORNING) if day else None


class PreviewForm(Form):
    text = TextAreaField(filters=[tidy])


class ApproveForm(Form):
    seen = MomentField()


class ReactionForm(Form):
    """Whether somebody feels it, or no longer does."""

    on = HiddenField()


class CommentForm(Form):
    key = HiddenField(validators=[Length(max=64)], filters=[tidy])
    text = TextAreaField(_l("Comment"), filters=[tidy])
