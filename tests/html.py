"""What every page must keep to, whatever it shows."""

from collections import Counter

import html5lib

DATA_SCRIPTS = ("application/json", "application/ld+json", "importmap")
REFERRING = ("for", "aria-describedby", "aria-labelledby", "aria-controls", "list")


def parse(text: str):
    """The element tree of a page, or of a fragment under a root of its own."""
    if is_page(text):
        return html5lib.parse(text, namespaceHTMLElements=False)
    return html5lib.parseFragment(text, namespaceHTMLElements=False)


def is_page(text: str) -> bool:
    return text.lstrip()[:9].lower() == "<!doctype"


def faults(text: str) -> list[str]:
    """What is wrong with a page or a fragment, one phrase each."""
    tree = parse(text)
    elements = [one for one in tree.iter() if isinstance(one.tag, str)]
    found = [*_identity_faults(elements, is_page(text)), *_inline_faults(elements), *_form_faults(elements)]
    return [*found, *_page_faults(tree, elements)] if is_page(text) else found


def _identity_faults(elements, whole_page):
    known = Counter(one.get("id") for one in elements if one.get("id"))
    for name, times in known.items():
        if times > 1:
            yield f"the id {name!r} is there {times} times"
    if not whole_page:
        return
    for one in elements:
        for attribute in REFERRING:
            for name in (one.get(attribute) or "").split():
                if name not in known:
                    yield f'<{one.tag} {attribute}="{name}"> refers to nothing'


def _inline_faults(elements):
    for one in elements:
        if one.tag == "style" or one.get("style") is not None:
            yield f"inline style at <{one.tag}>"
        if one.tag == "script" and not one.get("src") and one.get("type") not in DATA_SCRIPTS:
            yield "inline script"
        for attribute in one.attrib:
            if isinstance(attribute, str) and attribute.startswith("on"):
                yield f"inline handler {attribute} at <{one.tag}>"
        if (one.get("href") or "").strip().lower().startswith("javascript:"):
            yield "a javascript: link"


def _form_faults(elements):
    for form in elements:
        if form.tag != "form" or (form.get("method") or "get").lower() != "post":
            continue
        if not any(one.tag == "input" and one.get("name") == "csrf_token" for one in form.iter()):
            yield f"the form to {form.get('action')!r} has no csrf_token"


def _page_faults(tree, elements):
    title = tree.find("head/title")
    if title is None or not (title.text or "").strip():
        yield "no title"
    headings = sum(one.tag == "h1" for one in elements)
    if headings != 1:
        yield f"{headings} h1 headings"
    if not tree.get("lang"):
        yield "no language on <html>"
    for one in elements:
        if one.tag == "img" and one.get("alt") is None:
            yield f"an image without alt: {one.get('src')}"
