"use strict";
// Events, newest first: of whom, how much, and how their webhooks travelled.
const STATES = { held: ["Held", "info"], pending: ["Retrying", "processing"], succeeded: ["Delivered", "paid"], failed: ["Given up", "declined"], dropped: ["Lost", "declined"] };
const known = new Set();

function breakable(type) {
  return type.split(/(?<=[._])/).flatMap((part) => [part, h("wbr")]);
}

// An event is sought by its buyer, whatever led to them, and by its own ids.
function wanted() {
  const text = sought();
  const users = new Set(text ? matching(latest.buyers).map((buyer) => buyer.user) : []);
  return (event) => (byId("all-events").checked || event.deliveries.length > 0)
    && (!text || (event.user && users.has(event.user)) || [event.id, event.about, event.type].some((each) => (each || "").toLowerCase().includes(text)));
}

function drawEvents() {
  if (!latest.events.length) return;
  const shown = latest.events.filter(wanted());
  if (!shown.length) { byId("events").replaceChildren(h("li", { class: "muted empty" }, "No event matches.")); return; }
  byId("events").replaceChildren(...shown.map((event) => {
    const fresh = !firstDraw && !known.has(event.id);
    known.add(event.id);
    const time = new Date(event.created * 1000);
    const travel = event.deliveries.length ? event.deliveries.flatMap(drawDelivery) : [h("span", {}, "no endpoint wants it")];
    return h("li", { class: fresh ? "event fresh" : "event" },
      h("time", { datetime: time.toISOString() }, time.toLocaleTimeString([], { hour12: false })),
      h("span", { class: "event-type" }, ...breakable(event.type)), h("span", { class: "event-about" },
        event.user ? h("span", { class: "event-user" }, event.user) : null, event.amount ? h("strong", {}, event.amount) : null, h("span", { class: "id" }, event.id)), h("span", { class: "event-travel" }, ...travel),
      event.deliveries.length ? h("button", { type: "button", class: "again", "data-key": `again ${event.id}`, "aria-label": `Send ${event.type} again`, on: ["click", () => call("POST", `/events/${event.id}/resend`, {}, "Sent again.")] }, "Resend") : null);
  }));
}

function drawDelivery(delivery) {
  const [text, kind] = delivery.state === "pending" && !delivery.attempts ? ["Sending", "info"] : STATES[delivery.state];
  const parts = [tagged(text, kind)];
  if (delivery.attempts) parts.push(h("span", {}, `${delivery.attempts === 1 ? "" : `${delivery.attempts} attempts · `}${delivery.last} · ${delivery.ms} ms`));
  return parts;
}
