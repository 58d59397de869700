// Links that make something at Stripe: the second click of a double click does nothing.
const AGAIN_AFTER_MS = 10_000; // the browser may have been stopped by hand

export function guardLinks() {
  document.addEventListener("click", onClick);
  // Back from Stripe, perhaps out of the browser's memory: everything may be clicked again.
  addEventListener("pageshow", () => document.querySelectorAll("a[aria-busy]").forEach(release));
}

function onClick(event) {
  const link = event.target.closest("a[data-once]");
  if (!link) return;
  if (link.ariaBusy === "true") {
    event.preventDefault();
    return;
  }
  if (link.dataset.source) link.search = new URLSearchParams({ source: link.dataset.source });
  if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return; // another tab's business
  link.ariaBusy = "true";
  setTimeout(() => release(link), AGAIN_AFTER_MS);
}

function release(link) {
  link.removeAttribute("aria-busy");
}
