"""What the SDK encodes, the sandbox decodes: any nesting of lists and hashes."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from stripe._encode import _api_encode

from stripe_sandbox.params import as_json, decode

names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name != "metadata")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    texts,
    lambda inner: st.lists(inner, min_size=1, max_size=12) | st.dictionaries(names, inner, min_size=1, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(names, values, max_size=5))
def test_decoding_is_the_inverse_of_the_sdks_encoding(given_params):
    encoded = urlencode(list(_api_encode(given_params)))
    assert as_json(decode(encoded)) == given_params
