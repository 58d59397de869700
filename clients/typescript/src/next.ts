/** For Next.js servers: who is Pro, within a bounded time, also while billing does not answer. */
import { asAtlasBillingError, type AtlasBillingProblem } from "./errors.js";
import { lastKnown } from "./last-known.js";
import { trimmedBase } from "./request.js";
import { readWithCookie, type ReadEntitlementOptions } from "./server.js";
import { sessionCookies, type CookieSource } from "./session-cookies.js";
import type { Entitlement } from "./types.js";

export type { AtlasBillingErrorCode, AtlasBillingProblem } from "./errors.js";
export type { CookieSource, CookieStore } from "./session-cookies.js";
export type { Entitlement } from "./types.js";

export interface EntitlementFromCookiesOptions extends Omit<ReadEntitlementOptions, "signal"> {
  /** How long the gateway may take. Default: 1 second. */
  readonly timeoutMs?: number;
  /** How old a last-known entitlement may be and still count. Default: 1 hour; 0 for none. */
  readonly lastKnownMs?: number;
}

/** A plain object: a server component may hand it to a client component. */
export interface KnownEntitlement extends Entitlement {
  /**
   * `current`: the gateway said so just now. `last-known`: it doesn't answer, and said so at `asOf`.
   * `unknown`: it doesn't answer and nothing is known of this session; `isPro` is false then.
   */
  readonly freshness: "current" | "last-known" | "unknown";
  /** Whether somebody is signed in; null while unknown. */
  readonly signedIn: boolean | null;
  /** When the gateway said so, ISO 8601; null while unknown. */
  readonly asOf: string | null;
  /** Why it is not current; else null. */
  readonly error: AtlasBillingProblem | null;
}

const MEMORY = Symbol.for("@atlas/billing: last known, 1");
const TIMEOUT_MS = 1_000;
const LAST_KNOWN_MS = 3_600_000;
const NOT_PRO: Entitlement = { isPro: false, status: "none", source: null, restoredAt: null, updatedAt: null };
/** One for the process: a bundler may load this module several times, once for pages and once for route handlers. */
const shared = globalThis as { [MEMORY]?: ReturnType<typeof lastKnown> };
const memory = (shared[MEMORY] ??= lastKnown());

/**
 * The entitlement of the user whose request this is: `await entitlementFromCookies(cookies(), { baseUrl })`.
 *
 * Never throws because billing is away or slow: it then gives what was last known of the same session in this process
 * and says so, else "not Pro". What is known belongs to a session cookie, so nobody sees another's; a session that the
 * gateway calls over is forgotten at once. Throws TypeError for options that can't be meant.
 */
export async function entitlementFromCookies(cookies: CookieSource, options: EntitlementFromCookiesOptions): Promise<KnownEntitlement> {
  const cookie = await sessionCookies(cookies);
  if (cookie === "") return signedOut();
  const read = memory.begin(await digest(`${trimmedBase(options.baseUrl)}\n${cookie}`));
  try {
    const entitlement = await readWithCookie(cookie, { timeoutMs: TIMEOUT_MS, ...options });
    const asOf = new Date().toISOString();
    read.learn({ entitlement, asOf });
    return { ...entitlement, freshness: "current", signedIn: true, asOf, error: null };
  } catch (failure) {
    if (failure instanceof TypeError) throw failure;
    const error = asAtlasBillingError(failure).toJSON();
    if (error.code === "unauthorized") {
      read.forget();
      return signedOut();
    }
    const known = read.recall(options.lastKnownMs ?? LAST_KNOWN_MS);
    if (known) return { ...known.entitlement, freshness: "last-known", signedIn: true, asOf: known.asOf, error };
    return { ...NOT_PRO, freshness: "unknown", signedIn: null, asOf: null, error };
  } finally {
    read.end();
  }
}

function signedOut(): KnownEntitlement {
  return { ...NOT_PRO, freshness: "current", signedIn: false, asOf: new Date().toISOString(), error: null };
}

/** Memory holds no session's cookie, only what can't be turned back into one. */
async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
