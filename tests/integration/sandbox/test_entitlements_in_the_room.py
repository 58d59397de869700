"""The control room asks the product about each user, with a token that the product accepts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import SecretStr

from atlas_kit.http.identity import TokenVerifier

SECRET = "an internal secret of at least thirty-two characters"


def test_the_room_shows_what_the_entitlements_service_says(start_sandbox):
    verifier = TokenVerifier(SecretStr(SECRET), "entitlements")
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            caller = verifier.verify(self.headers["authorization"])
            asked.append((self.path, caller.issuer, caller.subject))
            status = 500 if caller.subject == "broken" else 200
            body = json.dumps({"isPro": caller.subject == "ada", "status": "active", "source": "stripe"}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        sandbox = start_sandbox(SANDBOX_ENTITLEMENT_URL=url, INTERNAL_AUTH_SECRET=SECRET)
        status, answer = sandbox.http("GET", "/_sandbox/entitlements?user=ada&user=bob&user=broken")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert status == 200
    assert answer["data"]["ada"]["isPro"] is True
    assert answer["data"]["bob"]["isPro"] is False
    assert answer["data"]["broken"] is None
    assert sorted(asked) == [("/internal/entitlement", "operator", user) for user in ("ada", "bob", "broken")]
    assert sandbox.http("GET", "/_sandbox/entitlements?user=late")[1] == {"data": {"late": None}}
