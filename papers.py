"""Reports on paper: a PDF of the same blocks that a letter is made of."""

import functools
import io
import unicodedata
from datetime import datetime

from flask import Response, send_file
from flask_babel import get_locale
from flask_babel import gettext as _
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

import templating
from config import ROOT
from domain import clock
from extensions import settings

FONT = "Mukta"
FILES = {"": ROOT / "data" / "fonts" / "Mukta-Regular.ttf", "B": ROOT / "data" / "fonts" / "Mukta-Bold.ttf"}
INK, MUTED, BRAND, LINE = (23, 37, 31), (86, 102, 96), (11, 93, 74), (228, 225, 216)
MARGIN, LINE_HEIGHT = 20, 6
# What a letter of a script that the font does not have becomes.
UNKNOWN = "?"


def pdf(title: str, name: str, blocks: tuple, made: datetime | None = None) -> bytes:
    """The blocks on A4 under a title and the name of the person they are about. Links are left out. `made` is when
    what they say was so, if not now."""
    paper = _Paper(title)
    paper.write_line(settings.site_name, 11, BRAND, bold=True)
    paper.ln(4)
    paper.write_line(title, 20, INK, bold=True, height=10)
    made = _("Made on %(day)s", day=templating.full_date(made or clock.now()))
    paper.write_line(f"{name} · {made}", 10, MUTED)
    paper.ln(4)
    for block in blocks:
        writer = _WRITERS.get(block.kind)
        if writer:
            writer(paper, block)
    return bytes(paper.output())


def download(title: str, name: str, blocks: tuple, file_name: str, made: datetime | None = None) -> Response:
    """The answer that a browser saves as a file. It is the person's own, so nothing on the way keeps it."""
    answer = send_file(
        io.BytesIO(pdf(title, name, blocks, made)), "application/pdf", as_attachment=True, download_name=file_name
    )
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


class _Paper(FPDF):
    def __init__(self, title):
        super().__init__(format="A4")
        for style, path in FILES.items():
            self.add_font(FONT, style, path)
        # Said outright: guessed by the first letter of a line, what comes after an English word is misshapen.
        self.set_text_shaping(True, direction="ltr", script="deva", language="hin")
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, MARGIN)
        self.set_title(title)
        self.set_lang(str(get_locale().language))
        self.set_creation_date(clock.now())
        self.set_draw_color(*LINE)
        self.add_page()

    def footer(self):
        self.set_y(-14)
        self.use(9, MUTED)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")

    def use(self, size, colour, bold=False):
        self.set_font(FONT, "B" if bold else "", size)
        self.set_text_color(*colour)

    def write_line(self, text, size, colour, bold=False, height=LINE_HEIGHT):
        self.use(size, colour, bold)
        self.multi_cell(0, height, known(text), align="L", new_x="LMARGIN", new_y="NEXT")


def known(text: str) -> str:
    """A text with what the font cannot show replaced: names come in all scripts, the font has two."""
    kept = []
    for letter in unicodedata.normalize("NFC", text):
        if ord(letter) in _letters() or letter == "\n":
            kept.append(letter)
        elif unicodedata.category(letter)[0] in "LNPS":
            kept.append(UNKNOWN)
        elif letter.isspace():
            kept.append(" ")
    return "".join(kept)


@functools.cache
def _letters():
    with TTFont(FILES[""]) as font:
        return frozenset(font.getBestCmap())


def _paragraph(paper, block):
    paper.write_line(block.text, 10, MUTED if block.quiet else INK)
    paper.ln(2)


def _heading(paper, block):
    if paper.will_page_break(4 * LINE_HEIGHT):
        paper.add_page()
    paper.ln(4)
    paper.write_line(block.text, 13, INK, bold=True, height=8)


def _facts(paper, block):
    _table(paper, block.rows, (2, 1), ("LEFT", "RIGHT"))


def _plain_table(paper, block):
    others = len(block.head) - 1
    _table(paper, block.rows, (5, *[2] * others), ("LEFT", *["RIGHT"] * others), block.head)


def _table(paper, rows, widths, aligns, head=None):
    paper.use(10, INK)
    with paper.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=widths,
        text_align=aligns,
        line_height=LINE_HEIGHT,
        padding=(1, 0.5),
        headings_style=FontFace(emphasis="", color=MUTED),
        first_row_as_headings=head is not None,
    ) as table:
        for row in (*((head,) if head else ()), *rows):
            table.row([known(cell) for cell in row])
    paper.ln(2)


def _bars(paper, block):
    top = max((amount for _label, amount, _shown in block.rows), default=0) or 1
    left, widest = 38, paper.epw - 38 - 34
    for label, amount, shown in block.rows:
        paper.use(10, MUTED)
        paper.cell(left, LINE_HEIGHT, known(label))
        x, y = paper.get_x(), paper.get_y()
        if amount > 0:
            paper.set_fill_color(*BRAND)
            paper.rect(x, y + 1.2, max(widest * amount / top, 0.5), LINE_HEIGHT - 2.4, style="F")
        paper.set_x(x + widest)
        paper.use(10, INK)
        paper.cell(0, LINE_HEIGHT, known(shown), align="R", new_x="LMARGIN", new_y="NEXT")
    paper.ln(2)


def _entry(paper, block):
    paper.write_line(block.title, 10, INK, bold=True)
    for line in block.lines:
        paper.write_line(line, 10, MUTED)
    paper.ln(1)


_WRITERS = {
    "paragraph": _paragraph,
    "heading": _heading,
    "facts": _facts,
    "table": _plain_table,
    "bars": _bars,
    "entry": _entry,
}
