"""Rows as one JSON parameter, which a statement reads by ``json_to_recordset``.

psycopg converts an array element by element in Python: with some thirty arrays in the fold's statements that took a
quarter of its time. The standard library's encoder is one call of C for all rows (docs/performance.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

_ENCODER = json.JSONEncoder(separators=(",", ":"), default=datetime.isoformat)


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as JSON. Values: what JSON has, and times with their zone. Raises TypeError for anything else.

    Infinity and NaN are written as such, and the database refuses them (psycopg.DataError), as it does U+0000.
    """
    return _ENCODER.encode(rows)
