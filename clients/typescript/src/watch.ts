/** What the entitlement is, now and from now on: the event stream, and polling while it doesn't come. */
import { askedToWait, asAtlasBillingError, badAnswer, unreachable, type AtlasBillingError } from "./errors.js";
import { readEvents } from "./event-stream.js";
import { isEntitlement, refusal, type Fetch } from "./request.js";
import type { Entitlement } from "./types.js";

export interface WatchOptions {
  /** Called with each failed look, the last one included: after `unauthorized` the watch is over. */
  readonly onError?: (error: AtlasBillingError) => void;
  /** Called with each look that succeeded, whether anything has changed or not. */
  readonly onAlive?: () => void;
  /** Whether somebody waits for news: then it polls every 2 s instead of every 10 s. */
  readonly urgent?: () => boolean;
  /** Ends the watch as its stop function does. */
  readonly signal?: AbortSignal;
}

interface Watch {
  readonly fetch: Fetch;
  readonly streamUrl: string;
  readonly look: (signal: AbortSignal) => Promise<Entitlement>;
  readonly onChange: (entitlement: Entitlement) => void;
  readonly options: WatchOptions;
}

const POLL_MS = 10_000;
const URGENT_POLL_MS = 2_000;
const LONGEST_POLL_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** The server ends each stream after some minutes; the next one follows soon, but not all watchers at the same moment. */
const AFTER_AN_END_MS = 500;
/** A stream that held for this long was a good one: the pauses begin anew. */
const GOOD_AFTER_MS = 10_000;
/** Something between holds the stream back (a buffer, a compressor): then we poll although it is open. */
const SILENT_AFTER_MS = 5_000;
/** The server gives a sign of life every 15 s. Without one the connection is dead, whatever the system says. */
const DEAD_AFTER_MS = 45_000;

