"use strict";
// The control room: polls the sandbox's state, draws it, and turns buttons into control calls.
const POLL_MS = 700;
const PATIENCE_MS = 6000;
const MODES = {
  normal: "Each event is signed, sent, and retried until it is taken.",
  hold: "Events wait here until you release them.",
  drop: "Events are lost. Atlas has to find out by itself.",
};
const STATES = { held: ["Held", "info"], pending: ["Retrying", "processing"], succeeded: ["Delivered", "paid"], failed: ["Given up", "declined"], dropped: ["Lost", "declined"] };
const byId = (id) => document.getElementById(id);
const STATUSES = [...byId("statuses").content.querySelectorAll("i")].map((node) => node.textContent);
const drawn = {};
const verdicts = new Map();
const known = new Set();
let users = [];
let tag = "";
let firstDraw = true;

function h(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") node.addEventListener(value[0], value[1]);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function notify(text, bad) {
  const notice = byId("notice");
  notice.textContent = text;
  notice.classList.toggle("bad", Boolean(bad));
  notice.hidden = false;
  clearTimeout(notify.timer);
  notify.timer = setTimeout(() => { notice.hidden = true; }, bad ? 7000 : 3500);
}

async function call(method, path, body, done) {
  try {
    const response = await fetch(`/_sandbox${path}`, {
      method, headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) { notify(answer.error.message, true); return null; }
    if (done) notify(typeof done === "function" ? done(answer) : done);
    await poll();
    return answer;
  } catch {
    notify("The sandbox doesn't answer.", true);
    return null;
  }
}

function act(label, path, body, done, main) {
  const key = `${label} ${path}`;
  return h("button", { type: "button", class: main ? "act act-main" : "act", "data-key": key, on: ["click", async (event) => {
    event.currentTarget.disabled = true;
    await call("POST", path, body, done);
    drawn.buyers = null;
    await poll(true);
  }] }, label);
}

function tagged(text, kind) {
  return h("span", { class: `tag tag-${kind}` }, text.replaceAll("_", " "));
}

function shortId(id) {
  const [prefix] = id.split("_");
  return h("span", { class: "id", title: id }, `${prefix}_…${id.slice(-6)}`);
}

/* Buyers */
function drawBuyers(buyers) {
  users = buyers.map((buyer) => buyer.user).filter(Boolean);
  if (!buyers.length) return;
  byId("buyers").replaceChildren(...buyers.map(drawBuyer));
  showVerdicts();
}

function drawBuyer(buyer) {
  const says = document.querySelector("[data-asks]").dataset.asks === "yes" && buyer.user
    ? h("p", { class: "says" }, "Atlas says now", h("span", { class: "tag verdict", "data-user": buyer.user }, "…")) : null;
  return h("article", { class: "buyer" },
    h("div", { class: "buyer-head" },
      h("div", {}, h("h3", {}, buyer.user || "No user in the metadata"), buyer.email ? h("p", { class: "muted small" }, buyer.email) : null), says),
    ...buyer.sessions.map(drawSession));
}

function sessionTag(session) {
  if (session.processing) return tagged("processing", "processing");
  if (session.status === "open") return tagged("open", "info");
  if (session.status === "expired") return tagged("expired", "neutral");
  if (session.payment_status === "unpaid") return tagged("payment failed", "declined");
  return tagged(session.payment_status === "paid" ? "paid" : "free", "paid");
}

function drawSession(session) {
  const base = `/checkout/${session.id}`;
  const acts = [];
  if (session.status === "open" && session.customer_deleted) {
    acts.push(act("Expire", `${base}/expire`, {}, "Expired."));
  } else if (session.status === "open") {
    acts.push(act("Pay", `${base}/pay`, { outcome: "paid" }, "Paid.", true), act("Bank debit", `${base}/pay`, { outcome: "processing" }, "The debit is under way."),
      act("Decline", `${base}/pay`, { outcome: "declined" }, "Declined. The session stays open."), act("Expire", `${base}/expire`, {}, "Expired."),
      h("a", { class: "act", href: session.url }, "Open page"));
  }
  if (session.processing) {
    acts.push(act("Settle", `${base}/settle`, { result: "succeeded" }, "The money arrived.", true), act("Let it fail", `${base}/settle`, { result: "failed" }, "The debit failed."));
  }
  return h("div", { class: "session" },
    h("div", { class: "session-head" }, h("strong", {}, session.amount), sessionTag(session), session.payment_link ? tagged("payment link", "processing") : null, session.customer_deleted ? tagged("customer deleted", "declined") : null,
      shortId(session.id), session.invoice ? h("a", { class: "small", href: `/invoices/${session.invoice}` }, "Invoice") : null),
    ...session.charges.map((charge) => drawCharge(charge, session)),
    acts.length ? h("div", { class: "acts" }, ...acts) : null);
}

const CHARGE_TAGS = { succeeded: ["charged", "paid"], pending: ["pending", "processing"], failed: ["declined", "declined"] };
const DISPUTE_TAGS = { won: "paid", lost: "declined", warning_closed: "neutral", prevented: "neutral" };
const REFUND_TAGS = { succeeded: "info", failed: "declined", canceled: "neutral" };

function drawCharge(charge, session) {
  const [text, kind] = CHARGE_TAGS[charge.status];
  const rows = [h("div", { class: "charge-head" }, tagged(text, kind), h("span", {}, charge.method), shortId(charge.id), charge.failure ? h("span", { class: "muted" }, charge.failure) : null)];
  rows.push(...charge.refunds.map(drawRefund), ...charge.disputes.map(drawDispute), ...charge.warnings.map(drawWarning));
  if (charge.status === "succeeded") rows.push(h("div", { class: "acts" }, ...chargeActs(charge, session)));
  return h("div", { class: "charge" }, ...rows);
}

function chargeActs(charge, session) {
  const acts = [];
  if (charge.refundable) {
    acts.push(act(charge.left_text !== charge.amount ? `Refund the other ${charge.left_text}` : "Refund in full", "/refunds", { charge: charge.id }, "Refunded."), partialRefund(charge));
  }
  if (!charge.disputes.some((dispute) => !["won", "lost", "warning_closed", "prevented"].includes(dispute.status))) {
    acts.push(act("Dispute", "/disputes", { payment_intent: session.payment_intent }, "The bank opened a dispute."),
      act("Inquiry", "/disputes", { payment_intent: session.payment_intent, status: "warning_needs_response" }, "The bank asks."));
  }
  if (!charge.warnings.length) acts.push(act("Fraud warning", "/fraud_warnings", { charge: charge.id }, "The card network warns of this charge."));
  return acts;
}

function partialRefund(charge) {
  const input = h("input", { type: "number", min: "0.01", step: "0.01", max: charge.left / 100, value: Math.min(10, charge.left / 100).toFixed(2), "aria-label": "Amount to refund", "data-key": `part ${charge.id}` });
  const button = h("button", { type: "button", class: "act", on: ["click", () => call("POST", "/refunds", { charge: charge.id, amount: Math.round(Number(input.value) * 100) }, "Refunded in part.")] }, "Refund part");
  return h("span", { class: "part" }, input, button);
}

function drawRefund(refund) {
  const path = `/refunds/${refund.id}`;
  const row = [h("span", {}, `Refund ${refund.amount}`), tagged(refund.status, REFUND_TAGS[refund.status] || "processing"), shortId(refund.id)];
  if (!["failed", "canceled"].includes(refund.status)) row.push(act("Bounce", `${path}/fail`, {}, "The refund bounced: the money is back."));
  if (["pending", "requires_action"].includes(refund.status)) row.push(act("Complete", `${path}/settle`, {}, "The refund arrived."));
  return h("div", { class: "sub" }, ...row);
}

function drawDispute(dispute) {
  const path = `/disputes/${dispute.id}`;
  const closed = dispute.status in DISPUTE_TAGS;
  const row = [h("span", {}, `Dispute ${dispute.amount}`), tagged(dispute.status, DISPUTE_TAGS[dispute.status] || "processing"), shortId(dispute.id)];
  if (!closed) row.push(act("Win", path, { status: "won" }, "Won."), act("Lose", path, { status: "lost" }, "Lost."));
  const move = h("select", { class: "act", "aria-label": "Move the dispute to", "data-key": `move ${dispute.id}`, on: ["change", (event) => {
    const status = event.target.value;
    event.target.blur();
    if (status) call("POST", path, { status }, "Moved.");
  }] }, h("option", { value: "" }, "Move to…"), ...STATUSES.filter((status) => status !== dispute.status).map((status) => h("option", { value: status }, status.replaceAll("_", " "))));
  row.push(move);
  return h("div", { class: "sub" }, ...row);
}

function drawWarning(warning) {
  return h("div", { class: "sub" }, h("span", {}, "Fraud warning"), tagged(warning.actionable ? warning.type : "settled", warning.actionable ? "declined" : "neutral"), shortId(warning.id));
}

/* What Atlas says */
async function askVerdicts() {
  if (!users.length || document.querySelector("[data-asks]").dataset.asks !== "yes") return;
  const query = users.map((user) => `user=${encodeURIComponent(user)}`).join("&");
  try {
    const answer = await (await fetch(`/_sandbox/entitlements?${query}`)).json();
    for (const [user, verdict] of Object.entries(answer.data)) verdicts.set(user, verdict);
    showVerdicts();
  } catch { /* the next poll asks again */ }
}

function showVerdicts() {
  for (const node of document.querySelectorAll("[data-user]")) {
    const verdict = verdicts.get(node.dataset.user);
    if (verdict === undefined) continue;
    const [text, kind] = verdict === null ? ["no answer", "processing"] : verdict.isPro ? [`Pro · ${verdict.source}`, "paid"] : verdict.status === "revoked" ? ["Revoked", "declined"] : ["Not Pro", "neutral"];
    const changed = node.textContent !== text && node.textContent !== "…";
    if (node.textContent !== text) node.textContent = text;
    node.className = `tag verdict tag-${kind}${changed ? " changed" : node.classList.contains("changed") ? " changed" : ""}`;
  }
}

/* Timeline */
function breakable(type) {
  return type.split(/(?<=[._])/).flatMap((part) => [part, h("wbr")]);
}

function drawEvents(events) {
  const shown = byId("all-events").checked ? events : events.filter((event) => event.deliveries.length);
  if (!shown.length) return;
  byId("events").replaceChildren(...shown.map((event) => {
    const fresh = !firstDraw && !known.has(event.id);
    known.add(event.id);
    const time = new Date(event.created * 1000);
    const travel = event.deliveries.length ? event.deliveries.flatMap(drawDelivery) : [h("span", {}, "no endpoint wants it")];
    return h("li", { class: fresh ? "event fresh" : "event" },
      h("time", { datetime: time.toISOString() }, time.toLocaleTimeString([], { hour12: false })),
      h("span", { class: "event-type" }, ...breakable(event.type)), h("span", { class: "event-travel" }, ...travel,
      event.deliveries.length ? h("button", { type: "button", class: "again", "data-key": `again ${event.id}`, "aria-label": `Send ${event.type} again`, on: ["click", () => call("POST", `/events/${event.id}/resend`, {}, "Sent again.")] }, "Resend") : null));
  }));
}

function drawDelivery(delivery) {
  const [text, kind] = delivery.state === "pending" && !delivery.attempts ? ["Sending", "info"] : STATES[delivery.state];
  const parts = [tagged(text, kind)];
  if (delivery.attempts) parts.push(h("span", {}, `${delivery.attempts === 1 ? "" : `${delivery.attempts} attempts · `}${delivery.last} · ${delivery.ms} ms`));
  return parts;
}

/* Switchboard */
function drawSwitches(state) {
  const { delivery, api } = state;
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === delivery.mode));
  byId("mode-text").textContent = MODES[delivery.mode];
  const { held, pending, succeeded, dropped, failed } = delivery.counts;
  byId("counts").textContent = `${succeeded} delivered · ${held} held · ${pending} retrying · ${dropped + failed} lost`;
  byId("flush").textContent = held + pending ? `Release ${held + pending} now` : "Release now";
  const troubled = [api.latency_ms ? `+${api.latency_ms} ms` : "", api.fail_next ? `next ${api.fail_next} fail with ${api.status}` : ""].filter(Boolean);
  byId("api-state").textContent = troubled.join(" · ") || "healthy";
  fill("duplicate", delivery.duplicate); fill("delay", delivery.delay_ms); fill("shuffle", delivery.shuffle);
  fill("latency", api.latency_ms); fill("fail", api.fail_next); fill("status", String(api.status)); fill("after", api.after_effect);
}

