"""Rows that try to get out of their page, in a real browser: nothing of them runs, and none becomes an element."""

import json

import pytest

import yamlgen
from yamlgen.api.run_reports import report

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>hacked()</script>",
    "</script><script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    "<svg onload=hacked()><title>",
    "</title></style></textarea></article></section><h1 onclick=hacked()>",
    "<!--<script>",
    "]]><a href=javascript:hacked()>go</a>",
    '" onmouseover="hacked()" style="position:fixed',
    "javascript:hacked()",
    "https://evil.example/a?b=c",
    "</style><style>*{display:none}</style>",
    "<iframe srcdoc='<script>parent.hacked()</script>'>",
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;",
    "\u202eevil\u2066\u0000\u001b[31m",
)
ENDLESS = "<b>" * 350_000
"""A cell of a megabyte."""
PIPELINE = {
    "version": 1,
    "name": "hostile",
    "model": "claude-haiku-5-5",
    "params": {"said": {"type": "string", "default": HOSTILE[0]}},
    "input": {"path": "rows.jsonl", "id": "id"},
    "steps": {
        "asked": {
            "max_tokens": 2000,
            "prompt": "{{ params.said }}\n{{ row.text }}\n{{ row['<u>name</u>'] }}",
            "output": {"schema": {"type": "object", "additionalProperties": False, "required": [], "properties": {}}},
        },
        "echoed": {"kind": "python", "call": "echo:echo", "args": {"text": "row.text", "number": "row.number"}},
    },
    "output": {"path": "out/hostile.jsonl"},
}
ECHO = """\
def echo(text, number):
    if number % 5 == 4:
        raise ValueError(text)
    return {"text": text, "list": [text, text], text[:20]: text}
"""
HARMLESS = str.maketrans(dict.fromkeys("<>&\"'/:;=(){}[]!*%\\\u202e\u2066\0\x1b", "x"))


def harmless(value):
    """The same value, of the same length, but of letters."""
    if isinstance(value, dict):
        return {harmless(name): harmless(each) for name, each in value.items()}
    if isinstance(value, list):
        return [harmless(each) for each in value]
    return value.translate(HARMLESS) if isinstance(value, str) else value


def written(folder, change):
    """The page of a run of the pipeline, whose texts are changed."""
    folder.mkdir()
    texts = [*HOSTILE, ENDLESS]
    rows = [
        {"id": f"{number} {text[:90]}", "number": number, "text": text, "<u>name</u>": text[:90]}
        for number, text in enumerate(texts)
    ]
    document = json.loads(json.dumps(PIPELINE))
    document["params"]["said"]["default"] = change(HOSTILE[0])
    asked = document["steps"]["asked"]
    asked["prompt"] = asked["prompt"].replace("<u>name</u>", change("<u>name</u>"))
    names = [change(f"{number} <i>kind</i>") for number in range(len(HOSTILE))]
    properties = {name: {"enum": [change(text)]} for name, text in zip(names, HOSTILE, strict=True)}
    asked["output"]["schema"] |= {"required": names, "properties": properties}
    (folder / "hostile.yaml").write_text(json.dumps(document), "utf-8")  # which is YAML
    (folder / "rows.jsonl").write_text("".join(json.dumps(change(row)) + "\n" for row in rows), "utf-8")
    (folder / "echo.py").write_text(ECHO, "utf-8")
    yamlgen.run(folder / "hostile.yaml", simulate=True)
    report(folder / "hostile.yaml", path=folder / "page.html")
    return folder / "page.html"


@pytest.fixture(scope="module")
def pages(chromium, tmp_path_factory):
    """The page of the hostile rows, and of harmless ones of the same lengths."""
    assert chromium
    folder = tmp_path_factory.mktemp("hostile")
    return written(folder / "hostile", lambda value: value), written(folder / "harmless", harmless)


def unfolded(chromium, page):
    """Open a page and all that folds on it, and point at whatever can be pointed at."""
    chromium.open(page)
    chromium.run("""
        for (const each of document.querySelectorAll("details")) each.open = true;
        for (const each of document.querySelectorAll("main *"))
            each.dispatchEvent(new MouseEvent("mouseover", {bubbles: false}));
    """)
    chromium.until("return Array.from(document.querySelectorAll('details')).every((each) => each.children.length > 1)")


def test_nothing_of_a_row_runs(chromium, pages):
    """No function is called, the policy has nothing to forbid, and nothing is asked for."""
    unfolded(chromium, pages[0])
    assert chromium.run("return window.ran") == []
    assert chromium.run("return window.violations") == []
    assert chromium.requested() == [pages[0].as_uri()]


def test_a_row_adds_no_element(chromium, pages):
    """There are as many elements of each name as on a page of harmless rows, and no attribute that could run.

    Only the names are compared of parts whose numbers depend on the time and on the tokens.
    """
    found = []
    for page in pages:
        unfolded(chromium, page)
        parts = [chromium.elements(f"#{part} *") for part in ("failures", "fields", "rows")]
        found.append((parts, set(chromium.elements())))
    assert found[0] == found[1]
    assert all(found[0][0])
    names = "return Array.from(document.querySelectorAll('*')).flatMap((each) => each.getAttributeNames())"
    assert not {name for name in chromium.run(names) if name.startswith("on") or name in {"style", "src", "srcdoc"}}


def test_no_text_of_a_row_is_a_link(chromium, pages):
    """All links lead to a place of the page itself."""
    unfolded(chromium, pages[0])
    links = chromium.run("return Array.from(document.links, (each) => each.getAttribute('href'))")
    assert links
    assert all(link.startswith("#") for link in links)


def test_hostile_text_is_shown_as_it_is(chromium, pages):
    """Markup is its characters; what turns text around or cannot be seen is an escape."""
    unfolded(chromium, pages[0])
    shown = chromium.run("return document.body.innerText")
    for text in HOSTILE[:-1]:
        assert text in shown
    assert r"\u202eevil\u2066\u0000\u001b[31m" in shown
    assert not set(shown) & set("\u202e\u2066\0\x1b")


def test_hostile_pages_are_as_wide_as_the_window(chromium, pages):
    """A word of a megabyte, or a style, makes nobody scroll sideways."""
    chromium.open(pages[0], width=360)
    chromium.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert chromium.run("return document.scrollingElement.scrollWidth") == 360