export function watch(watched: Watch): () => void {
  const { options } = watched;
  let over = false;
  let open = false; // whether we look at all: not while the tab is hidden
  let known = "";
  let heard = 0; // events of the stream: a poll that began before one is older than it
  let delivering = false;
  let failures = 0; // streams in a row that did not hold
  let polls = 0; // rows of polls that were begun: an answer to one that was stopped does not go on with it
  let pollFailures = 0;
  let pollAfterMs = 0; // what the last refused poll asked for
  let round = new AbortController();
  let pollTimer: Timer;
  let streamTimer: Timer;

  function tell(entitlement: Entitlement): void {
    call(options.onAlive);
    if (over) return;
    const { isPro, status, source, restoredAt, updatedAt } = entitlement;
    const now = JSON.stringify([isPro, status, source, restoredAt, updatedAt]);
    if (now === known) return;
    known = now;
    call(watched.onChange, entitlement);
  }

  function fail(error: AtlasBillingError): void {
    if (error.code === "unauthorized") stop();
    call(options.onError, error);
  }

  // Polling.
  function pollSoon(ms: number): void {
    pollTimer ??= setTimeout(poll, ms);
  }
  function stopPolling(): void {
    clearTimeout(pollTimer);
    pollTimer = undefined;
    polls += 1;
  }
  async function poll(): Promise<void> {
    const mine = round.signal;
    const before = heard;
    const row = polls;
    try {
      const entitlement = await watched.look(mine);
      pollFailures = 0;
      pollAfterMs = 0;
      if (!mine.aborted && heard === before) tell(entitlement);
    } catch (failure) {
      if (mine.aborted) return;
      const error = asAtlasBillingError(failure);
      pollFailures += 1;
      pollAfterMs = askedToWait(error);
      if (heard === before) fail(error);
    }
    if (mine.aborted || row !== polls) return;
    pollTimer = undefined;
    if (!delivering) pollSoon(pollPause());
  }
  function pollPause(): number {
    const usual = options.urgent?.() ? URGENT_POLL_MS : POLL_MS;
    return jitter(Math.max(Math.min(usual * 2 ** pollFailures, Math.max(usual, LONGEST_POLL_MS)), pollAfterMs));
  }

  // The stream.
  async function follow(): Promise<void> {
    const mine = new AbortController();
    const leave = () => mine.abort();
    round.signal.addEventListener("abort", leave, { once: true });
    if (round.signal.aborted) return;
    const current = round.signal;
    const begun = Date.now();
    let afterMs = 0;
    let alive: Timer = setTimeout(leave, DEAD_AFTER_MS);
    const silent = setTimeout(() => pollSoon(0), SILENT_AFTER_MS);
    try {
      const answer = await watched.fetch(watched.streamUrl, {
        cache: "no-store", credentials: "same-origin", headers: { accept: "text/event-stream" }, signal: mine.signal,
      });
      const refused = await whyRefused(answer);
      if (current.aborted) return;
      if (refused?.code === "unauthorized") return fail(refused);
      afterMs = askedToWait(refused);
      if (!refused) {
        await readEvents(
          answer.body!,
          (event) => {
            const entitlement = event.type === "entitlement" && !current.aborted ? parsed(event.data) : null;
            if (!entitlement) return;
            heard += 1;
            delivering = true;
            clearTimeout(silent);
            stopPolling();
            tell(entitlement);
          },
          () => {
            clearTimeout(alive);
            alive = setTimeout(leave, DEAD_AFTER_MS);
          },
        );
      }
    } catch {
      // The connection broke or never came. What polling meets is told; a stream that breaks off is everyday life.
    } finally {
      clearTimeout(alive);
      clearTimeout(silent);
      round.signal.removeEventListener("abort", leave);
      mine.abort();
    }
    if (current.aborted) return;
    const held = delivering && Date.now() - begun >= GOOD_AFTER_MS;
    failures = held ? 0 : failures + 1;
    if (!held) pollSoon(0); // a stream that held ended by the server's clock: the next one tells what changed meanwhile
    delivering = false;
    const pause = held ? AFTER_AN_END_MS : Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
    streamTimer = setTimeout(() => void follow(), jitter(Math.max(pause, afterMs)));
  }

  // A hidden tab holds no connection (browsers allow six to one host over HTTP/1.1); it catches up when it is seen.
  function start(): void {
    if (over || open || hidden()) return;
    open = true;
    round = new AbortController();
    failures = pollFailures = pollAfterMs = 0;
    void follow();
  }
  function pause(): void {
    if (!open) return;
    open = delivering = false;
    clearTimeout(streamTimer);
    stopPolling();
    round.abort();
  }
  const seen = () => (hidden() ? pause() : start());
  const again = () => {
    pause();
    start();
  };
  const shown = (event: Event) => (event as PageTransitionEvent).persisted && start();
  const page = typeof document === "undefined" || typeof window === "undefined" ? null : { document, window };
  function stop(): void {
    if (over) return;
    over = true;
    pause();
    options.signal?.removeEventListener("abort", stop);
    page?.document.removeEventListener("visibilitychange", seen);
    page?.window.removeEventListener("pagehide", pause);
    page?.window.removeEventListener("pageshow", shown);
    page?.window.removeEventListener("online", again);
  }

  if (options.signal?.aborted) over = true;
  else {
    options.signal?.addEventListener("abort", stop, { once: true });
    page?.document.addEventListener("visibilitychange", seen);
    page?.window.addEventListener("pagehide", pause);
    page?.window.addEventListener("pageshow", shown);
    page?.window.addEventListener("online", again);
    start();
  }
  return stop;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

function hidden(): boolean {
  return typeof document !== "undefined" && document.visibilityState === "hidden";
}

/** null when the answer is a stream. The body of a refusal is read, so that its connection can be used again. */
async function whyRefused(answer: Response): Promise<AtlasBillingError | null> {
  if (answer.ok && answer.body && answer.headers.get("content-type")?.startsWith("text/event-stream")) return null;
  try {
    return refusal(answer, JSON.parse(await answer.text()));
  } catch (cause) {
    return answer.ok ? unreachable(cause) : badAnswer(answer, cause);
  }
}

function parsed(data: string): Entitlement | null {
  try {
    const value: unknown = JSON.parse(data);
    return isEntitlement(value) ? value : null;
  } catch {
    return null;
  }
}

/** Somewhat more or less, so that a thousand watchers don't come back in the same moment. */
function jitter(ms: number): number {
  return ms * (1 + Math.random() * 0.25);
}

/** What the app's own function throws is the app's, and shows as uncaught; the watch goes on. */
function call<A extends unknown[]>(callback: ((...given: A) => void) | undefined, ...given: A): void {
  try {
    callback?.(...given);
  } catch (failure) {
    setTimeout(() => {
      throw failure;
    }, 0);
  }
}
