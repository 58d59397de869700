"""What an audit reports is kept and shown: at the support desk and in the metrics."""

from __future__ import annotations

import re
import urllib.request

from support.entitlements import Service, running, token

CLEAN = {"paidNotPro": 0, "proNotPaid": 0, "secondPayments": 0, "users": 3}


def report(service: Service, body: dict[str, int]) -> tuple[int, dict]:
    return service.get("/operator/audits", token("operator", issuer="operator"), body)


def shown(service: Service) -> dict | None:
    return service.get("/operator/support", token("operator", issuer="operator"))[1]["audit"]


def metric(service: Service, name: str) -> float:
    with urllib.request.urlopen(service.url + "/metrics", timeout=30) as answer:
        return float(re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)[1])


def test_the_last_audit_and_the_last_clean_one_are_kept_over_a_restart(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        assert metric(service, "atlas_audit_last_clean_timestamp_seconds") == 0
        assert report(service, CLEAN)[0] == 200
        first = shown(service)
        assert first["at"] == first["lastCleanAt"]
        assert report(service, CLEAN | {"paidNotPro": 2})[0] == 200
        second = shown(service)
        assert second["lastCleanAt"] == first["at"] < second["at"]
        service.kill()
        service.start()
        assert shown(service) == second
        assert metric(service, 'atlas_audit_wrong{kind="paidNotPro"}') == 2
        assert 0 < metric(service, "atlas_audit_last_clean_timestamp_seconds") < metric(service, "atlas_audit_timestamp_seconds")


def test_a_report_that_makes_no_sense_changes_nothing(nats_url, postgres_dsn):
    with running(nats_url, postgres_dsn) as service:
        assert report(service, CLEAN | {"users": -1})[0] == 400
        assert shown(service) is None
