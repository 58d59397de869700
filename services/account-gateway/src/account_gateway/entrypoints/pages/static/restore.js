// "Restore purchase".
import { ask, copy, wording } from "./api.js";
import { account } from "./account.js";
import { toast } from "./toasts.js";

const TONES = { restored: "success", already_active: "success", not_found: "info" };
let busy = false;

export function startRestore() {
  // On the document: the button itself may be replaced by a newer one at any time.
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-action=restore]") && !busy) restore();
  });
}

async function restore() {
  show(true);
  account.expectChange(true);
  const answer = await ask("/api/pro/restore", { trigger: "account" });
  if (answer.ok) {
    say(answer.data);
    await account.refresh();
  } else if (answer.error.code === "unauthorized") {
    await account.signedOut();
  } else {
    const [text, hint] = wording(answer.error, copy.restore.failed);
    toast(text, { tone: "error", hint, key: "restore" });
  }
  account.expectChange(false);
  show(false);
}

function say({ outcome, reason }) {
  const text = copy.restore[reason ?? outcome] ?? copy.restore.not_eligible;
  toast(text, { tone: TONES[outcome] ?? "warning", key: "restore" });
}

// aria-disabled keeps the focus where it is, which `disabled` would not.
function show(now) {
  busy = now;
  for (const button of document.querySelectorAll("[data-action=restore]")) {
    button.dataset.label ??= button.textContent;
    button.textContent = now ? copy.busy.restore : button.dataset.label;
    for (const name of ["aria-busy", "aria-disabled"]) now ? button.setAttribute(name, "true") : button.removeAttribute(name);
  }
}
