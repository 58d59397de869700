/** The return from Checkout: why the browser is here, the confirmation until Pro is there, and what is said meanwhile. */
import type { AtlasBilling } from "./client.js";
import { billingErrorToast, CHECKOUT_COPY, confirmToast, failureToast, toast, type Toast } from "./copy.js";
import { entitlementStore, type EntitlementStore } from "./entitlement-store.js";
import { askedToWait, asAtlasBillingError } from "./errors.js";
import type { BillingOverview } from "./types.js";

export type CheckoutReturnState =
  /** The browser does not come from Checkout. */
  | "none"
  /** Paid, and Pro is not there yet; `slow` after 10 seconds. */
  | "confirming" | "slow"
  /** Pro is there. */
  | "active"
  /** A delayed payment (a bank debit) has not settled. It goes on looking. */
  | "processing"
  /** Stripe says unpaid, or what was paid does not give Pro any more. */
  | "not_paid"
  /** Paid, and only a person can decide. */
  | "needs_review"
  /** The buyer left Checkout without paying. */
  | "canceled"
  /** The API refused: not the caller's own session, or no session of Stripe's. */
  | "failed"
  | "signed_out"
  /** A link to Checkout or to the portal failed. */
  | "billing_error";

export interface CheckoutReturn {
  readonly state: CheckoutReturnState;
  /** The newest thing to say; null when there is none or it was dismissed. */
  readonly toast: Toast | null;
}

export interface CheckoutReturnStore {
  subscribe(listener: () => void): () => void;
  get(): CheckoutReturn;
  /** Each thing to say, once, from now on. */
  onToast(listener: (toast: Toast) => void): () => void;
  /** Reads the address, removes what was read from it, and begins. Safe to call again. */
  arrive(): void;
  /** Asks once more, for a button "Check now". */
  checkNow(): Promise<void>;
  dismiss(): void;
}

export const NOWHERE: CheckoutReturn = { state: "none", toast: null };

const READ_ONCE = ["checkout", "source", "checkout_session_id", "billing_error"];
const PENDING = "atlas-checkout"; // in sessionStorage: a reload in the middle goes on waiting
const PENDING_MS = 15 * 60_000;
const SLOW_MS = 10_000;
const RETRY_MS = [1, 2, 4, 8, 15, 30, 30, 60].map((seconds) => seconds * 1000);
const PROCESSING_MS = 30_000;

type Page = Pick<Window, "location" | "history" | "sessionStorage">;

export function checkoutReturnStore(client: AtlasBilling, page: Page = window): CheckoutReturnStore {
  const found = stores.get(client) ?? newStore(client, entitlementStore(client), page);
  stores.set(client, found);
  return found;
}
const stores = new WeakMap<AtlasBilling, CheckoutReturnStore>();

function newStore(client: AtlasBilling, entitlements: EntitlementStore, page: Page): CheckoutReturnStore {
  const listeners = new Set<() => void>();
  const speakers = new Set<(toast: Toast) => void>();
  let now = NOWHERE;
  let handled = ""; // the address that was read already, until it is cleared
  let trip: Trip | null = null;

  function set(state: CheckoutReturnState, said: Toast | null = null): void {
    now = { state, toast: said ?? now.toast };
    for (const listener of [...listeners]) listener();
    if (said) for (const speak of [...speakers]) speak(said);
  }

  function arrive(): void {
    const query = new URLSearchParams(page.location.search);
    const came = query.has("checkout") || query.has("billing_error");
    if (came && page.location.href !== handled) {
      handled = page.location.href;
      // After the effects of the frameworks round us: Next's router learns of an address only once it listens for it.
      setTimeout(() => clearAddress(page, handled));
      begin(query);
    } else if (!trip && now.state === "none" && !came) resume();
  }

  function begin(query: URLSearchParams): void {
    const code = query.get("billing_error");
    if (code !== null) void sayBillingError(code);
    if (query.get("checkout") === "cancel") void sayCanceled();
    if (query.get("checkout") !== "success") return;
    const session = query.get("checkout_session_id") ?? "";
    remember(page, session);
    set("confirming", toast("checkout", "info", CHECKOUT_COPY.confirming));
    travel(session, false);
  }

  function resume(): void {
    const session = remembered(page);
    if (session === null) return;
    set("confirming");
    travel(session, true);
  }

  function travel(session: string, resumed: boolean): void {
    trip?.end();
    const mine = (trip = newTrip(client, entitlements, session, resumed, (state, said) => {
      if (trip !== mine) return;
      if (!["confirming", "slow", "processing"].includes(state)) {
        remember(page, null);
        trip = null;
      }
      set(state, said);
    }));
    mine.go();
  }

  /** Whoever canceled in one tab may have paid in another: then it must not be said that no charge was made. */
  async function sayCanceled(): Promise<void> {
    const said = {
      pro: CHECKOUT_COPY.already_active, processing: CHECKOUT_COPY.processing,
      needs_review: CHECKOUT_COPY.needs_review, other: CHECKOUT_COPY.canceled,
    }[await standing()];
    set("canceled", toast("checkout", said === CHECKOUT_COPY.needs_review ? "warning" : "info", said));
  }

  async function sayBillingError(code: string): Promise<void> {
    set("billing_error", billingErrorToast(code, code === "invalid_request" ? await standing("pro") : "other"));
  }

  async function standing(otherwise: "pro" | "other" = "other"): Promise<"pro" | "processing" | "needs_review" | "other"> {
    const overview: BillingOverview | null = await client.overview().catch(() => null);
    if (!overview) return otherwise;
    if (overview.entitlement.isPro) return "pro";
    const payment = overview.payment?.state;
    return payment === "processing" || payment === "needs_review" ? payment : otherwise;
  }

  return {
    subscribe(listener) {
      const mine = () => listener();
      listeners.add(mine);
      return () => {
        listeners.delete(mine);
        queueMicrotask(() => {
          if (listeners.size > 0) return;
          trip?.end(); // what is pending is remembered
          trip = null;
          now = NOWHERE;
        });
      };
    },
    get: () => now,
    onToast(listener) {
      speakers.add(listener);
      return () => void speakers.delete(listener);
    },
    arrive,
    checkNow: async () => void (await trip?.check()),
    dismiss() {
      now = { ...now, toast: null };
      for (const listener of [...listeners]) listener();
    },
  };
}

