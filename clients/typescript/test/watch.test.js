import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { createAtlasBilling } from "@atlas/billing";
import { eventParser } from "../dist/event-stream.js";
import { FREE, json, ok, pass, PRO, refused, REVOKED, served, settled, stopTheClock, Stream, UNAUTHORIZED } from "./support.js";

/** A gateway by hand: `streams` are those that were opened, `polls` the number of looks. */
class Gateway {
  streams = [];
  polls = 0;
  now = FREE;
  refuse = null; // what the stream's route answers instead of a stream
  look = () => json(ok(this.now));
  heard = [];
  errors = [];

  fetch = async (url, init) => {
    if (!url.endsWith("/stream")) {
      this.polls += 1;
      return this.look(init);
    }
    if (this.refuse) {
      this.streams.push(null);
      return this.refuse();
    }
    const stream = new Stream(init.signal);
    this.streams.push(stream);
    return stream.answer;
  };
  watch(options) {
    const billing = createAtlasBilling({ fetch: this.fetch });
    return billing.watchEntitlement((entitlement) => this.heard.push(entitlement), { onError: (error) => this.errors.push(error.code), ...options });
  }
  get stream() {
    return this.streams.at(-1);
  }
}

function begun(test, options, gateway = new Gateway()) {
  stopTheClock(test);
  const stop = gateway.watch(options);
  test.after(stop);
  return Object.assign(gateway, { stop });
}

