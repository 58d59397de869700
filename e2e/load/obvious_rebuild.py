"""The obvious way to rebuild: read the events in order and run what handles one, an upsert, for each. Prints nothing."""

from __future__ import annotations

import os

import psycopg

READ = "SELECT user_id, type, facts FROM ledger ORDER BY seq"
GRANT = "INSERT INTO obvious VALUES (%s, true) ON CONFLICT (user_id) DO UPDATE SET is_pro = true"
REVOKE = "INSERT INTO obvious VALUES (%s, false) ON CONFLICT (user_id) DO UPDATE SET is_pro = false"


def main() -> None:
    """Even kinder to it: one transaction, and only what names its user is handled."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TEMPORARY TABLE obvious (user_id text PRIMARY KEY, is_pro boolean NOT NULL)")
        reader = connection.cursor("events")
        reader.itersize = 2_000
        reader.execute(READ)
        for user_id, kind, _facts in reader:
            if user_id is not None:
                connection.execute(GRANT if kind == "purchase_succeeded" else REVOKE, (user_id,))


if __name__ == "__main__":
    main()
