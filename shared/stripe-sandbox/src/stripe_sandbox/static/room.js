"use strict";
// The control room: polls the sandbox's state, draws it, and turns buttons into control calls.
const POLL_MS = 700;
const PATIENCE_MS = 6000;
const MODES = {
  normal: "Each event is signed, sent, and retried until it is taken.",
  hold: "Events wait here until you release them.",
  drop: "Events are lost. Atlas has to find out by itself.",
};

/* Switchboard */
function drawSwitches(state) {
  const { delivery, api } = state;
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === delivery.mode));
  byId("mode-text").textContent = MODES[delivery.mode];
  const { held, pending, succeeded, dropped, failed } = delivery.counts;
  const troubles = [[pending, "retrying"], [dropped + failed, "lost"]].filter(([count]) => count).map(([count, word]) => ` · ${count} ${word}`);
  byId("counts").textContent = `${succeeded} delivered · ${held} held${troubles.join("")}`;
  for (const button of document.querySelectorAll("[data-flush]")) {
    const short = button.closest(".quick") ? "" : " now";
    button.textContent = held + pending ? `Release ${held + pending}${short}` : `Release${short}`;
    button.classList.toggle("pill-primary", held > 0); // it shines only while something is held
    button.classList.toggle("pill-quiet", held === 0);
  }
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
for (const button of document.querySelectorAll("[data-flush]")) button.addEventListener("click", () => call("POST", "/delivery/flush", {}, (answer) => answer.released ? `Released ${answer.released}.` : "Nothing was waiting."));
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
    latest = state;
    drawSwitches(state);
    redraw("buyers", [state.buyers, state.paid], drawBuyers);
    redraw("events", state.events, drawEvents);
    firstDraw = false;
  } catch { byId("counts").textContent = "The sandbox doesn't answer."; }
}

async function live() {
  if (!document.hidden) { await poll(); await askVerdicts(); }
  setTimeout(live, POLL_MS);
}
live();