describe("a watch", () => {
  it("tells the first state and each change, nothing twice, and asks nothing beside", async (test) => {
    const gateway = begun(test);
    await settled();
    await gateway.stream.tell(FREE);
    await gateway.stream.tell(FREE);
    await gateway.stream.send(": alive\n\nevent: something-new\ndata: {}\n\nevent: entitlement\ndata: garbage\n\n");
    await gateway.stream.tell(PRO);
    await gateway.stream.tell(REVOKED);
    await pass(9_000);
    assert.deepEqual(gateway.heard, [FREE, PRO, REVOKED]);
    assert.deepEqual([gateway.polls, gateway.streams.length], [0, 1]);
  });

  it("polls while the stream is refused, tries it again after growing pauses, and follows it when it comes", async (test) => {
    const gateway = new Gateway();
    gateway.refuse = () => json(refused("internal_error", "Later.", "retry_later"), 503);
    begun(test, {}, gateway);
    await pass(0);
    await pass(250);
    assert.deepEqual(gateway.heard, [FREE]);
    gateway.now = PRO;
    await pass(11_000);
    assert.deepEqual(gateway.heard, [FREE, PRO]);
    assert.equal(gateway.streams.length, 4, "after 1, 2, 4 seconds, then 8");
    await pass(600_000);
    const often = gateway.streams.length;
    await pass(600_000);
    assert.ok(gateway.streams.length - often <= 10, "at most one a minute in the end");

    gateway.refuse = null;
    await pass(60_000);
    await gateway.stream.tell(REVOKED);
    const polls = gateway.polls;
    for (let turn = 0; turn < 4; turn += 1) {
      await pass(15_000);
      await gateway.stream.send(": alive\n\n");
    }
    assert.deepEqual(gateway.heard, [FREE, PRO, REVOKED]);
    assert.equal(gateway.polls, polls, "no polling beside a stream that delivers");
  });

  it("polls every 2 s while somebody waits", async (test) => {
    const gateway = new Gateway();
    gateway.refuse = () => json({}, 404);
    begun(test, { urgent: () => true }, gateway);
    await pass(10_250);
    assert.equal(gateway.polls, 6);
  });

  it("polls beside a stream that something between holds back", async (test) => {
    const gateway = begun(test);
    await pass(4_900);
    assert.equal(gateway.polls, 0);
    await pass(500);
    assert.deepEqual(gateway.heard, [FREE]);
    await gateway.stream.tell(PRO);
    await pass(30_000);
    assert.deepEqual([gateway.polls, gateway.heard.length], [1, 2]);
  });

  it("does not believe a poll that is older than the stream's news", async (test) => {
    let answerIt;
    const gateway = new Gateway();
    gateway.look = () => new Promise((resolve) => (answerIt = () => resolve(json(ok(FREE)))));
    begun(test, {}, gateway);
    await pass(5_500);
    assert.equal(gateway.polls, 1);
    await gateway.stream.tell(PRO);
    answerIt();
    await settled();
    assert.deepEqual(gateway.heard, [PRO]);
  });

  it("polls in one row, however often the stream comes and goes meanwhile", async (test) => {
    const waiting = [];
    const gateway = new Gateway();
    gateway.look = () => new Promise((resolve) => waiting.push(() => resolve(json(ok(FREE)))));
    begun(test, {}, gateway);
    await pass(5_500);
    await gateway.stream.tell(PRO);
    await gateway.stream.end();
    gateway.refuse = () => json({}, 404);
    await pass(500);
    assert.equal(waiting.length, 2, "one before the stream delivered, one after it broke off");
    for (const answer of waiting.splice(0)) answer();
    gateway.look = () => json(ok(FREE));
    gateway.polls = 0;
    await pass(60_000);
    assert.ok(gateway.polls <= 6, `${gateway.polls} polls in a minute`);
  });

  it("does not take a Retry-After of years for none", async (test) => {
    const gateway = new Gateway();
    gateway.refuse = gateway.look = () => json(refused("rate_limited", "Too many.", "retry_later"), 429, { "retry-after": "99999999" });
    begun(test, {}, gateway);
    await pass(3_000_000, 10_000);
    assert.deepEqual([gateway.streams.length, gateway.polls], [1, 1]);
  });

  it("waits as long as a refusal asks for", async (test) => {
    const gateway = new Gateway();
    const busy = () => json(refused("rate_limited", "Too many.", "retry_later"), 429, { "retry-after": "120" });
    gateway.refuse = gateway.look = busy;
    begun(test, {}, gateway);
    await pass(119_000);
    assert.deepEqual([gateway.streams.length, gateway.polls], [1, 1]);
    await pass(2_000);
    assert.deepEqual([gateway.streams.length, gateway.polls], [2, 2]);
    assert.deepEqual(gateway.errors, ["rate_limited", "rate_limited"]);
  });

  it("ends when nobody is signed in, and says so once", async (test) => {
    const gateway = new Gateway();
    gateway.refuse = gateway.look = () => json(UNAUTHORIZED, 401);
    begun(test, {}, gateway);
    await pass(300_000);
    assert.deepEqual([gateway.errors, gateway.streams.length, gateway.polls], [["unauthorized"], 1, 0]);
  });

  it("is followed by the next stream soon when it held, later and later when it did not", async (test) => {
    const gateway = begun(test);
    await settled();
    await gateway.stream.tell(FREE);
    await pass(10_000);
    await gateway.stream.end();
    await pass(500);
    assert.deepEqual([gateway.streams.length, gateway.polls], [2, 0]);

    for (let turn = 0; turn < 3; turn += 1) {
      await gateway.stream.tell(FREE);
      await gateway.stream.end();
      await pass(1_000 * 2 ** turn - 250);
      assert.equal(gateway.streams.length, 2 + turn);
      await pass(250);
      assert.equal(gateway.streams.length, 3 + turn);
    }
  });

  it("gives up a connection that gives no sign of life", async (test) => {
    const gateway = begun(test);
    await settled();
    await gateway.stream.tell(FREE);
    for (let turn = 0; turn < 5; turn += 1) {
      await pass(40_000);
      await gateway.stream.send(": alive\n\n");
    }
    assert.equal(gateway.streams.length, 1);
    await pass(46_000);
    assert.equal(gateway.streams[0].ended, true);
    assert.equal(gateway.streams.length, 2);
  });

  it("says nothing and holds nothing once it is stopped", async (test) => {
    const gateway = begun(test);
    await settled();
    await gateway.stream.tell(FREE);
    gateway.stop();
    gateway.stop();
    await settled();
    assert.equal(gateway.stream.ended, true);
    await pass(300_000);
    assert.deepEqual([gateway.heard.length, gateway.streams.length, gateway.polls, gateway.errors.length], [1, 1, 0, 0]);
  });

  it("may be stopped from inside, by a signal, and before it began", async (test) => {
    stopTheClock(test);
    const gateway = new Gateway();
    const inside = createAtlasBilling({ fetch: gateway.fetch }).watchEntitlement(() => inside());
    await settled();
    await gateway.stream.tell(FREE);
    assert.equal(gateway.stream.ended, true);

    const controller = new AbortController();
    gateway.watch({ signal: controller.signal });
    await settled();
    controller.abort();
    await settled();
    assert.equal(gateway.stream.ended, true);

    gateway.watch({ signal: AbortSignal.abort() });
    await pass(60_000);
    assert.equal(gateway.streams.length, 2);
  });

  it("survives an error of the app's, which shows as uncaught", async (test) => {
    stopTheClock(test);
    const gateway = new Gateway();
    const heard = [];
    const stop = createAtlasBilling({ fetch: gateway.fetch }).watchEntitlement((entitlement) => {
      heard.push(entitlement);
      throw new Error("the app's");
    });
    test.after(stop);
    await settled();
    await gateway.stream.tell(FREE);
    assert.throws(() => mock.timers.tick(1), /the app's/);
    await gateway.stream.tell(PRO);
    assert.throws(() => mock.timers.tick(1), /the app's/);
    assert.equal(heard.length, 2);
  });

  it("holds no connection while its tab is hidden, and catches up when it is seen", async (test) => {
    let listeners = 0;
    const target = () => {
      const events = new EventTarget();
      const { addEventListener: add, removeEventListener: remove } = events;
      events.addEventListener = (...given) => ((listeners += 1), add.apply(events, given));
      events.removeEventListener = (...given) => ((listeners -= 1), remove.apply(events, given));
      return events;
    };
    globalThis.window = target();
    globalThis.document = Object.assign(target(), { visibilityState: "visible" });
    test.after(() => {
      delete globalThis.window;
      delete globalThis.document;
    });
    const gateway = begun(test);
    await settled();
    await gateway.stream.tell(FREE);
    document.visibilityState = "hidden";
    document.dispatchEvent(new Event("visibilitychange"));
    await pass(300_000);
    assert.deepEqual([gateway.stream.ended, gateway.streams.length, gateway.polls], [true, 1, 0]);

    document.visibilityState = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
    await settled();
    await gateway.stream.tell(PRO);
    assert.deepEqual(gateway.heard, [FREE, PRO]);

    gateway.stop();
    document.dispatchEvent(new Event("visibilitychange"));
    window.dispatchEvent(new Event("online"));
    await settled();
    assert.deepEqual([gateway.streams.length, listeners], [2, 0]);
  });

  it("over a real connection: ends it when stopped, so that a process can end", async (test) => {
    let closed;
    const gone = new Promise((resolve) => (closed = resolve));
    const baseUrl = await served(test, (request, response) => {
      request.socket.on("close", closed);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`retry: 2000\nevent: entitlement\ndata: ${JSON.stringify(PRO)}\n\n`);
    });
    await new Promise((resolve) => {
      const stop = createAtlasBilling({ baseUrl }).watchEntitlement((entitlement) => {
        assert.deepEqual(entitlement, PRO);
        stop();
        resolve();
      });
    });
    await gone;
  });
});

describe("events", () => {
  const read = (pieces) => {
    const events = [];
    const parse = eventParser((event) => events.push(event));
    for (const piece of pieces) parse(piece);
    return events;
  };
  const TEXT = ": hello\nretry: 5\nevent: entitlement\ndata: {\ndata:  1}\n\ndata\n\nevent: x\n\nid: 3\ndata: last\n\ndata: unfinished\n";
  const EVENTS = [{ type: "entitlement", data: "{\n 1}" }, { type: "message", data: "" }, { type: "message", data: "last" }];

  for (const [name, end] of [["\\n", "\n"], ["\\r\\n", "\r\n"], ["\\r", "\r"]]) {
    it(`are read whole and in single characters, lines ending with ${name}`, () => {
      const text = TEXT.replaceAll("\n", end);
      assert.deepEqual(read([text]), EVENTS);
      assert.deepEqual(read([...text]), EVENTS);
    });
  }

  it("without an end are refused", () => {
    const endless = eventParser(() => undefined);
    assert.throws(() => {
      for (let turn = 0; turn < 100; turn += 1) endless("data: " + "x".repeat(1000));
    }, RangeError);
    assert.throws(() => {
      for (let turn = 0; turn < 100; turn += 1) endless("data: " + "x".repeat(1000) + "\n");
    }, RangeError);
  });
});