function fill(id, value) {
  const input = byId(id);
  if (input === document.activeElement) return;
  if (input.type === "checkbox") input.checked = value; else input.value = value;
}

function putDelivery(mode) {
  const current = mode || document.querySelector("[data-mode][aria-pressed=true]").dataset.mode;
  return call("PUT", "/delivery", { mode: current, duplicate: Number(byId("duplicate").value), delay_ms: Number(byId("delay").value), shuffle: byId("shuffle").checked });
}

for (const button of document.querySelectorAll("[data-mode]")) button.addEventListener("click", () => putDelivery(button.dataset.mode));
for (const id of ["duplicate", "delay", "shuffle"]) byId(id).addEventListener("change", () => putDelivery());
byId("flush").addEventListener("click", () => call("POST", "/delivery/flush", {}, (answer) => answer.released ? `Released ${answer.released}.` : "Nothing was waiting."));
byId("api-apply").addEventListener("click", () => call("PUT", "/api", {
  latency_ms: Number(byId("latency").value), fail_next: Number(byId("fail").value), status: Number(byId("status").value), after_effect: byId("after").checked,
}, "Stripe's API misbehaves now."));
byId("api-heal").addEventListener("click", () => { document.activeElement.blur(); call("PUT", "/api", {}, "Stripe's API is healthy."); });

