"""Other versions of the services: the next one, made of this tree by a few edits, and older ones out of the history.

A version is a folder for PYTHONPATH. The next one does all that a version may do to the one before it (docs/decisions/0010):
new fields, a new type, a newer schema version, another policy, a migration, another Stripe event, more in every answer.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from support.stack import WORKSPACE

SOURCES = tuple(sorted(path.relative_to(WORKSPACE) for path in WORKSPACE.glob("s*/*/src") if path.parent.name not in ("localstack", "operator", "stripe-sandbox")))

# module → what stands there → what the next version has in its place
EDITS: dict[str, dict[str, str]] = {
    # A newer schema version, in which the amount of a refund is an object; a new field of a refund; a new type of event.
    "atlas_contracts/cloudevents.py": {"SCHEMA_VERSION = 3": "SCHEMA_VERSION = 4"},
    "atlas_contracts/billing.py": {
        '    amount: int = Field(description="minor units")\n    status: str = Field(description="pending, ':
            '    amount: int | dict[str, int]\n    reason: str | None = None\n    status: str = Field(description="pending, ',
        '    PURCHASE_PENDING = "purchase_pending"\n': '    PURCHASE_PENDING = "purchase_pending"\n    GIFT_RECEIVED = "gift_received"\n',
        "    adjustment: Adjustment | None = None\n": "    adjustment: Adjustment | None = None\n    gift: dict[str, str] | None = None\n",
    },
    "atlas_stripe/mapping.py": {
        '    "charge.refunded": _map_charge_refunded,\n':
            '    "charge.refunded": _map_charge_refunded,\n'
            '    "charge.succeeded": lambda charge, _type, _at: charge_meaning(charge, BillingType.CHARGE_OBSERVED),\n',
    },
    "atlas_stripe/meanings.py": {
        "status=status, currency=currency(refund)\n": 'status=status, currency=currency(refund), reason=refund.get("reason")\n',
    },
    # What it makes of them: a refund that Stripe calls a duplicate takes nothing away, a gift makes Pro.
    "entitlements/domain/fold_version.py": {"FOLD_VERSION = 3": "FOLD_VERSION = 4"},
    "entitlements/domain/facts.py": {
        "    amount: int\n    status: str\n    charge: str | None = None\n":
            "    amount: int\n    status: str\n    charge: str | None = None\n    reason: str | None = None\n",
    },
    "entitlements/domain/timeline.py": {
        'if refund.status == "succeeded")': 'if refund.status == "succeeded" and refund.reason != "duplicate")',
        "amount_refunded(succeeded, self._amounts.values(), failures)": "amount_refunded(succeeded, (), failures)",
    },
    "entitlements/adapters/ledger_entry.py": {
        'yield Refund(refund["id"], refund["amount"], refund["status"], charge_id)':
            'amount = refund["amount"] if isinstance(refund["amount"], int) else refund["amount"]["minor"]\n'
            '        yield Refund(refund["id"], amount, refund["status"], charge_id, refund.get("reason"))\n'
            '    if facts.get("gift") and user_id:\n'
            '        yield Adjustment(event_id, "grant", user_id)',
    },
    # More in what services ask each other and answer.
    "atlas_contracts/model.py": {
        "class WireModel(BaseModel):\n":
            "class WireModel(BaseModel):\n"
            "    @pydantic.model_serializer(mode='wrap')\n"
            "    def _with_more(self, handler, info):\n"
            "        more = {'edition': {'of': 2}} if type(self).__module__ == 'atlas_contracts.internal_api' else {}\n"
            "        return {**handler(self), **more}\n\n",
        "from pydantic import AwareDatetime": "import pydantic\nfrom pydantic import AwareDatetime",
    },
    "atlas_contracts/internal_api.py": {
        "    version: int\n    reason: str | None\n": "    version: int\n    reason: str | None\n    since_edition: int = 1\n",
        "    checkout_session_id: str\n    reused: bool": "    since_edition: int = 1\n    checkout_session_id: str\n    reused: bool",
    },
}  # fmt: skip
MIGRATION = """
from alembic import op

revision = "29990101_0001_next"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("ALTER TABLE {table} ADD COLUMN edition text")
    op.execute("CREATE TABLE next_editions (id bigint PRIMARY KEY)")
"""
MIGRATED = {"entitlements": "ledger", "checkout": "checkout_attempts"}


def next_version(folder: Path) -> str:
    """This tree with :data:`EDITS` and a migration for each database."""
    for source in SOURCES:
        shutil.copytree(WORKSPACE / source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for module, edits in EDITS.items():
        text = (folder / module).read_text()
        for before, after in edits.items():
            assert text.count(before) == 1, f"{module} has changed: {before!r} stands there {text.count(before)} times"
            text = text.replace(before, after)
        (folder / module).write_text(text)
    for package, table in MIGRATED.items():
        versions = folder / package / "migrations" / "versions"
        head = max(path.stem for path in versions.glob("2*.py"))
        (versions / "29990101_0001_next.py").write_text(MIGRATION.format(head=head, table=table))
    return str(folder)


def older_version(folder: Path, revision: str) -> str:
    """The services as they were at a git revision."""
    archive = subprocess.run(["git", "archive", revision, *map(str, SOURCES)], cwd=WORKSPACE, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder / "archive", filter="data")
    for source in SOURCES:
        shutil.copytree(folder / "archive" / source, folder / "older", dirs_exist_ok=True)
    return str(folder / "older")
