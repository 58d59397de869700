// Against a whole running system; `e2e/journeys/test_typescript_kit.py` starts it and says where it is.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { AtlasBillingError, createAtlasBilling, restoreToast } from "@atlas/billing";
import { entitlementFromCookies } from "@atlas/billing/next";
import { readEntitlement } from "@atlas/billing/server";

const { ATLAS_GATEWAY: baseUrl, ATLAS_SANDBOX: sandbox, ATLAS_SANDBOX_KEY: key } = process.env;
const LIMIT_MS = 20_000;

/** A signed-in user: the cookie, and a client that sends it as a browser would. */
async function signIn() {
  const answer = await fetch(`${baseUrl}/dev/sign-in`, {
    method: "POST", redirect: "manual", headers: { origin: baseUrl }, body: new URLSearchParams({ user: `ts-${randomUUID()}`, callbackUrl: "/account" }),
  });
  assert.equal(answer.status, 303);
  const cookie = answer.headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
  const asked = [];
  const send = (url, init) => {
    asked.push(new URL(url).pathname);
    return fetch(url, { ...init, headers: { ...init?.headers, cookie } });
  };
  return { cookie, asked, send, billing: createAtlasBilling({ baseUrl, fetch: send }) };
}

async function stripe(method, path, params) {
  const answer = await fetch(sandbox + path, { method, headers: { authorization: `Bearer ${key}` }, ...(params && { body: new URLSearchParams(params) }) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

/** Follows the link to the hosted page and pays there; the session's id. */
async function buy({ billing, send }) {
  const { status, headers } = await send(billing.checkoutUrl("hero"), { redirect: "manual" });
  assert.equal(status, 303);
  const session = /cs_[A-Za-z0-9_]+/.exec(headers.get("location"))[0];
  const paid = await fetch(`${sandbox}/_sandbox/checkout/${session}/pay`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"outcome":"paid"}' });
  assert.ok(paid.ok);
  return session;
}

async function refund(session) {
  const { payment_intent } = await stripe("GET", `/v1/checkout/sessions/${session}`);
  await stripe("POST", "/v1/refunds", { payment_intent });
}

/** Everything that a watch tells, and waiting for it. */
function watching(test, billing, options) {
  const heard = [];
  let look = () => {};
  const stop = billing.watchEntitlement((entitlement) => {
    heard.push(entitlement);
    look();
  }, options);
  test.after(stop);
  const until = (found) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only heard ${JSON.stringify(heard)}`)), LIMIT_MS);
      look = () => {
        if (!heard.some(found)) return;
        clearTimeout(timer);
        resolve();
      };
      look();
    });
  return { heard, until };
}

const refused = (promise) => promise.then(() => assert.fail("it succeeded"), (error) => (assert.ok(error instanceof AtlasBillingError, String(error)), error));

describe("a purchase", () => {
  it("is seen by the stream, confirmed, read on the server, restored, refunded", async (test) => {
    const user = await signIn();
    const { heard, until } = watching(test, user.billing);
    await until(({ status }) => status === "none");
    const found = await user.billing.restore();
    assert.equal(found.outcome, "not_found");

    const session = await buy(user);
    assert.equal((await user.billing.confirm(session)).outcome, "active");
    await until(({ isPro }) => isPro);
    assert.deepEqual(await user.billing.entitlement(), heard.at(-1));
    assert.equal((await user.billing.restore()).outcome, "already_active");
    assert.deepEqual([(await user.billing.overview()).canManageBilling, (await user.send(user.billing.portalUrl(), { redirect: "manual" })).status], [true, 303]);
    assert.equal((await readEntitlement(user.cookie, { baseUrl, timeoutMs: LIMIT_MS })).isPro, true);
    const read = (fetch) => entitlementFromCookies(user.cookie, { baseUrl, timeoutMs: LIMIT_MS, fetch });
    assert.equal((await read()).freshness, "current");
    const away = await read(() => Promise.reject(new TypeError("away")));
    assert.deepEqual([away.isPro, away.freshness], [true, "last-known"]);

    await refund(session);
    await until(({ status }) => status === "revoked");
    assert.deepEqual(heard.map(({ status }) => status), ["none", "active", "revoked"]);
    const restored = await user.billing.restore();
    assert.deepEqual([restored.outcome, restored.reason, restoreToast(restored).tone], ["not_eligible", "refunded", "warning"]);
    assert.equal(user.asked.filter((path) => path.endsWith("/stream")).length, 1, "one stream told it all");
  });

  it("is seen by polling when the stream is refused", async (test) => {
    const user = await signIn();
    const deaf = createAtlasBilling({ baseUrl, fetch: (url, init) => (url.endsWith("/stream") ? Promise.reject(new TypeError("refused")) : user.send(url, init)) });
    const { until } = watching(test, deaf, { urgent: () => true });
    await until(({ status }) => status === "none");
    await buy(user);
    await until(({ isPro }) => isPro);
  });
});

describe("a refusal", () => {
  it("tells somebody who is not signed in so, and ends the watch", async () => {
    const billing = createAtlasBilling({ baseUrl });
    const error = await refused(billing.entitlement());
    assert.deepEqual([error.code, error.message, error.recovery, error.hint, error.status], ["unauthorized", "Not authenticated.", "reauth", "Please sign in again.", 401]);
    assert.match(error.requestId, /./);
    const told = await new Promise((resolve) => billing.watchEntitlement(() => assert.fail("heard something"), { onError: resolve }));
    assert.equal(told.code, "unauthorized");
    const read = await entitlementFromCookies("next-auth.session-token=forged", { baseUrl, timeoutMs: LIMIT_MS });
    assert.deepEqual([read.isPro, read.signedIn], [false, false]);
  });

  it("says whose a checkout session isn't, what is no session, and when it was asked too often", async () => {
    const [buyer, other] = [await signIn(), await signIn()];
    const session = await buy(buyer);
    assert.equal((await refused(other.billing.confirm(session))).code, "not_found");
    assert.equal((await refused(other.billing.confirm(""))).code, "invalid_request");
    let error;
    for (let turn = 0; turn < 30 && error?.code !== "rate_limited"; turn += 1) error = await refused(other.billing.confirm(""));
    assert.deepEqual([error.code, error.status, error.hint], ["rate_limited", 429, "Try again shortly."]);
    assert.ok(error.retryAfter >= 0 && error.retryAfter <= 60);
  });
});