byId("all-events").addEventListener("change", () => { drawn.events = null; poll(true); });

/* Polling */
function redraw(name, value, draw) {
  const text = JSON.stringify(value);
  if (drawn[name] === text) return;
  const focused = document.activeElement;
  // What somebody is typing or choosing isn't torn away, for a while.
  const busy = name === "buyers" && drawn[name] && byId("buyers").contains(focused) && /^(INPUT|SELECT)$/.test(focused.tagName);
  redraw.since = busy ? redraw.since || Date.now() : 0;
  if (busy && Date.now() - redraw.since < PATIENCE_MS) {
    tag = "";
    return;
  }
  drawn[name] = text;
  const key = focused?.dataset?.key;
  draw(value);
  if (key) document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

async function poll(force) {
  try {
    const response = await fetch("/_sandbox/state", { headers: tag && !force ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (response.status === 304) return;
    tag = response.headers.get("ETag") || "";
    const state = await response.json();
    drawSwitches(state);
    redraw("buyers", state.buyers, drawBuyers);
    redraw("events", state.events, drawEvents);
    firstDraw = false;
  } catch { byId("counts").textContent = "The sandbox doesn't answer."; }
}

async function live() {
  if (!document.hidden) { await poll(); await askVerdicts(); }
  setTimeout(live, POLL_MS);
}
live();
