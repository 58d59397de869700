"""What a difference between two documents is, whom it breaks, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Party(StrEnum):
    """Who was written for the release, and still runs."""

    READERS = "readers"
    """They read what today's code writes: our answers, our events."""
    WRITERS = "writers"
    """What they write is read by today's code: requests, and events that are in a stream already."""


NOBODY: frozenset[Party] = frozenset()
READERS = frozenset({Party.READERS})
WRITERS = frozenset({Party.WRITERS})
BOTH = READERS | WRITERS

VALUES_ADDED, VALUES_OPENED = "values added", "list of values given up"
OLD_FORM_TOO = "go on accepting the old form beside the new one, or give the new meaning a new optional field"
NEW_FIELD = "leave this field as it is, and say the new thing in a new optional field beside it"
REMEDIES = {
    VALUES_ADDED: "add the value in a billing event with a raised SCHEMA_VERSION (docs/decisions/0010), else in a new "
    "optional field; where the contract calls the field open, add it to OPEN in tests/support/compatibility/judgement.py",
    VALUES_OPENED: "the same as for a value added",
    "values removed": "keep the value: it need not be written any more, but it has to be read",
    "closed to a list of values": "go on accepting every value, and treat unknown ones as one of the list",
    "field removed": "keep the field, call it deprecated in its description, and go on filling and reading it",
    "required field added": "give the field a default, so that a document without it is still read",
    "field added that readers refuse": "allow further fields in one release, add the field in the next",
    "became required": "leave the field optional, with the default that it had",
    "no longer always there": "go on filling the field; null or a default is better than absence",
    "may be null now": NEW_FIELD,
    "may not be null any more": "go on accepting null, with the meaning that it had",
    "type widened": NEW_FIELD,
    "type narrowed": OLD_FORM_TOO,
    "type changed": NEW_FIELD,
    "limit tightened": OLD_FORM_TOO,
    "limit loosened": "go on writing within the old limit, or use a new optional field",
    "form changed": OLD_FORM_TOO,
    "further fields refused": "go on ignoring unknown fields, as every model of ours does",
    "further fields allowed": "nothing is lost by leaving it as it is: readers of the release refuse unknown fields",
    "default changed": "keep the default: whoever leaves the field out relies on it",
    "not understood": "write it in keywords that the classifier knows, or teach it this one in "
    "tests/support/compatibility/json_schema.py, with a row in the table of mutations",
    "document removed": "keep publishing it; what is retired is said in its description first, and removed with a new "
    "major version",
    "model removed": "keep the model under its name, also when it moves to another module",
    "route removed": "keep the route and let it answer as before, beside the new one",
    "caller removed": "leave the caller in atlas_contracts.callers until no running version calls the route",
    "channel removed": "go on publishing on it beside the new one; a new meaning gets a new subject (v2)",
    "message removed": "go on publishing it beside the new one",
    "parameter removed": "go on reading the parameter",
    "body removed": "go on reading the body",
    "answer removed": "go on giving this answer; clients act on its status",
    "answer added": "answer with a status that the release has: clients take an unknown success for a fault",
    "content type removed": "go on offering this content type",
    "header removed": "go on sending the header",
    "sign-in tightened": "go on accepting the ways to sign in that the release has",
    "name changed": "keep the operationId: generated clients call the function so",
}
"""Kind of difference → what to do instead, whoever breaks."""


@dataclass(frozen=True)
class Difference:
    """One difference at ``path`` in ``document``, and whom it can break if they meet it."""

    path: str
    kind: str
    breaks: frozenset[Party]
    was: str = ""
    now: str = ""
    document: str = ""

    def among(self, parties: frozenset[Party]) -> Difference:
        """The same where only these parties exist: nobody of ours reads a request that a client wrote, say."""
        return replace(self, breaks=self.breaks & parties)

    def told(self) -> str:
        """In words, with the remedy. For whoever made the change and never heard of this gate."""
        who = " and ".join(sorted(self.breaks))
        change = f" (was {self.was or 'absent'}, is {self.now or 'absent'})" if self.was or self.now else ""
        return (
            f"{self.document}: {self.path or 'the whole document'}: {self.kind}{change}.\n"
            f"    Breaks {who} that were written for the release.\n"
            f"    Instead: {REMEDIES[self.kind]}."
        )
