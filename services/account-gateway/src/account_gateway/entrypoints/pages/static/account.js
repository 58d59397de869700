// The account page while it is open: it follows the entitlement, and carries a purchase from the return to Pro.
import { ask, copy, pause, wording } from "./api.js";
import { follow } from "./live.js";
import { enable, refresh, shown, standing } from "./parts.js";
import { toast, withdraw } from "./toasts.js";

const READ_ONCE = ["checkout", "source", "checkout_session_id", "billing_error", "view"];
const PENDING = "atlas-checkout"; // in sessionStorage: a reload in the middle goes on waiting
const PENDING_MS = 15 * 60_000;
const SLOW_SECONDS = 10;
const RETRY_SECONDS = [1, 2, 4, 8, 15, 30, 30, 60, 60];
const PROCESSING_LOOK_MS = 5000;

let waiting = null; // null, "confirming" or "slow"
let expected = 0; // changes that somebody else announces
let live = null;
let returned = false; // from Checkout, and Pro was not announced yet: a delayed payment may settle while the page is open

export const account = {
  refresh: refreshAndWithdraw,
  expectChange: (now) => (expected += now ? 1 : -1),
  signedOut,
};

// A toast that says the opposite of what the page has come to show goes: a refund may follow a purchase at once.
async function refreshAndWithdraw() {
  const before = shown();
  await refresh(() => waiting);
  const now = shown();
  if (!before || !now || before.isPro === now.isPro) return;
  withdraw((box) => (now.isPro ? box.dataset.key === "live" : box.dataset.tone === "success"));
}

export function startAccount() {
  enable(document);
  const query = new URLSearchParams(location.search);
  const session = arrive(query);
  if (standing() === "signed-out") return;
  if (session !== null) startWaiting(session);
  live = follow({ onEntitlement, onSignedOut: signedOut, urgent: () => waiting !== null });
  setInterval(() => standing() === "processing" && !document.hidden && account.refresh(), PROCESSING_LOOK_MS);
  addEventListener("pageshow", (event) => event.persisted && account.refresh());
  document.addEventListener("click", (event) => event.target.closest("[data-action=check]") && checkNow(event.target));
}

// Reads why the browser is here and clears the address bar. The session to wait for ("" if Stripe named none), else null.
function arrive(query) {
  const session = query.get("checkout") === "success" ? (query.get("checkout_session_id") ?? "") : null;
  returned = session !== null && standing() !== "pro";
  if (READ_ONCE.some((name) => query.has(name))) {
    for (const name of READ_ONCE) query.delete(name);
    const rest = query.toString();
    history.replaceState(null, "", location.pathname + (rest ? `?${rest}` : "") + location.hash);
  }
  const settled = !["confirming", "free", "revoked", "failed", "unavailable"].includes(standing());
  if (settled) remember(null);
  else if (session !== null) remember(session);
  return settled ? null : (session ?? remembered());
}

function startWaiting(session) {
  waiting = "confirming";
  if (standing() !== "confirming") account.refresh();
  setTimeout(beSlow, SLOW_SECONDS * 1000);
  if (session) confirmUntilKnown(session);
}

async function beSlow() {
  if (waiting !== "confirming") return;
  waiting = "slow";
  await account.refresh();
  if (!settle()) toast(copy.checkout.slow, { tone: "warning", key: "checkout" });
}

// Asks the server to look at Stripe itself, so that Pro comes even when no webhook ever does.
async function confirmUntilKnown(session) {
  for (const seconds of [...RETRY_SECONDS, 0]) {
    if (!waiting || (await confirm(session)) || !waiting) return;
    await pause(seconds);
  }
}

// Whether there is nothing more to ask.
async function confirm(session) {
  const answer = await ask("/api/billing/stripe/confirm", { checkoutSessionId: session });
  if (!waiting) return true;
  if (answer.ok) {
    const { outcome, reason } = answer.data;
    if (outcome === "needs_review") return giveUp(copy.checkout.needs_review, "warning");
    if (outcome === "not_paid") return giveUp(reason ? (copy.checkout[reason] ?? copy.checkout.ended) : copy.checkout.not_paid, "warning");
    await account.refresh();
    return settle();
  }
  switch (answer.error.code) {
    case "unauthorized":
      await signedOut();
      return true;
    case "not_found":
    case "invalid_request":
    case "forbidden":
      return giveUp(...refusal(answer.error));
    default:
      return false;
  }
}

function refusal(error) {
  const [text, hint] = wording(error, copy.checkout.failed);
  return [text, "error", hint];
}

async function giveUp(text, tone, hint = "") {
  stopWaiting();
  toast(text, { tone, hint, key: "checkout" });
  await account.refresh();
  return true;
}

// The page knows how the purchase stands: the waiting is over.
function settle() {
  if (!waiting) return true;
  if (standing() === "pro") sayBought();
  else if (standing() === "needs-review") toast(copy.checkout.needs_review, { tone: "warning", key: "checkout" });
  else if (standing() === "processing") toast(copy.payment.on_its_way, { key: "checkout" });
  else if (standing() !== "signed-out") return false;
  stopWaiting();
  return true;
}

function sayBought() {
  returned = false;
  toast(copy.checkout.active, { tone: "success", key: "checkout" });
}

function stopWaiting() {
  waiting = null;
  remember(null);
}

async function onEntitlement(entitlement) {
  const before = shown();
  if (JSON.stringify(before) === JSON.stringify(entitlement)) return;
  const announced = expected > 0; // asked before the wait below: after it, who announces this change may have done so
  await account.refresh();
  if (waiting) settle();
  else if (before && !announced && before.isPro !== shown()?.isPro) {
    if (returned && shown()?.isPro) return sayBought();
    toast(shown()?.isPro ? copy.live.active : copy.live.ended, { tone: shown()?.isPro ? "success" : "info", key: "live" });
  }
}

async function signedOut() {
  live?.end();
  stopWaiting();
  toast(copy.live.signed_out, { tone: "error", hint: copy.hints.reauth, key: "session" });
  await account.refresh();
}

async function checkNow(button) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  const session = remembered();
  if (!session || !(await confirm(session))) {
    await account.refresh();
    settle();
  }
  button.removeAttribute("aria-busy");
}

function remember(session) {
  if (session === null) sessionStorage.removeItem(PENDING);
  else sessionStorage.setItem(PENDING, JSON.stringify({ session, at: Date.now() }));
}

function remembered() {
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  return pending && Date.now() - pending.at < PENDING_MS ? pending.session : null;
}
