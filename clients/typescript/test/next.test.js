import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { entitlementFromCookies } from "@atlas/billing/next";
import { AtlasBillingError, readEntitlement } from "@atlas/billing/server";
import { lastKnown } from "../dist/last-known.js";
import { answer, FREE, json, ok, PRO, REVOKED, served, UNAUTHORIZED } from "./support.js";

let users = 0;
const fresh = (name = "next-auth.session-token") => `${name}=token-${(users += 1)}`;
const says = (data) => async () => json(ok(data));
const away = async () => {
  throw new TypeError("fetch failed");
};
const baseUrl = "http://gateway.test";
const UNKNOWN = { ...FREE, freshness: "unknown", signedIn: null, asOf: null };

describe("cookies", () => {
  const store = (...pairs) => ({ getAll: () => pairs.map(([name, value]) => ({ name, value })) });
  const SOURCES = {
    "a header": "theme=dark; next-auth.session-token=a%2Bb; tracking=1",
    "a store, whose values are decoded": store(["theme", "dark"], ["next-auth.session-token", "a+b"]),
    "a promise of a store": Promise.resolve(store(["next-auth.session-token", "a+b"], ["tracking", "1"])),
  };
  for (const [what, source] of Object.entries(SOURCES)) {
    it(`from ${what}: the session's alone are sent on`, async () => {
      let sent;
      await entitlementFromCookies(source, { baseUrl, fetch: async (url, init) => ((sent = [url, init.headers.cookie]), json(ok(FREE))) });
      assert.deepEqual(sent, [`${baseUrl}/api/pro/entitlement`, "next-auth.session-token=a%2Bb"]);
    });
  }

  it("in chunks and with prefixes are all found; look-alikes are not", async () => {
    let sent;
    const header = "__Secure-authjs.session-token.0=x; __Secure-authjs.session-token.1=y; xnext-auth.session-token=n; next-auth.session-token.evil=n; next-auth.csrf-token=n";
    await readEntitlement(header, { baseUrl, fetch: async (_, init) => ((sent = init.headers.cookie), json(ok(FREE))) });
    assert.equal(sent, "__Secure-authjs.session-token.0=x; __Secure-authjs.session-token.1=y");
  });

  it("that could split a header do not", async () => {
    let sent;
    await readEntitlement(store(["next-auth.session-token", "a\r\nx: y; b=c"]), { baseUrl, fetch: async (_, init) => ((sent = init.headers.cookie), json(ok(FREE))) });
    assert.equal(sent, "next-auth.session-token=a%0D%0Ax%3A%20y%3B%20b%3Dc");
  });

  for (const nobody of ["", "theme=dark", "next-auth.session-token=", null, undefined, store()]) {
    it(`without a session mean that nobody is signed in, without a call: ${JSON.stringify(nobody)}`, async () => {
      const never = async () => assert.fail("a call");
      const read = await entitlementFromCookies(nobody, { baseUrl, fetch: never });
      assert.deepEqual([read.isPro, read.signedIn, read.freshness, read.error], [false, false, "current", null]);
      await assert.rejects(readEntitlement(nobody, { baseUrl, fetch: never }), (error) => error instanceof AtlasBillingError && error.code === "unauthorized");
    });
  }
});

