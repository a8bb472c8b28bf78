"""Lines of JSON and values of it that take the shorter way come to the same as on the longer one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from yamlgen.canonical_json import encoding
from yamlgen.errors import UsageError
from yamlgen.formats.strict_json import decode, plain_object

_TEXTS = st.text(':"\\ {}a\u2028\ud800', max_size=5)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)
_MEMBERS = st.lists(
    st.tuples(st.sampled_from(["a", "b", ":", '":', '\\"']), st.sampled_from([":", ": ", " :", "\t: "]), _VALUES)
)
_ENDS = st.sampled_from(["\n", "\r\n", "", " \n", "x\n", ",\n"])


@given(members=_MEMBERS, end=_ENDS, start=st.sampled_from(["", " "]))
def test_a_plain_object_is_what_is_decoded(members, end, start):
    """Whatever colons its texts hold, and whichever key it has twice: a line is the same object, or is left alone."""
    text = ", ".join(f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, colon, value in members)
    line = f"{start}{{{text}}}{end}"
    found = plain_object(line.encode())
    try:
        row, at = decode(line, len(start), "a.jsonl", 1)
    except UsageError:
        assert found is None
    else:
        assert found is None or (repr(found) == repr(row) and not line[at:].strip())


def test_most_lines_are_plain():
    """A line with colons in its texts, however its keys are parted from its values, need not be decoded again."""
    assert plain_object(b'{"at": "10:30", "see" :"http://a.b", "n":1}\n') == {
        "at": "10:30",
        "see": "http://a.b",
        "n": 1,
    }


@given(value=_VALUES, sort_keys=st.booleans())
def test_an_encoder_that_is_made_once(value, sort_keys):
    """It writes each value as an encoder does that is made for it."""
    encoder = json.JSONEncoder(sort_keys=sort_keys, ensure_ascii=False, check_circular=False)
    assert encoding(encoder)(value) == encoder.encode(value)
