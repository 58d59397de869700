// The account page draws itself on the server alone. When something changed, it is asked for again, and the parts of it
// that came out differently take the place of the old ones.
const served = new Map(); // part name → its HTML as the server sent it
let running = null;
let onceMore = false;

for (const part of document.querySelectorAll("[data-part]")) served.set(part.dataset.part, part.outerHTML);

export const standing = () => document.querySelector("[data-part=pro]").dataset.standing;

// What the page shows at the moment; null when the server did not know.
export function shown() {
  const json = document.querySelector("[data-part=pro]").dataset.entitlement;
  return json ? JSON.parse(json) : null;
}

// view: "confirming" or "slow" while the browser waits for a payment. Several calls at once make one or two requests.
export async function refresh(view) {
  if (running) {
    onceMore = true;
    return running;
  }
  running = (async () => {
    do {
      onceMore = false;
      await redraw(view());
    } while (onceMore);
  })();
  try {
    await running;
  } finally {
    running = null;
  }
}

async function redraw(view) {
  let page;
  try {
    const answer = await fetch(view ? `/account?view=${view}` : "/account", { cache: "no-store", headers: { accept: "text/html" } });
    if (!answer.ok) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return; // no network: what is shown stays
  }
  for (const part of page.querySelectorAll("[data-part]")) replace(part);
}

function replace(part) {
  const name = part.dataset.part;
  if (served.get(name) === part.outerHTML) return;
  served.set(name, part.outerHTML);
  const old = document.querySelector(`[data-part=${name}]`);
  const focused = old.contains(document.activeElement) && document.activeElement;
  const fresh = document.importNode(part, true);
  enable(fresh);
  old.replaceWith(fresh);
  if (focused) twin(fresh, focused).focus({ preventScroll: true });
}

// What the server sends disabled, because it does nothing without us.
export function enable(root) {
  for (const button of root.querySelectorAll("button[data-action][disabled]")) button.disabled = false;
}

function twin(part, element) {
  const { action } = element.dataset;
  const href = element.getAttribute("href");
  const same = (action && `[data-action=${action}]`) || (href && `[href="${CSS.escape(href)}"]`);
  return (same && part.querySelector(same)) || part.querySelector("h2") || document.querySelector("#main");
}
