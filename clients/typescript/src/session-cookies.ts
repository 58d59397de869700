/** The cookies of a next-auth or Auth.js session among all that a request has. */

/** What Next's `cookies()` gives, and `request.cookies`. */
export interface CookieStore {
  getAll(): readonly { readonly name: string; readonly value: string }[];
}

/** A `Cookie` header, or a store of cookies, or a promise of either (`cookies()` since Next 15). */
export type CookieSource = string | null | undefined | CookieStore | Promise<string | null | undefined | CookieStore>;

const SESSION_COOKIE = /^(?:__Secure-)?(?:next-auth|authjs)\.session-token(?:\.\d{1,3})?$/;

/** A `Cookie` header with the session's cookies alone, in an order of its own; "" when there are none. */
export async function sessionCookies(source: CookieSource): Promise<string> {
  const found = await source;
  const pairs = typeof found === "string" ? fromHeader(found) : found ? fromStore(found) : [];
  const session = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (SESSION_COOKIE.test(name) && value !== "" && !session.has(name)) session.set(name, value); // of two the first counts, as at the gateway
  }
  return [...session].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}`).join("; ");
}

function fromHeader(header: string): [string, string][] {
  return header.split(";").map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, Math.max(at, 0)).trim(), at < 0 ? "" : pair.slice(at + 1).trim()];
  });
}

/** A store gives values decoded; on the wire they are encoded. */
function fromStore(store: CookieStore): [string, string][] {
  return store.getAll().map(({ name, value }) => [name, encodeURIComponent(value)]);
}
