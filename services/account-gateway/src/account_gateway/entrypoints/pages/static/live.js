// What the entitlement is, now and from now on: server-sent events, and polling while they don't come.
import { ask } from "./api.js";

const STREAM = "/api/pro/entitlement/stream";
const POLL_MS = 2000;
const PATIENT_POLL_MS = 10_000;
const STREAM_AGAIN_MS = 15_000;

// Calls `onEntitlement` with each look at the entitlement, `onSignedOut` once when the session is over.
// `urgent()`: whether somebody waits for news.
export function follow({ onEntitlement, onSignedOut, urgent }) {
  let stream = null;
  let poll = 0;
  let again = 0;
  let over = false;

  const close = () => {
    stream?.close();
    stream = null;
    clearTimeout(poll);
    clearTimeout(again);
    poll = 0;
  };
  const end = () => {
    over = true;
    close();
  };
  const look = async () => {
    const answer = await ask("/api/pro/entitlement");
    if (over) return;
    if (answer.ok) onEntitlement(answer.data);
    else if (answer.error.code === "unauthorized") {
      end();
      return onSignedOut();
    }
    if (poll) poll = setTimeout(look, urgent() ? POLL_MS : PATIENT_POLL_MS);
  };
  const pollInstead = () => {
    if (!poll && !over) poll = setTimeout(look, 0);
  };
  const open = () => {
    close();
    if (over || document.hidden) return;
    if (!window.EventSource) return pollInstead();
    stream = new EventSource(STREAM);
    stream.addEventListener("entitlement", (event) => {
      clearTimeout(poll);
      poll = 0;
      onEntitlement(JSON.parse(event.data));
    });
    stream.addEventListener("error", () => {
      // CLOSED: refused for good, the browser will not try again by itself. Else it is reconnecting: look meanwhile.
      if (stream?.readyState === EventSource.CLOSED) again = setTimeout(open, STREAM_AGAIN_MS);
      pollInstead();
    });
  };

  // A hidden tab holds no connection (browsers allow six to one host over HTTP/1.1); it catches up when it is seen.
  document.addEventListener("visibilitychange", open);
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("pagehide", close);
  addEventListener("online", open);
  open();
  return { end };
}
