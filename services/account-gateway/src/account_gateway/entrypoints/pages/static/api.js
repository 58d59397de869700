// Calls to our own API, and the copy that the server gave us with the page.
export const copy = JSON.parse(document.body.dataset.copy);

// The envelope of CONTRACT 1, whatever happens; code "network" when no answer could be read.
export async function ask(path, body) {
  const request = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    const answer = await fetch(path, { cache: "no-store", ...request });
    const envelope = await answer.json();
    if (envelope.ok || envelope.error) return envelope;
    throw new TypeError("no envelope"); // somebody between us and the API answered
  } catch {
    return { ok: false, error: { code: "network", message: "", recovery: "retry" } };
  }
}

// The words for a failed call: the API's own with its hint, else a sentence of ours.
export function wording(error, fallback) {
  return error.message ? [error.message, copy.hints[error.recovery] ?? ""] : [fallback, copy.hints.retry];
}

export const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
