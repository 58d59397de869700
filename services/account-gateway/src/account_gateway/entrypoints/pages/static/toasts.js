// Toasts, bottom right. A screen reader hears a live region only when its content changes after it is there: each toast
// is put in place empty and gets its words a moment later.
const LIFE_MS = 4500;
const SPEAK_MS = 60;
const LEAVE_MS = 180;
const MOST = 4;
const stack = document.querySelector("[data-toasts]");

// tone: info, success, warning or error. key: a toast takes the place of an earlier one with the same key.
export function toast(text, { tone = "info", hint = "", key = "" } = {}) {
  const line = document.createElement("p");
  line.append(text);
  if (hint) {
    const small = document.createElement("span");
    small.className = "hint";
    small.append(hint);
    line.append(" ", small);
  }
  const box = document.createElement("div");
  box.className = "toast";
  box.dataset.tone = tone;
  box.dataset.key = key;
  box.setAttribute("role", tone === "error" ? "alert" : "status");
  for (const other of stack.children) {
    if ((key && other.dataset.key === key) || other.textContent.startsWith(line.textContent)) other.remove();
  }
  stack.append(box);
  while (stack.children.length > MOST) stack.firstElementChild.remove();
  enliven(box, line);
}

// Takes away toasts that are no longer true, without waiting for their time to end.
export function withdraw(isUntrue) {
  for (const box of [...stack.children]) if (isUntrue(box)) leave(box);
}

// Those that the server rendered into the page, for browsers without a script.
export function adoptToasts() {
  for (const box of stack.querySelectorAll(".toast:not([data-live])")) enliven(box, box.querySelector("p"));
}

function enliven(box, line) {
  box.dataset.live = "";
  const empty = document.createElement("p");
  box.replaceChildren(empty, closeButton(() => leave(box)));
  setTimeout(() => empty.replaceWith(line), SPEAK_MS);
  countdown(box, () => leave(box));
}

function closeButton(close) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "toast-close";
  button.setAttribute("aria-label", "Dismiss");
  button.append("×");
  button.addEventListener("click", close);
  return button;
}

// The time runs only while the toast is neither pointed at nor focused, and the page is looked at.
function countdown(box, done) {
  let left = LIFE_MS;
  let started = 0;
  let timer = 0;
  const stop = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    left -= performance.now() - started;
  };
  const go = () => {
    if (timer || document.hidden || box.matches(":hover, :focus-within")) return;
    started = performance.now();
    timer = setTimeout(done, left);
  };
  box.addEventListener("mouseenter", stop);
  box.addEventListener("mouseleave", () => setTimeout(go));
  box.addEventListener("focusin", stop);
  box.addEventListener("focusout", () => setTimeout(go));
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : go()));
  box.addEventListener("keydown", (event) => event.key === "Escape" && done());
  go();
}

function leave(box) {
  if (box.contains(document.activeElement)) document.querySelector("#main").focus({ preventScroll: true });
  box.dataset.leaving = "";
  setTimeout(() => box.remove(), LEAVE_MS);
}
