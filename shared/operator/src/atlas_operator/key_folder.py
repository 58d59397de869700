"""A folder with the keys of an installation: each service's private one, and the set of public ones that all trust.

``NAME.json`` is what NAME signs with, ``NAME.next.json`` what it is going to sign with, ``trusted.json`` the value of
``INTERNAL_TRUSTED_KEYS``. Only the owner may read any of it. Whatever is interrupted is completed by the same command
again: a private key is written before its public half, and taken into use by one rename.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from atlas_kit.process.keys import NAME, new_key, public_half
from atlas_operator.errors import KeyNameRefused, KeysRefused
from atlas_operator.files import read_json, write_json

PRIVATE_FOLDER = 0o700
TRUSTED = "trusted"
Jwk = Mapping[str, Any]


class KeyFolder:
    """The keys in one folder; nothing is made before it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, names: Iterable[str]) -> list[str]:
        """Give each of ``names`` a key where it has none; returns those that got one. Raises KeysRefused."""
        wanted = list(names)
        for name in wanted:
            check_name(name)
        self._make_folder()
        made = [name for name in wanted if self._read(name) is None]
        for name in made:
            write_json(self._file(name), new_key(name))
        self._trust([public_half(self.signing_key(name)) for name in wanted])
        return made

    def _make_folder(self) -> None:
        """For its owner only. A folder that is there stays as it is: others may need to read what else it holds."""
        try:
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise KeysRefused(
                f"{self.path} can't be a folder for keys: {error.strerror}. Name another --folder."
            ) from error

    def signing_key(self, name: str) -> dict[str, Any]:
        """The private key that ``name`` signs with, as a JWK. Raises KeysRefused where there is none."""
        check_name(name)
        found = self._read(name)
        if found is None:
            raise KeysRefused(f"{name} has no key in {self.path}. Make one: keys make {name}")
        return found

    def trusted(self) -> dict[str, list[dict[str, Any]]]:
        """The JWK set of all public keys. Raises KeysRefused where the file can't be read."""
        file = self._file(TRUSTED)
        found = read_json(file) if file.exists() else {"keys": []}
        if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
            raise KeysRefused(
                f"{file} is broken. Restore it, or remove it and run: keys make NAME … for every service."
            )
        return found

    def begin(self, name: str) -> None:
        """Make a second key of ``name`` that is trusted beside the one in use, and not used yet."""
        self.signing_key(name)
        self._no_third_key(name)
        if self._read(f"{name}.next") is None:
            write_json(self._file(f"{name}.next"), new_key(name))
        self._trust([public_half(self._read(f"{name}.next") or {})])

    def switch(self, name: str) -> None:
        """Let ``name`` sign with its second key from its next start on. Raises KeysRefused before :meth:`begin`."""
        check_name(name)
        following = self._read(f"{name}.next")
        if following is None:
            raise KeysRefused(f"{name} has no second key yet. First: keys rotate {name} begin")
        self._trust([public_half(following)])
        self._file(f"{name}.next").replace(self._file(name))

    def end(self, name: str) -> bool:
        """Trust no other key of ``name`` than the one in use; False where no other was trusted.

        Raises KeysRefused before :meth:`switch`.
        """
        check_name(name)
        if self._read(f"{name}.next") is not None:
            raise KeysRefused(f"{name} does not sign with its second key yet. First: keys rotate {name} switch")
        used = public_half(self.signing_key(name))
        before = self.trusted()["keys"]
        others = [key for key in before if key.get("kid") != name]
        self._write_trusted([*others, used])
        return any(key.get("kid") == name and key.get("x") != used["x"] for key in before)

    def _no_third_key(self, name: str) -> None:
        known = [self._read(name), self._read(f"{name}.next")]
        points = {key["x"] for key in known if key}
        if any(key.get("kid") == name and key.get("x") not in points for key in self.trusted()["keys"]):
            raise KeysRefused(f"An earlier key of {name} is still trusted. First: keys rotate {name} end")

    def _trust(self, keys: list[dict[str, str]]) -> None:
        trusted = self.trusted()["keys"]
        known = {(key.get("kid"), key.get("x")) for key in trusted}
        missing = [key for key in keys if (key["kid"], key["x"]) not in known]
        if missing:
            self._write_trusted([*trusted, *missing])

    def _write_trusted(self, keys: list[dict[str, Any]]) -> None:
        write_json(self._file(TRUSTED), {"keys": sorted(keys, key=lambda key: str(key.get("kid")))})

    def _read(self, name: str) -> dict[str, Any] | None:
        file = self._file(name)
        if not file.exists():
            return None
        found = read_json(file)
        if not isinstance(found, dict) or not {"kty", "crv", "x", "d", "kid"} <= set(found):
            raise KeysRefused(f"{file} holds no private key. Restore it, or remove it and make a new one.")
        return found

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.json"


def check_name(name: str) -> None:
    """Raises KeyNameRefused where this can't be a service's name, and so no file's in the folder."""
    if not NAME.fullmatch(name) or name == TRUSTED or name.endswith(".next"):
        raise KeyNameRefused(f"{name!r} can't be a service's name: letters, digits, . _ -; 64 characters at most.")


def as_setting(value: Mapping[str, Any]) -> str:
    """A key or a set of keys as the value of an environment variable: JSON in one line, without quotes ' in it."""
    return json.dumps(value, separators=(",", ":"))
