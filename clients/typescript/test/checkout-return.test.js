import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { AtlasBillingError, CHECKOUT_COPY, createAtlasBilling } from "@atlas/billing";
import { useCheckoutReturn, useEntitlement } from "@atlas/billing/react";
import { checkoutReturnStore } from "../dist/checkout-return.js";
import { FREE, pass, PRO, settled, stopTheClock } from "./support.js";

const refusal = (code, more = {}) => new AtlasBillingError({ code, message: `It is ${code}.`, recovery: "none", ...more });

/** A page, a session of storage that survives it, and a client whose answers the test gives. */
class Visit {
  confirmed = [];
  answers = [];
  overviewSays = { entitlement: FREE, payment: null, canManageBilling: false };
  said = [];
  states = [];
  watchers = new Set();

  constructor(test, storage = new Map()) {
    this.test = test;
    this.storage = storage;
    this.client = {
      ...createAtlasBilling(),
      confirm: async (session) => {
        this.confirmed.push(session);
        const next = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
        if (next instanceof Error) throw next;
        return next;
      },
      overview: async () => {
        if (this.overviewSays instanceof Error) throw this.overviewSays;
        return this.overviewSays;
      },
      watchEntitlement: (onChange, { onError }) => {
        const watcher = { onChange, onError };
        this.watchers.add(watcher);
        return () => this.watchers.delete(watcher);
      },
    };
  }
  at(path) {
    const url = new URL(path, "https://app.example");
    const location = { get href() { return url.href; }, get search() { return url.search; }, get pathname() { return url.pathname; }, get hash() { return url.hash; } };
    const history = { state: { mine: 1 }, replaceState: (state, _, to) => { this.replaced = [state, to]; url.href = new URL(to, url).href; } };
    const sessionStorage = {
      getItem: (key) => this.storage.get(key) ?? null,
      setItem: (key, value) => this.storage.set(key, value),
      removeItem: (key) => this.storage.delete(key),
    };
    this.page = { location, history, sessionStorage };
    this.store = checkoutReturnStore(this.client, this.page);
    this.leave = this.store.subscribe(() => this.states.push(this.store.get().state));
    this.store.onToast(({ text, role }) => this.said.push(role === "alert" ? `! ${text}` : text));
    this.store.arrive();
    this.test.after(() => this.leave());
    return settled();
  }
  tell(entitlement) {
    for (const { onChange } of this.watchers) onChange(entitlement);
    return settled();
  }
}

const SUCCESS = "/account?tab=pro&checkout=success&source=hero&checkout_session_id=cs_1#top";
const [CONFIRMING, ACTIVE] = [CHECKOUT_COPY.confirming, CHECKOUT_COPY.active];

