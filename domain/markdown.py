"""What Markdown of an article becomes HTML: text, lists, links and our own pictures, and nothing that acts.

Three locks, each enough alone: HTML in it is text, addresses have a scheme that is known, and what comes
out is washed by a parser of its own against a short list of what may be there.
"""

import functools
import re

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

PICTURES = "/guides/pictures/"
_OWN_PICTURE = re.compile(re.escape(PICTURES) + r"[0-9a-f]{32}")
# The page has its h1, and deeper than this nobody reads.
_HIGHEST, _DEEPEST = 2, 4
_TAGS = frozenset(
    ("a", "blockquote", "br", "code", "em", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre", "strong", "ul")
)
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "loading"}, "ol": {"start"}}
_KEPT = 200

_parser = MarkdownIt("commonmark", {"html": False})


@functools.lru_cache(maxsize=_KEPT)
def html(text: str) -> Markup:
    """An article as it is shown."""
    tokens = _parser.parse(text)
    _grade_headings(tokens)
    for token in tokens:
        if token.children:
            token.children = [_picture(one) if one.type == "image" else one for one in token.children]
    washed = nh3.clean(
        _parser.renderer.render(tokens, _parser.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
    )
    return Markup(washed)  # noqa: S704 (what nh3 has washed)


def words(text: str) -> str:
    """The words alone, without marks and addresses."""
    found = []
    for token in _parser.parse(text):
        if token.type in ("fence", "code_block"):
            found.append(token.content)
        for one in token.children or ():
            found.append(one.content if one.type in ("text", "code_inline", "image") else " ")
        found.append("\n")
    return "".join(found)


def pictures(text: str) -> set[str]:
    """The names of our pictures in an article."""
    return {one.removeprefix(PICTURES) for one in _OWN_PICTURE.findall(text)}


def picture(file_id: str, alt: str) -> str:
    """A picture as it is written in an article."""
    words = re.sub(r"([\\\[\]])", r"\\\1", " ".join(alt.split()))
    return f"![{words}]({PICTURES}{file_id})"


def _grade_headings(tokens):
    """One level after the other below the page's own, whatever was written."""
    level = _HIGHEST - 1
    for token in tokens:
        if token.type == "heading_open":
            level = max(_HIGHEST, min(int(token.tag[1]), level + 1, _DEEPEST))
            token.tag = f"h{level}"
        elif token.type == "heading_close":
            token.tag = f"h{level}"


def _picture(token):
    """Ours as it is, and of any other its words: a page asks nobody else's server for anything."""
    if _OWN_PICTURE.fullmatch(str(token.attrs.get("src", ""))):
        token.attrs["loading"] = "lazy"
        return token
    return Token("text", "", 0, content=token.content)
