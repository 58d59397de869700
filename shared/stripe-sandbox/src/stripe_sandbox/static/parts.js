"use strict";
// What the scripts of the control room share: state, elements, calls. They are loaded in order: parts, buyers, events, room.
const byId = (id) => document.getElementById(id);
const drawn = {};
let latest = { buyers: [], events: [], paid: 0 };
let tag = "";
let firstDraw = true;

// Control, zero-width and bidirectional characters of what comes from outside are shown, as pages.py does on other pages.
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const shown = (child) => typeof child === "string" ? child.replace(UNSEEN, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`) : child;

function h(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") node.addEventListener(value[0], value[1]);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(shown));
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

// What the search field says, in lower case; empty for nothing.
const sought = () => byId("search").value.trim().toLowerCase();

function shortId(id) {
  const [prefix] = id.split("_");
  return h("span", { class: "id", title: id }, `${prefix}_…${id.slice(-6)}`);
}
