import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AtlasBillingError, billingErrorToast, confirmToast, createAtlasBilling, restoreToast } from "@atlas/billing";
import { answer, FREE, json, ok, PRO, refused, served, UNAUTHORIZED } from "./support.js";

const failing = (given) => createAtlasBilling({ fetch: async () => given });

async function failure(promise) {
  const error = await promise.then(() => assert.fail("it succeeded"), (thrown) => thrown);
  assert.ok(error instanceof AtlasBillingError, String(error));
  return error;
}

describe("calls", () => {
  it("speak the API's words", async (test) => {
    const seen = [];
    const baseUrl = await served(test, (request, response, body) => {
      seen.push([request.method, request.url, request.headers["content-type"] ?? null, body && JSON.parse(body)]);
      const data = request.url.endsWith("entitlement") ? PRO : request.url.endsWith("overview") ? { entitlement: PRO, payment: null, canManageBilling: true } : { outcome: "active", entitlement: PRO };
      answer(response, ok(data));
    });
    const billing = createAtlasBilling({ baseUrl: `${baseUrl}/` });

    assert.deepEqual(await billing.entitlement(), PRO);
    assert.equal((await billing.overview()).canManageBilling, true);
    await billing.restore();
    await billing.confirm("cs_1");

    assert.deepEqual(seen, [
      ["GET", "/api/pro/entitlement", null, ""],
      ["GET", "/api/billing/overview", null, ""],
      ["POST", "/api/pro/restore", "application/json", { trigger: "account" }],
      ["POST", "/api/billing/stripe/confirm", "application/json", { checkoutSessionId: "cs_1" }],
    ]);
  });

  it("work without the object they belong to", async () => {
    const { entitlement } = failing(json(ok(FREE)));
    assert.deepEqual(await entitlement(), FREE);
  });

  it("are never cached and send cookies to their own origin only", async () => {
    let sent;
    await createAtlasBilling({ fetch: async (_, init) => ((sent = init), json(ok(FREE))) }).entitlement();
    assert.equal(sent.cache, "no-store");
    assert.equal(sent.credentials, "same-origin");
  });

  it("use the global fetch of the moment", async (test) => {
    const billing = createAtlasBilling();
    test.mock.method(globalThis, "fetch", async () => json(ok(PRO)));
    assert.equal((await billing.entitlement()).isPro, true);
  });
});

describe("links", () => {
  it("are strings, whatever the base", () => {
    assert.equal(createAtlasBilling().checkoutUrl(), "/api/billing/stripe/checkout");
    assert.equal(createAtlasBilling().checkoutUrl("hero"), "/api/billing/stripe/checkout?source=hero");
    assert.equal(createAtlasBilling().checkoutUrl("a&b"), "/api/billing/stripe/checkout?source=a%26b");
    assert.equal(createAtlasBilling({ baseUrl: "https://app.example/billing//" }).portalUrl(), "https://app.example/billing/api/billing/stripe/portal");
  });
});

