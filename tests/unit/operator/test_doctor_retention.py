"""`./atlas doctor --fix` without credentials, or with a broker that is away: told, and nothing else happens."""

from __future__ import annotations

from atlas_contracts.streams import STREAMS
from atlas_operator.doctor import retention
from atlas_operator.mirrors import KeeperUrls


def test_without_credentials_that_may_update_streams_it_says_which_are_lacking() -> None:
    [finding] = retention.mend(KeeperUrls(None, None), STREAMS, 1).findings
    assert finding.level == "error" and "NATS_ADMIN_URL is missing" in finding.what and finding.remedy


def test_a_broker_that_is_away_is_told_without_the_password() -> None:
    [finding] = retention.mend(KeeperUrls("nats://keeper:hunter2@127.0.0.1:9", None), STREAMS, 1).findings
    assert finding.level == "error" and "does not answer" in finding.what
    assert "hunter2" not in finding.what + finding.remedy