interface Trip {
  go(): void;
  /** Whether there is nothing more to ask. */
  check(): Promise<boolean>;
  end(): void;
}

/** From the return to Pro: asks for a confirmation and follows the entitlement; whichever knows first ends it. */
function newTrip(
  client: AtlasBilling, entitlements: EntitlementStore, session: string, resumed: boolean,
  tell: (state: CheckoutReturnState, said?: Toast) => void,
): Trip {
  const aborted = new AbortController();
  let over = false;
  let processing = false;
  let retryAfterMs = 0;
  let wake: (() => void) | null = null;
  let checking: Promise<boolean> | null = null;
  let release = () => {};

  function end(): void {
    if (over) return;
    over = true;
    aborted.abort();
    clearTimeout(slow);
    release();
    wake?.();
  }
  function arriveAt(state: CheckoutReturnState, said?: Toast): true {
    end();
    tell(state, said);
    return true;
  }
  function look(): void {
    const { state, entitlement } = entitlements.get();
    if (over) return;
    if (entitlement?.isPro && state === "ready") arriveAt("active", toast("checkout", "success", CHECKOUT_COPY.active));
    else if (state === "signed-out") arriveAt("signed_out", toast("checkout", "info", CHECKOUT_COPY.signed_out));
  }
  const slow = setTimeout(() => !processing && tell("slow", toast("checkout", "warning", CHECKOUT_COPY.slow)), SLOW_MS);

  async function confirm(): Promise<boolean> {
    try {
      const result = await client.confirm(session, { signal: aborted.signal });
      if (over) return true;
      // The components that show the entitlement need not wait until they hear of it.
      if (result.outcome === "active" && !entitlements.get().entitlement?.isPro) entitlements.refresh();
      if (result.outcome !== "processing") return arriveAt(result.outcome, confirmToast(result));
      if (!processing) tell("processing");
      processing = true;
      return false;
    } catch (failure) {
      if (over) return true;
      const error = asAtlasBillingError(failure);
      retryAfterMs = askedToWait(error);
      if (error.code === "unauthorized") return arriveAt("signed_out", toast("checkout", "info", CHECKOUT_COPY.signed_out));
      if (!["not_found", "invalid_request", "forbidden"].includes(error.code)) return false;
      // A remembered session that isn't the caller's: somebody else has signed in since, whom it doesn't concern.
      if (resumed && error.code === "not_found") return arriveAt("none");
      return arriveAt("failed", failureToast("checkout", error, CHECKOUT_COPY.failed));
    }
  }
  function check(): Promise<boolean> {
    if (over || session === "") return Promise.resolve(over);
    return (checking ??= confirm().finally(() => (checking = null)));
  }
  async function go(): Promise<void> {
    const unsubscribe = entitlements.subscribe(look);
    const calm = entitlements.hurry();
    release = () => {
      unsubscribe();
      calm();
    };
    look();
    for (let turn = 0; !over && session !== ""; turn += 1) {
      retryAfterMs = 0;
      if (await check()) return;
      const usual = processing ? PROCESSING_MS : (RETRY_MS[turn] ?? RETRY_MS.at(-1)!);
      await pause(Math.max(usual, retryAfterMs));
    }
  }
  function pause(ms: number): Promise<void> {
    if (over) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  return { go: () => void go(), check, end };
}

function clearAddress({ location, history }: Page, href: string): void {
  if (location.href !== href) return; // the app has moved on by itself
  const query = new URLSearchParams(location.search);
  for (const name of READ_ONCE) query.delete(name);
  const rest = query.toString();
  const state: unknown = history.state;
  // Next's app router takes a state without its own marks as news of another address, and adds the marks itself.
  const isNext = typeof state === "object" && state !== null && "__NA" in state;
  history.replaceState(isNext ? null : state, "", location.pathname + (rest ? `?${rest}` : "") + location.hash);
}

function remember(page: Page, session: string | null): void {
  try {
    if (session === null) page.sessionStorage.removeItem(PENDING);
    else page.sessionStorage.setItem(PENDING, JSON.stringify({ session, at: Date.now() }));
  } catch {
    // Storage is switched off: then a reload in the middle does not go on waiting, and nothing else is lost.
  }
}

function remembered(page: Page): string | null {
  try {
    const { session, at } = JSON.parse(page.sessionStorage.getItem(PENDING) ?? "{}") as { session?: unknown; at?: unknown };
    return typeof session === "string" && typeof at === "number" && Date.now() - at < PENDING_MS ? session : null;
  } catch {
    return null;
  }
}
