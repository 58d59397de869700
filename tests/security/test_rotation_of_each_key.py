"""Everybody's key is exchanged as `./atlas keys` says, while old and new processes of all run side by side.

`test_key_rotation.py` does it to real processes under load, for one key. Here it is done for every key there is, with every
pair of a sender and a receiver that may meet: each of the step before or of the step just done.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
from pydantic import SecretStr

from atlas_kit.http.errors import Unauthorized
from atlas_kit.http.identity import Caller, TokenMint, TokenVerifier
from atlas_localstack.stack.plan import SIGNERS
from atlas_operator.key_folder import KeyFolder, as_setting


@pytest.mark.parametrize("name", SIGNERS)
def test_no_token_in_use_is_refused_at_any_step(tmp_path: Path, name: str) -> None:
    keys = KeyFolder(tmp_path)
    keys.make(SIGNERS)

    def sender() -> TokenMint:
        return TokenMint(SecretStr(json.dumps(keys.signing_key(name))), name)

    def receiver() -> TokenVerifier:
        return TokenVerifier(as_setting(keys.trusted()), "entitlements")

    first = sender()
    senders, receivers = [first], [receiver()]
    for step in (keys.begin, keys.switch, keys.end):
        step(name)
        senders, receivers = [senders[-1], sender()], [receivers[-1], receiver()]
        for asks, answers in product(senders, receivers):
            caller = answers.verify(f"Bearer {asks.token('entitlements', name)}")
            assert caller == Caller(name, name)
    with pytest.raises(Unauthorized):
        receivers[-1].verify(f"Bearer {first.token('entitlements', 'another')}")
