// What the tests share: a small real server, and a fetch whose answers a test gives by hand.
import { once } from "node:events";
import { createServer } from "node:http";
import { mock } from "node:test";

export const FREE = { isPro: false, status: "none", source: null, restoredAt: null, updatedAt: null };
export const PRO = { isPro: true, status: "active", source: "stripe", restoredAt: "2026-11-26T10:00:00.000Z", updatedAt: "2026-11-26T10:00:00.000Z" };
export const REVOKED = { ...PRO, isPro: false, status: "revoked", updatedAt: "2026-11-26T11:00:00.000Z" };

export const ok = (data) => ({ ok: true, data });
export const refused = (code, message, recovery) => ({ ok: false, error: { code, message, recovery } });
export const UNAUTHORIZED = refused("unauthorized", "Not authenticated.", "reauth");

export const json = (body, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

/** A real server for the time of a test: `handle(request, response, body)`. */
export async function served(test, handle) {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => (body += piece));
    request.on("end", () => handle(request, response, body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

export function answer(response, body, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

/** One event stream as the client under test gets it, written by the test. */
export class Stream {
  ended = false;

  constructor(signal) {
    const body = new ReadableStream({ start: (controller) => (this.controller = controller), cancel: () => (this.ended = true) });
    signal.addEventListener("abort", () => {
      if (!this.ended) this.controller.error(signal.reason);
      this.ended = true;
    });
    this.answer = new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
  }
  send(text) {
    this.controller.enqueue(new TextEncoder().encode(text));
    return settled();
  }
  tell(entitlement) {
    return this.send(`event: entitlement\ndata: ${JSON.stringify(entitlement)}\n\n`);
  }
  end() {
    this.ended = true;
    this.controller.close();
    return settled();
  }
}

/** Time stands still until the test lets it pass. */
export function stopTheClock(test) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2026-11-26T12:00:00Z") });
  mock.method(Math, "random", () => 0);
  test.after(() => {
    mock.timers.reset();
    mock.restoreAll();
  });
}

export async function pass(ms, step = 250) {
  await settled();
  for (let left = ms; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left));
    await settled();
  }
}

/** Everything that has been set going has come to rest. */
export async function settled() {
  for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
