"use strict";
// Buyers, newest first: each can be opened; what is closed shows its newest session and what Atlas says.
const STATUSES = [...byId("statuses").content.querySelectorAll("i")].map((node) => node.textContent);
const FEW = 3; // so many are open without being asked
const ASKED_AT_ONCE = 24;
const verdicts = new Map();
const opened = new Map(); // user → whether somebody opened or closed this buyer
let asked = 0;

// What the search looks through: all that is shown of a buyer, and the kinds of what happened to them.
function words(value) {
  if (Array.isArray(value)) return value.map(words).join(" ");
  if (value === null || typeof value !== "object") return String(value);
  return Object.entries(value).map(([name, each]) => (Array.isArray(each) && each.length ? `${name} ${words(each)}` : words(each))).join(" ");
}

function matching(buyers) {
  const text = sought();
  return text ? buyers.filter((buyer) => words(buyer).toLowerCase().includes(text)) : buyers;
}

function drawBuyers() {
  const buyers = latest.buyers;
  const shown = matching(buyers);
  byId("buyer-counts").textContent = buyers.length ? `${shown.length < buyers.length ? `${shown.length} of ` : ""}${buyers.length} · ${latest.paid} paid` : "";
  if (!buyers.length) return;
  byId("buyers").replaceChildren(...shown.map((buyer, place) => drawBuyer(buyer, place < (shown.length > FEW ? 1 : FEW))));
  if (!shown.length) byId("buyers").replaceChildren(h("p", { class: "muted empty" }, "Nobody matches."));
  showVerdicts();
  sayCollapse();
}

function drawBuyer(buyer, first) {
  const open = opened.get(buyer.user) ?? first;
  const says = document.querySelector("[data-asks]").dataset.asks === "yes" && buyer.user
    ? h("span", { class: "tag verdict", "data-user": buyer.user, title: "What Atlas says now" }, "…") : null;
  const [newest] = buyer.sessions;
  const more = buyer.sessions.length > 1 ? h("span", { class: "muted small" }, `${buyer.sessions.length} sessions`) : null;
  const box = h("details", { class: "buyer", open, on: ["toggle", () => {
    if (box.open !== (opened.get(buyer.user) ?? first)) opened.set(buyer.user, box.open);
    fillIn();
    sayCollapse();
  }] },
  h("summary", { class: "buyer-head", "data-key": `buyer ${buyer.user}` },
    h("span", { class: "buyer-name" }, h("span", { class: "name" }, buyer.user || "No user in the metadata"), buyer.email ? h("span", { class: "muted small" }, buyer.email) : null),
    h("span", { class: "buyer-state" }, h("strong", {}, newest.amount), sessionTag(newest), more, says)));
  const fillIn = () => { if (box.open && box.childElementCount === 1) box.append(...buyer.sessions.map(drawSession)); };
  if (open) fillIn();
  return box;
}

const allOpen = () => [...document.querySelectorAll("details.buyer")].every((box) => box.open);

function sayCollapse() {
  byId("collapse").textContent = allOpen() ? "Close all" : "Open all";
  byId("collapse").setAttribute("aria-pressed", String(allOpen()));
}

byId("collapse").addEventListener("click", () => {
  const open = !allOpen();
  for (const buyer of matching(latest.buyers)) opened.set(buyer.user, open);
  drawBuyers();
});
byId("search").addEventListener("input", () => { drawBuyers(); drawEvents(); });

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
  if (charge.status === "succeeded") place(chargeActs(charge, session), rows[0], (acts) => rows.push(acts));
  return h("div", { class: "charge" }, ...rows);
}

// Several buttons have a row of their own below; one alone stands at the end of the line that it is about.
function place(acts, line, below) {
  if (acts.length === 1) line.append(acts[0]);
  else if (acts.length) below(h("div", { class: "acts" }, ...acts));
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
  const acts = closed ? [] : [act("Win", path, { status: "won" }, "Won."), act("Lose", path, { status: "lost" }, "Lost.")];
  const move = h("select", { class: "act", "aria-label": "Move the dispute to", "data-key": `move ${dispute.id}`, on: ["change", (event) => {
    const status = event.target.value;
    event.target.blur();
    if (status) call("POST", path, { status }, "Moved.");
  }] }, h("option", { value: "" }, "Move to…"), ...STATUSES.filter((status) => status !== dispute.status).map((status) => h("option", { value: status }, status.replaceAll("_", " "))));
  acts.push(move);
  const line = h("div", { class: "sub" }, ...row);
  place(acts, line, (buttons) => line.append(buttons));
  return line;
}

function drawWarning(warning) {
  return h("div", { class: "sub" }, h("span", {}, "Fraud warning"), tagged(warning.actionable ? warning.type : "settled", warning.actionable ? "declined" : "neutral"), shortId(warning.id));
}

// The newest ones each time, all others in turn: however many buyers there are, one look asks of a bounded number.
function nextUsers() {
  const users = matching(latest.buyers).map((buyer) => buyer.user).filter(Boolean);
  if (users.length <= ASKED_AT_ONCE) return users;
  const often = users.slice(0, ASKED_AT_ONCE / 3);
  const others = users.slice(often.length);
  const turn = Array.from({ length: ASKED_AT_ONCE - often.length }, (_, place) => others[(asked + place) % others.length]);
  asked = (asked + turn.length) % others.length;
  return [...often, ...turn];
}

async function askVerdicts() {
  const users = nextUsers();
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
