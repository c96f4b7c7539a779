"""What letters and reports are made of: the same parts become HTML, plain text and paper."""

from dataclasses import dataclass, field
from typing import ClassVar

WIDEST_BAR = 20
# As wide as an old terminal, beyond which a plain table is told line by line.
WIDEST_LINE = 76


@dataclass(frozen=True)
class Paragraph:
    kind: ClassVar = "paragraph"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Heading:
    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Button:
    """A link that is the point of a letter: an endpoint of the site and its arguments."""

    kind: ClassVar = "button"
    label: str
    endpoint: str
    values: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Names and what they are: (("Service", "Deep cleaning"), ...)."""

    kind: ClassVar = "facts"
    rows: tuple


@dataclass(frozen=True)
class Entry:
    """One thing of a list: a title that is a link, and lines about it."""

    kind: ClassVar = "entry"
    title: str
    lines: tuple
    endpoint: str
    values: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Rows of texts under a head; the first column is words, the others are numbers."""

    kind: ClassVar = "table"
    head: tuple
    rows: tuple

    @property
    def lines(self) -> list[str]:
        """The table in plain text: in columns if they fit, else cell by cell."""
        rows = (self.head, *self.rows)
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.head))]
        if sum(widths) + 2 * len(widths) > WIDEST_LINE:
            cells = (zip(self.head[1:], row[1:], strict=True) for row in self.rows)
            told = (", ".join(f"{name}: {value}" for name, value in row) for row in cells)
            return [self.head[0], *(f"{row[0]} - {text}" for row, text in zip(self.rows, told, strict=True))]
        first, *others = widths
        return [
            "  ".join([row[0].ljust(first), *(cell.rjust(n) for cell, n in zip(row[1:], others, strict=True))]).rstrip()
            for row in rows
        ]


@dataclass(frozen=True)
class Bars:
    """Amounts side by side: ((label, amount, the amount in words), ...)."""

    kind: ClassVar = "bars"
    rows: tuple

    @property
    def drawn(self) -> list[tuple[str, str, str]]:
        """(label, bar, amount in words), the longest bar of twenty full blocks."""
        top = max((amount for _label, amount, _shown in self.rows), default=0)
        return [(label, _bar(amount, top), shown) for label, amount, shown in self.rows]

    @property
    def lines(self) -> list[str]:
        width = max((len(label) for label, _bar, _shown in self.drawn), default=0)
        return [f"{label.ljust(width)}  {bar} {shown}".rstrip() for label, bar, shown in self.drawn]


def _bar(amount, top):
    if amount <= 0:
        return ""
    return "█" * max(round(WIDEST_BAR * amount / top), 1)
