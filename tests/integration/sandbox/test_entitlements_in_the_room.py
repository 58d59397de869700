"""The control room asks the product about each user, with a token that the product accepts."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.identity import key_of, verifier


def test_the_room_shows_what_the_entitlements_service_says(start_sandbox):
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            caller = verifier("entitlements").verify(self.headers["authorization"])
            [user] = json.loads(self.rfile.read(int(self.headers["content-length"])))["userIds"]
            asked.append((self.path, caller.issuer, caller.subject, user))
            status = 500 if user == "broken" else 200
            found = {"userId": user, "isPro": user == "ada", "status": "active", "source": "stripe"}
            body = json.dumps({"entitlements": [found]}).encode()
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
        sandbox = start_sandbox(SANDBOX_ENTITLEMENT_URL=url, INTERNAL_SIGNING_KEY=json.dumps(key_of("atlas-reader")))
        status, answer = sandbox.http("GET", "/_sandbox/entitlements?user=ada&user=bob&user=broken")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert status == 200
    assert answer["data"]["ada"]["isPro"] is True
    assert answer["data"]["bob"]["isPro"] is False
    assert answer["data"]["broken"] is None
    assert sorted(asked) == [
        ("/v1/entitlements/query", "atlas-reader", "atlas-reader", user) for user in ("ada", "bob", "broken")
    ]
    assert sandbox.http("GET", "/_sandbox/entitlements?user=late")[1] == {"data": {"late": None}}
