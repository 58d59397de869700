/** For servers: what the gateway says of the user to whom a request's session cookie belongs. */
import { ask, isEntitlement, trimmedBase, type Fetch } from "./request.js";
import { sessionCookies, type CookieSource } from "./session-cookies.js";
import { AtlasBillingError } from "./errors.js";
import type { Entitlement } from "./types.js";

export { AtlasBillingError } from "./errors.js";
export type { AtlasBillingErrorCode, AtlasBillingProblem } from "./errors.js";
export type { CookieSource, CookieStore } from "./session-cookies.js";
export type { Entitlement } from "./types.js";
export { EntitlementMirror } from "./mirror.js";
export type { EntitlementListener, EntitlementMirrorOptions } from "./mirror.js";
export type { EntitlementState } from "./entitlement-state.js";
export { EntitlementReader } from "./entitlement-reader.js";
export type { EntitlementReaderOptions, EntitlementRecord } from "./entitlement-reader.js";
export type { NatsConnect, NatsConnection, NatsMessage } from "./nats.js";

export interface ReadEntitlementOptions {
  /** Where the gateway answers, as this server reaches it: `http://127.0.0.1:8000`. */
  readonly baseUrl: string;
  /** How long it may take before it fails with the code `network`. Default: 2 seconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Used instead of the global `fetch`. */
  readonly fetch?: Fetch;
  /** Passed on as `x-request-id`, so that one id finds a request in the logs of both. */
  readonly requestId?: string;
}

const TIMEOUT_MS = 2_000;

/**
 * The entitlement of the user whose cookies these are: a `Cookie` header, or a store such as Next's `cookies()`. Only the
 * session's cookies are sent on. Throws AtlasBillingError: `unauthorized` when there is no session (no request is made
 * then), `network` when no answer came in time.
 */
export async function readEntitlement(cookies: CookieSource, options: ReadEntitlementOptions): Promise<Entitlement> {
  const cookie = await sessionCookies(cookies);
  if (cookie === "") throw notSignedIn();
  return readWithCookie(cookie, options);
}

export function readWithCookie(cookie: string, options: ReadEntitlementOptions): Promise<Entitlement> {
  const { baseUrl, timeoutMs = TIMEOUT_MS, signal, requestId } = options;
  if (!/^https?:\/\//.test(baseUrl)) throw new TypeError(`baseUrl has to be the gateway's whole address, such as http://127.0.0.1:8000, not "${baseUrl}".`);
  if (!(timeoutMs > 0)) throw new TypeError("timeoutMs has to be a number of milliseconds above 0.");
  const headers = { accept: "application/json", cookie, ...(requestId === undefined ? {} : { "x-request-id": requestId }) };
  const doFetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  // A redirect is not followed: the cookie is meant for the gateway alone.
  return ask({ fetch: doFetch, url: `${trimmedBase(baseUrl)}/api/pro/entitlement`, timeoutMs, signal, init: { headers, redirect: "manual" } }, isEntitlement);
}

function notSignedIn(): AtlasBillingError {
  return new AtlasBillingError({ code: "unauthorized", message: "Not authenticated.", recovery: "reauth", status: 401 });
}
