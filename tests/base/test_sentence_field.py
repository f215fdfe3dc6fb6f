"""A sentence comes out of INFO as it went in, also for a client library that knows nothing of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers.helpers import parse_info

from trilemma.base.sentence_field import escaped, unescaped, with_reasons

SENTENCE = "n3 reaches 1 of 3 replicas, needs 2 (50% are away; a=b)"


@given(st.text(alphabet=st.sampled_from("%,=\r\n;: 2Ca\u2028ü")) | st.text())
def test_what_is_said_is_what_is_read(sentence: str) -> None:
    assert unescaped(escaped(sentence)) == sentence
    assert not set(escaped(sentence)) & set(",=\r\n")


@pytest.mark.parametrize("fields", ["state=down,why={}", "why={},state=down"])
def test_a_client_library_takes_the_fields_apart(fields: str) -> None:
    section = parse_info(f"# Keyspaces\r\nsite:{fields.format(escaped(SENTENCE))}\r\nshop:state=up\r\nlinks:up\r\n")
    assert with_reasons(section) == {
        "site": {"state": "down", "why": SENTENCE}, "shop": {"state": "up"}, "links": "up",
    }  # fmt: skip
