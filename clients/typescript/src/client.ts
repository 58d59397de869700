/** The client of the gateway's public routes. */
import { ask, isEntitlement, isObject, trimmedBase, type Fetch } from "./request.js";
import type { BillingOverview, CheckoutSource, ConfirmResult, Entitlement, RestoreResult } from "./types.js";
import { watch, type WatchOptions } from "./watch.js";

export interface AtlasBillingOptions {
  /**
   * Where the gateway's routes are, with or without a path. Default: the page's own origin, which is what browsers
   * need: the session cookie goes nowhere else.
   */
  readonly baseUrl?: string;
  /** Used instead of the global `fetch`: to add headers, or in tests. */
  readonly fetch?: Fetch;
  /** How long a call may take before it fails with the code `network`. Default: 30 seconds. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** All methods can be passed on without the object. Each call throws AtlasBillingError. */
export interface AtlasBilling {
  /** Whether the signed-in user is Pro. */
  entitlement(options?: CallOptions): Promise<Entitlement>;
  /** Looks for earlier purchases of the signed-in user. Safe to repeat. */
  restore(options?: CallOptions): Promise<RestoreResult>;
  /** After the return from Checkout: looks at Stripe itself, so that Pro comes even when no webhook does. Safe to repeat. */
  confirm(checkoutSessionId: string, options?: CallOptions): Promise<ConfirmResult>;
  /** What an account page shows. */
  overview(options?: CallOptions): Promise<BillingOverview>;
  /** The `href` of "Upgrade to Pro": a plain link, never a prefetched one. */
  checkoutUrl(source?: CheckoutSource): string;
  /** The `href` of "Manage billing / invoices". */
  portalUrl(): string;
  /**
   * Calls `onChange` with the entitlement at once and whenever it changes, until the function that it returns is called
   * or nobody is signed in. Follows the event stream; polls while there is none.
   */
  watchEntitlement(onChange: (entitlement: Entitlement) => void, options?: WatchOptions): () => void;
}

const TIMEOUT_MS = 30_000;

export function createAtlasBilling(options: AtlasBillingOptions = {}): AtlasBilling {
  const base = trimmedBase(options.baseUrl ?? "");
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  // Looked up at each call: frameworks and tests replace the global one.
  const doFetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));

  function get<T>(path: string, isRight: (data: unknown) => data is T, call?: CallOptions): Promise<T> {
    return ask({ fetch: doFetch, url: base + path, timeoutMs, signal: call?.signal, init: { headers: { accept: "application/json" } } }, isRight);
  }
  function post<T>(path: string, body: unknown, isRight: (data: unknown) => data is T, call?: CallOptions): Promise<T> {
    const headers = { accept: "application/json", "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    return ask({ fetch: doFetch, url: base + path, timeoutMs, signal: call?.signal, init }, isRight);
  }

  const entitlement = (call?: CallOptions) => get("/api/pro/entitlement", isEntitlement, call);
  return {
    entitlement,
    restore: (call) => post("/api/pro/restore", { trigger: "account" }, isOutcome<RestoreResult>, call),
    confirm: (checkoutSessionId, call) => post("/api/billing/stripe/confirm", { checkoutSessionId }, isOutcome<ConfirmResult>, call),
    overview: (call) => get("/api/billing/overview", isOverview, call),
    checkoutUrl: (source) => `${base}/api/billing/stripe/checkout${source ? `?source=${encodeURIComponent(source)}` : ""}`,
    portalUrl: () => `${base}/api/billing/stripe/portal`,
    watchEntitlement: (onChange, watching) =>
      watch({ fetch: doFetch, streamUrl: `${base}/api/pro/entitlement/stream`, look: (signal) => entitlement({ signal }), onChange, options: watching ?? {} }),
  };
}

/** The client of the page's own origin: what the hooks use unless they are given another. */
export function defaultAtlasBilling(): AtlasBilling {
  return (shared ??= createAtlasBilling());
}
let shared: AtlasBilling | undefined;

function isOutcome<T extends RestoreResult | ConfirmResult>(data: unknown): data is T {
  return isObject(data) && typeof data["outcome"] === "string" && isObject(data["entitlement"]);
}

function isOverview(data: unknown): data is BillingOverview {
  return isObject(data) && isEntitlement(data["entitlement"]) && (data["payment"] === null || isObject(data["payment"]));
}
