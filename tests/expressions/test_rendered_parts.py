"""Where the parts of a rendered text come from."""

from yamlgen.expressions.rendered_parts import rendered_parts

SCOPE = {"row": {"text": "a\nb", "tags": ["p", "q"]}, "params": {"tone": "dry"}}


def parts(source):
    """The parts as their text, the text of the template from their place on, and what they read."""
    found = rendered_parts(source, SCOPE)
    return found and [
        (each.text, source[each.offset :][: len(each.text)], each.reads and set(each.reads)) for each in found
    ]


def test_own_text_has_its_place_and_a_value_what_it_reads():
    """Also after white space that a tag removes."""
    assert parts("Be {{ params.tone }}:\n  {%- if row.text %}\n  Now {{ row.text }}{% endif %}") == [
        ("Be ", "Be ", None),
        ("dry", "par", {("params", "tone")}),
        (":", ":", None),
        ("  Now ", "  Now ", None),
        ("a\nb", "row", {("row", "text")}),
    ]


def test_a_name_of_the_template_reads_what_it_is_made_of():
    """A loop and `set` bind names."""
    found = parts("{% set all = row.tags %}{% for tag in all %}{{ tag }}{% endfor %}")
    assert [(text, reads) for text, _, reads in found] == [(each, {("row", "tags")}) for each in "pq"]


def test_a_template_that_processes_its_own_text_has_no_parts():
    """The places within it are unknown."""
    assert parts("{% filter length %}Be {{ params.tone }}{% endfilter %}") is None