describe("errors", () => {
  for (const [recovery, hint] of Object.entries({ none: "", retry: "Try again.", retry_later: "Try again shortly.", reauth: "Please sign in again.", update_input: "Check the details and try again." })) {
    it(`say what to do: ${recovery}`, async () => {
      const error = await failure(failing(json(refused("invalid_request", "Words.", recovery), 400, { "x-request-id": "r-1" })).restore());
      assert.deepEqual(error.toJSON(), { code: "invalid_request", message: "Words.", recovery, hint, status: 400, requestId: "r-1", retryAfter: null });
      assert.ok(error.fromApi);
    });
  }

  it("of a limit say when to come back", async () => {
    const limited = refused("rate_limited", "Too many requests.", "retry_later");
    const error = await failure(failing(json(limited, 429, { "retry-after": "42" })).restore());
    assert.equal(error.code, "rate_limited");
    assert.equal(error.retryAfter, 42);
    assert.equal(restoreToast(error).text, "Too many requests.");
    const dated = await failure(failing(json(limited, 429, { "retry-after": new Date(Date.now() + 10_000).toUTCString() })).restore());
    assert.ok(dated.retryAfter >= 8 && dated.retryAfter <= 11);
    for (const nonsense of ["", "soon", "-3"]) {
      assert.equal((await failure(failing(json(limited, 429, { "retry-after": nonsense })).restore())).retryAfter, null);
    }
  });

  it("of a newer API keep their code, and ask for nothing that is not understood", async () => {
    const error = await failure(failing(json(refused("brand_new", "Words.", "dance"), 418)).entitlement());
    assert.deepEqual([error.code, error.recovery, error.hint], ["brand_new", "none", ""]);
  });

  const NOT_OURS = {
    "a sign-in page that a redirect led to": ["<!doctype html><p>Sign in", 200],
    "a proxy's page": ["<html>502 Bad Gateway", 502],
    "nothing at all": ["", 200],
    "an envelope with a success's status and an error's shape missing": ['{"ok":false}', 500],
    "a success without data": ['{"ok":true}', 200],
    "a success whose isPro is a word": ['{"ok":true,"data":{"isPro":"yes","status":"active"}}', 200],
    "a success with an error's status": [JSON.stringify(ok(PRO)), 500],
    "null": ["null", 200],
  };
  for (const [what, [body, status]] of Object.entries(NOT_OURS)) {
    it(`tell the API's answers from ${what}`, async () => {
      const error = await failure(failing(new Response(body, { status })).entitlement());
      assert.equal(error.code, "bad_answer");
      assert.equal(error.status, status);
      assert.ok(!error.fromApi);
      assert.equal(restoreToast(error).text, "Unable to restore your purchase right now.");
    });
  }

  it("of a server that is not there are of the same class", async (test) => {
    const baseUrl = await served(test, (request) => request.socket.destroy());
    const error = await failure(createAtlasBilling({ baseUrl }).entitlement());
    assert.deepEqual([error.code, error.recovery, error.hint, error.status], ["network", "retry", "Try again.", null]);
    assert.ok(error.cause);
  });

  it("of half an answer too", async (test) => {
    const baseUrl = await served(test, (request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"ok":true,');
      setTimeout(() => response.destroy(), 20);
    });
    assert.equal((await failure(createAtlasBilling({ baseUrl }).entitlement())).code, "network");
  });

  it("of a server that is silent come after the time-out", async (test) => {
    const baseUrl = await served(test, () => undefined);
    assert.equal((await failure(createAtlasBilling({ baseUrl, timeoutMs: 50 }).entitlement())).code, "network");
  });

  it("leave an abort of the caller's its own reason", async (test) => {
    const baseUrl = await served(test, () => undefined);
    const reason = new Error("left the page");
    const controller = new AbortController();
    const asked = createAtlasBilling({ baseUrl }).entitlement({ signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(asked, reason);
  });
});

describe("toasts", () => {
  it("of restore have a sentence for each reason, also for one that is new", () => {
    assert.deepEqual(restoreToast({ outcome: "restored", entitlement: PRO }), {
      text: "Purchase restored. Pro access is now active.", tone: "success", hint: "", key: "restore", role: "status",
    });
    assert.equal(restoreToast({ outcome: "not_eligible", reason: "refunded", entitlement: FREE }).text, "Your purchase was refunded, so it can't be restored.");
    assert.equal(restoreToast({ outcome: "not_eligible", reason: "toString", entitlement: FREE }).text, "Your purchase can't be restored.");
    assert.equal(restoreToast(new TypeError("a bug")).role, "alert");
  });

  it("of confirm say that nothing was charged only when Stripe says unpaid", () => {
    assert.match(confirmToast({ outcome: "not_paid" }).text, /Nothing was charged/);
    for (const reason of ["refunded", "chargeback_lost", "free_checkout", "revoked_by_operator", "brand_new"]) {
      assert.doesNotMatch(confirmToast({ outcome: "not_paid", reason }).text, /charged/);
    }
  });

  it("of a failed link know every code, and what else an address may hold", () => {
    assert.equal(billingErrorToast("rate_limited").hint, "Try again shortly.");
    assert.equal(billingErrorToast("invalid_request").text, "Pro is already active.");
    assert.equal(billingErrorToast("invalid_request", "processing").text, "A payment is already being processed.");
    for (const hostile of ["", "__proto__", "<script>", "constructor"]) {
      assert.equal(billingErrorToast(hostile).text, "Billing is temporarily unavailable. Please try again later.");
    }
  });

  it("carry the API's refusal with its hint", async () => {
    const error = await failure(failing(json(UNAUTHORIZED, 401)).restore());
    assert.deepEqual([restoreToast(error).text, restoreToast(error).hint], ["Not authenticated.", "Please sign in again."]);
  });
});
