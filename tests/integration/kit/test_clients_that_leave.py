"""A client that goes away is no error of ours: nothing counted as ours, no traceback; and a process that ends says 503."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from atlas_kit.http.app import create_app, with_edge
from atlas_kit.http.connections import Connections
from atlas_kit.process.metrics import HTTP_REQUESTS
from atlas_localstack.servers.ports import LOOPBACK, free_port
from support.http_server import answered, heard, serving
from support.stack import eventually

HEAD = "{} {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Body(BaseModel):
    text: str


@dataclass
class Service:
    port: int
    began: threading.Event = field(default_factory=threading.Event)

    def app(self) -> FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(_app: FastAPI):
            yield

        app = create_app("a service", lifespan, dict)

        @app.post("/typed")
        async def typed(body: Body) -> Response:
            return Response(body.text)

        @app.post("/raw")
        async def raw(request: Request) -> Response:
            return Response(await request.body())

        @app.get("/stream")
        async def stream() -> Response:
            async def parts():
                while True:
                    yield b"x" * 1_000
                    self.began.set()
                    await asyncio.sleep(0.01)

            return StreamingResponse(parts())

        @app.get("/long")
        async def long() -> Response:
            self.began.set()
            await asyncio.sleep(60)
            return Response("late")

        return app

    def connect(self, sent: str) -> socket.socket:
        line = socket.create_connection((LOOPBACK, self.port), timeout=10)
        line.sendall(sent.encode())
        return line


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(free_port())
    with serving(with_edge(service.app()), service.port, Connections(50)):
        yield service


def counted(status: str) -> float:
    return sum(
        sample.value
        for metric in HTTP_REQUESTS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["status"] == status
    )


@pytest.mark.parametrize("path", ["/typed", "/raw"])
@pytest.mark.parametrize("framing", ["Content-Length: 60000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"])
def test_an_upload_that_breaks_off_is_no_failure(service: Service, path: str, framing: str, capfd, caplog) -> None:
    ours, gone = counted("500"), counted("499")
    for _ in range(3):
        service.connect(HEAD.format("POST", path) + framing).close()
    eventually(lambda: counted("499") == gone + 3, 5)
    assert counted("500") == ours
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err + caplog.text and "rror" not in told.out + told.err + caplog.text


def test_a_body_that_is_too_large_is_413_whoever_reads_it(service: Service) -> None:
    for path in ("/typed", "/raw"):
        line = service.connect(HEAD.format("POST", path) + "Content-Length: 70000\r\nConnection: close\r\n\r\n{")
        assert answered(line).startswith(b"HTTP/1.1 413")


def test_an_answer_that_nobody_hears_is_no_failure(service: Service, capfd, caplog) -> None:
    ours, fine = counted("500"), counted("200")
    for _ in range(3):
        service.began.clear()
        line = service.connect(HEAD.format("GET", "/stream") + "\r\n")
        assert service.began.wait(5)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
        line.close()
    eventually(lambda: counted("200") == fine + 3, 5)
    assert counted("500") == ours
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err + caplog.text


def test_a_request_that_outlasts_the_process_hears_that_it_may_ask_again(capfd) -> None:
    service = Service(free_port())
    with serving(with_edge(service.app()), service.port, Connections(50), grace_seconds=1) as server:
        line = service.connect(HEAD.format("GET", "/long") + "\r\n")
        assert service.began.wait(5)
        server.should_exit = True
        told = heard(line)
    assert told.startswith(b"HTTP/1.1 503"), told
    assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]["recovery"] == "retry_later"
    assert "Traceback" not in "".join(capfd.readouterr())


def test_what_was_sent_just_before_the_end_is_answered_and_idle_connections_are_closed() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        loops.append(asyncio.get_running_loop())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    port = free_port()
    with serving(with_edge(app), port, Connections(8)) as server, socket.create_connection((LOOPBACK, port), timeout=10) as used:
        used.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answered(used)
        with socket.create_connection((LOOPBACK, port), timeout=10) as fresh, socket.create_connection((LOOPBACK, port), timeout=10) as idle:
            eventually(lambda: len(server.server_state.connections) == 3, what="all are accepted")

            def end() -> None:
                """In the loop's own turn, so that the server has not read what is sent here."""
                for line in (used, fresh):
                    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                for connection in list(server.server_state.connections):
                    connection.shutdown()

            loops[0].call_soon_threadsafe(end)
            for line in (used, fresh):
                last = heard(line)
                assert last.startswith(b"HTTP/1.1 200") and b"\r\nconnection: close\r\n" in last.lower()
            assert heard(idle) == b""
