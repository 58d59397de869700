// Keeps a page up to date: asks whether there is something new, and puts only the parts that changed in their place.
// What somebody is typing stays; so do the focus and what was unfolded. Everything else works without this.
const SOON_MS = 1500;
const LATER_MS = 8000;
const SOON_FOR_MS = 60_000;

let changedAt = performance.now();
let timer = 0;

function start() {
  forgetDone();
  if (!document.body.dataset.have) return;
  document.querySelector("[data-live]").hidden = false;
  document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : look());
  addEventListener("pagehide", () => clearTimeout(timer));
  timer = setTimeout(look, SOON_MS);
}

// What was done is said once: not again when the page is loaded again.
function forgetDone() {
  const here = new URL(location.href);
  if (!here.searchParams.has("done")) return;
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}

async function look() {
  clearTimeout(timer);
  try {
    if (!(await refresh())) return;
  } catch {
    // The network or a service is away; the next look may find it.
  }
  const soon = performance.now() - changedAt < SOON_FOR_MS;
  if (!document.hidden) timer = setTimeout(look, soon ? SOON_MS : LATER_MS);
}

async function refresh() {
  const address = location.href.split("#")[0];
  const answer = await fetch(address, { headers: { "x-desk-have": document.body.dataset.have }, cache: "no-store", redirect: "error" });
  if (answer.status === 401 || answer.status === 403) {
    document.querySelector("[data-stale]").hidden = false;
    document.querySelector("[data-live]").hidden = true;
    return false;
  }
  if (answer.status !== 200) return true;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let waits = false;
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const shown = document.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!shown || plain(shown) === plain(part)) continue;
    if (replace(shown, part)) changedAt = performance.now();
    else waits = true;
  }
  // What somebody types in is put in place later: until then the page does not have all of what it was told.
  if (!waits) document.body.dataset.have = fresh.body.dataset.have;
  return true;
}

// A form's key is new in every answer, and an unfolded part is no change.
function plain(part) {
  const copy = part.cloneNode(true);
  for (const details of copy.querySelectorAll("details")) details.removeAttribute("open");
  for (const key of copy.querySelectorAll("input[name=key]")) key.removeAttribute("value");
  return copy.outerHTML;
}

function replace(shown, part) {
  const focused = shown.contains(document.activeElement) ? document.activeElement : null;
  if (focused?.matches("input, select, textarea") || typed(shown)) return false;
  const next = document.importNode(part, true);
  for (const details of shown.querySelectorAll("details[open]")) {
    const same = next.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = true;
  }
  const place = focused && [...shown.querySelectorAll("a, button, summary")].indexOf(focused);
  shown.replaceWith(next);
  if (focused) refocus(next, focused, place);
  return true;
}

function typed(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), textarea, select")].some((field) =>
    field.matches("select") ? [...field.options].some((o) => o.selected !== o.defaultSelected) : field.value !== field.defaultValue);
}

function refocus(part, focused, place) {
  const same = focused.id && part.querySelector(`#${CSS.escape(focused.id)}`);
  const near = [...part.querySelectorAll("a, button, summary")][place];
  (same || near || document.querySelector("main")).focus({ preventScroll: true });
}

start();