describe("last known", () => {
  it("stands in while billing is away, and says so", async () => {
    const cookie = fresh();
    const first = await entitlementFromCookies(cookie, { baseUrl, fetch: says(PRO) });
    assert.deepEqual({ ...first, asOf: null }, { ...PRO, freshness: "current", signedIn: true, asOf: null, error: null });

    const later = await entitlementFromCookies(cookie, { baseUrl, fetch: away });
    assert.deepEqual([later.isPro, later.freshness, later.asOf, later.error.code], [true, "last-known", first.asOf, "network"]);
    assert.deepEqual(JSON.parse(JSON.stringify(later)), later, "it can be handed to a client component");
  });

  it("is each session's own", async () => {
    await entitlementFromCookies(fresh(), { baseUrl, fetch: says(PRO) });
    const { error, ...other } = await entitlementFromCookies(fresh(), { baseUrl, fetch: away });
    assert.deepEqual(other, UNKNOWN);
    assert.equal(error.code, "network");
  });

  it("is each gateway's own", async () => {
    const cookie = fresh();
    await entitlementFromCookies(cookie, { baseUrl, fetch: says(PRO) });
    assert.equal((await entitlementFromCookies(cookie, { baseUrl: "http://another.test", fetch: away })).freshness, "unknown");
  });

  for (const [what, broken] of [["a 503", async () => json({ ok: false, error: { code: "internal_error", message: "Later.", recovery: "retry_later" } }, 503)], ["a redirect to a sign-in page", async () => new Response(null, { status: 302 })], ["a page", async () => new Response("<p>")]]) {
    it(`stands in for ${what}`, async () => {
      const cookie = fresh();
      await entitlementFromCookies(cookie, { baseUrl, fetch: says(PRO) });
      assert.equal((await entitlementFromCookies(cookie, { baseUrl, fetch: broken })).freshness, "last-known");
    });
  }

  it("ends with the session and with a refund, not with the next failure", async () => {
    const cookie = fresh();
    await entitlementFromCookies(cookie, { baseUrl, fetch: says(PRO) });
    await entitlementFromCookies(cookie, { baseUrl, fetch: says(REVOKED) });
    assert.equal((await entitlementFromCookies(cookie, { baseUrl, fetch: away })).isPro, false);

    await entitlementFromCookies(cookie, { baseUrl, fetch: says(PRO) });
    const out = await entitlementFromCookies(cookie, { baseUrl, fetch: async () => json(UNAUTHORIZED, 401) });
    assert.deepEqual([out.signedIn, out.isPro, out.freshness], [false, false, "current"]);
    assert.equal((await entitlementFromCookies(cookie, { baseUrl, fetch: away })).freshness, "unknown");
  });

  it("gets too old", async () => {
    const cookie = fresh();
    await entitlementFromCookies(cookie, { baseUrl, fetch: says(PRO) });
    assert.equal((await entitlementFromCookies(cookie, { baseUrl, fetch: away, lastKnownMs: 0 })).freshness, "unknown");
    let now = 0;
    const memory = lastKnown(10, () => now);
    memory.begin("a").learn({ entitlement: PRO, asOf: "" });
    now = 999;
    assert.ok(memory.begin("a").recall(1000));
    now = 1000;
    assert.equal(memory.begin("a").recall(1000), null);
  });

  it("is not overwritten by an answer that took longer than a newer one", async () => {
    const cookie = fresh();
    let release;
    const slow = entitlementFromCookies(cookie, { baseUrl, fetch: () => new Promise((resolve) => (release = () => resolve(json(ok(PRO))))) });
    while (!release) await new Promise(setImmediate);
    await entitlementFromCookies(cookie, { baseUrl, fetch: async () => json(UNAUTHORIZED, 401) });
    release();
    await slow;
    assert.equal((await entitlementFromCookies(cookie, { baseUrl, fetch: away })).freshness, "unknown");
  });

  it("has a bound, and those who have not been here for the longest go first", () => {
    const memory = lastKnown(3);
    const learn = (name) => {
      const read = memory.begin(name);
      read.learn({ entitlement: PRO, asOf: "" });
      read.end();
    };
    const knows = (name) => memory.begin(name).recall(1000) !== null;
    for (const name of ["a", "b", "c", "a", "d"]) learn(name);
    assert.equal(memory.size, 3);
    assert.deepEqual(["a", "b", "c", "d"].map(knows), [true, false, true, true]);
  });
});

describe("time", () => {
  it("is bounded, whatever billing does", async (test) => {
    const silent = await served(test, () => undefined);
    const begun = Date.now();
    const read = await entitlementFromCookies(fresh(), { baseUrl: silent, timeoutMs: 100 });
    assert.equal(read.freshness, "unknown");
    assert.ok(Date.now() - begun < 2_000);

    const dripping = await served(test, (request, response) => {
      response.writeHead(200);
      const drops = setInterval(() => response.write(" "), 10);
      response.on("close", () => clearInterval(drops));
    });
    assert.equal((await entitlementFromCookies(fresh(), { baseUrl: dripping, timeoutMs: 100 })).freshness, "unknown");
  });

  it("and addresses that can't be meant are a mistake of the program's", async () => {
    await assert.rejects(entitlementFromCookies(fresh(), { baseUrl: "" }), TypeError);
    await assert.rejects(entitlementFromCookies(fresh(), { baseUrl, timeoutMs: 0 }), TypeError);
    await assert.rejects(entitlementFromCookies(fresh(), { baseUrl, timeoutMs: Number.NaN }), TypeError);
  });
});

describe("a real gateway's redirect", () => {
  it("is not followed with the cookie", async (test) => {
    const visited = [];
    const elsewhere = await served(test, (request, response) => (visited.push(request.url), answer(response, ok(PRO))));
    const here = await served(test, (request, response) => (response.writeHead(307, { location: `${elsewhere}/api/pro/entitlement` }), response.end()));
    assert.equal((await entitlementFromCookies(fresh(), { baseUrl: here })).freshness, "unknown");
    assert.deepEqual(visited, []);
  });
});