describe("the return from Checkout", () => {
  it("confirms, says so, and clears the address bar of what was read", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [{ outcome: "active", entitlement: PRO }];
    await visit.at(SUCCESS);
    await pass(1);
    assert.deepEqual(visit.said, [CONFIRMING, ACTIVE]);
    assert.equal(visit.store.get().state, "active");
    assert.deepEqual(visit.replaced, [{ mine: 1 }, "/account?tab=pro#top"]);
    assert.deepEqual([visit.storage.size, visit.watchers.size, visit.confirmed], [0, 0, ["cs_1"]]);
  });

  it("lets whoever shows the entitlement look at once", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [{ outcome: "active", entitlement: PRO }];
    const { entitlementStore } = await import("../dist/entitlement-store.js");
    test.after(entitlementStore(visit.client).subscribe(() => undefined));
    const [before] = visit.watchers;
    await visit.at(SUCCESS);
    assert.equal(visit.watchers.size, 1);
    assert.ok(!visit.watchers.has(before), "it looks anew");
  });

  it("is Pro when the stream knows first", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [refusal("internal_error")];
    await visit.at(SUCCESS);
    await visit.tell(FREE);
    assert.equal(visit.store.get().state, "confirming");
    await visit.tell(PRO);
    assert.deepEqual(visit.said, [CONFIRMING, ACTIVE]);
    await pass(120_000);
    assert.equal(visit.confirmed.length, 1);
  });

  it("is confirmed once although StrictMode arrives twice", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [refusal("network")];
    const arrived = visit.at(SUCCESS);
    visit.store.arrive();
    await arrived;
    assert.deepEqual([visit.confirmed.length, visit.said.length], [1, 1]);
  });

  it("asks again after growing pauses, says when it takes long, and survives a reload", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [refusal("internal_error")];
    await visit.at(SUCCESS);
    await pass(9_900);
    assert.equal(visit.confirmed.length, 4, "at once, after 1, 2 and 4 seconds");
    await pass(200);
    assert.deepEqual(visit.said, [CONFIRMING, CHECKOUT_COPY.slow]);
    assert.equal(visit.store.get().state, "slow");
    visit.leave();
    await pass(300_000);
    const asked = visit.confirmed.length;

    const reloaded = new Visit(test, visit.storage);
    reloaded.answers = [{ outcome: "active", entitlement: PRO }];
    await reloaded.at("/account");
    assert.deepEqual(reloaded.said, [ACTIVE]);
    await pass(300_000);
    assert.equal(visit.confirmed.length, asked, "the page that was left asks no more");
  });

  it("waits as long as a 429 asks for", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [refusal("rate_limited", { retryAfter: 50 })];
    await visit.at(SUCCESS);
    await pass(49_000);
    assert.equal(visit.confirmed.length, 1);
    await pass(2_000);
    assert.equal(visit.confirmed.length, 2);
  });

  it("'Check now' asks at once, and only once at a time", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [refusal("network"), { outcome: "active", entitlement: PRO }];
    await visit.at(SUCCESS);
    await Promise.all([visit.store.checkNow(), visit.store.checkNow()]);
    assert.deepEqual([visit.confirmed.length, visit.store.get().state], [2, "active"]);
  });

  it("follows a delayed payment until it settles or fails", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.answers = [{ outcome: "processing", entitlement: FREE }, { outcome: "processing", entitlement: FREE }, { outcome: "not_paid", entitlement: FREE }];
    await visit.at(SUCCESS);
    await pass(20_000);
    assert.deepEqual([visit.store.get().state, visit.said], ["processing", [CONFIRMING]]);
    await pass(41_000);
    assert.deepEqual([visit.store.get().state, visit.said], ["not_paid", [CONFIRMING, CHECKOUT_COPY.not_paid]]);
  });

  const ENDS = [
    ["unpaid", { outcome: "not_paid", entitlement: FREE }, "not_paid", CHECKOUT_COPY.not_paid],
    ["refunded", { outcome: "not_paid", reason: "refunded", entitlement: FREE }, "not_paid", CHECKOUT_COPY.refunded],
    ["in review", { outcome: "needs_review", entitlement: FREE }, "needs_review", CHECKOUT_COPY.needs_review],
    ["not the caller's", refusal("not_found"), "failed", "! It is not_found."],
    ["no id of Stripe's", refusal("invalid_request"), "failed", "! It is invalid_request."],
    ["signed out", refusal("unauthorized"), "signed_out", CHECKOUT_COPY.signed_out],
  ];
  for (const [what, outcome, state, words] of ENDS) {
    it(`ends and says why: ${what}`, async (test) => {
      stopTheClock(test);
      const visit = new Visit(test);
      visit.answers = [outcome];
      await visit.at(SUCCESS);
      assert.deepEqual([visit.store.get().state, visit.said], [state, [CONFIRMING, words]]);
      assert.equal(visit.storage.size, 0);
      await pass(300_000);
      assert.equal(visit.confirmed.length, 1);
    });
  }

  it("says nothing of a remembered purchase that is somebody else's", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test, new Map([["atlas-checkout", JSON.stringify({ session: "cs_other", at: Date.now() })]]));
    visit.answers = [refusal("not_found")];
    await visit.at("/account");
    assert.deepEqual([visit.said, visit.store.get().state, visit.storage.size], [[], "none", 0]);
  });

  for (const junk of ["{", "null", "[]", '{"session":1,"at":1}', JSON.stringify({ session: "cs_old", at: 0 })]) {
    it(`ignores what else lies in the storage: ${junk}`, async (test) => {
      stopTheClock(test);
      const visit = new Visit(test, new Map([["atlas-checkout", junk]]));
      await visit.at("/account?source=newsletter");
      await pass(1);
      assert.deepEqual([visit.confirmed, visit.store.get().state, visit.replaced], [[], "none", undefined]);
    });
  }

  it("waits for the stream alone when Stripe named no session", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    await visit.at("/account?checkout=success");
    await pass(60_000);
    assert.deepEqual(visit.confirmed, []);
    await visit.tell(PRO);
    assert.equal(visit.said.at(-1), ACTIVE);
  });
});

describe("the return without a purchase", () => {
  const CANCELS = [
    [{ entitlement: FREE, payment: null }, CHECKOUT_COPY.canceled],
    [{ entitlement: PRO, payment: null }, CHECKOUT_COPY.already_active],
    [{ entitlement: FREE, payment: { state: "processing", since: "" } }, CHECKOUT_COPY.processing],
    [{ entitlement: FREE, payment: { state: "needs_review", since: "" } }, CHECKOUT_COPY.needs_review],
    [refusal("network"), CHECKOUT_COPY.canceled],
  ];
  for (const [overview, words] of CANCELS) {
    it(`says where the payment stands: ${words}`, async (test) => {
      stopTheClock(test);
      const visit = new Visit(test);
      visit.overviewSays = overview;
      await visit.at("/account?checkout=cancel&source=hero");
      await pass(1);
      assert.deepEqual([visit.said, visit.store.get().state], [[words], "canceled"]);
      assert.equal(visit.replaced[1], "/account");
    });
  }

  it("says what became of a failed link", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    await visit.at("/account?billing_error=rate_limited");
    assert.deepEqual(visit.said, ["! Too many requests. Please try again later."]);
    visit.store.dismiss();
    assert.equal(visit.store.get().toast, null);
  });

  it("knows three causes of invalid_request", async (test) => {
    stopTheClock(test);
    const visit = new Visit(test);
    visit.overviewSays = { entitlement: FREE, payment: { state: "processing", since: "" } };
    await visit.at("/account?billing_error=invalid_request");
    assert.deepEqual(visit.said, ["! A payment is already being processed."]);
  });
});

describe("on the server", () => {
  it("the hooks render what is known and ask nothing", () => {
    const client = createAtlasBilling({ fetch: () => assert.fail("a call") });
    const Page = ({ initial }) => {
      const { isPro, state } = useEntitlement({ client, initial });
      return createElement("p", null, `${isPro} ${state} ${useCheckoutReturn({ client }).state}`);
    };
    assert.equal(renderToString(createElement(Page)), "<p>false loading none</p>");
    assert.equal(renderToString(createElement(Page, { initial: PRO })), "<p>true loading none</p>");
  });
});
