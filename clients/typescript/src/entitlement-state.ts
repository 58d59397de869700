/** A user's entitlement as the bucket ENTITLEMENT_STATE tells it, and what a mirror holds of the bucket. */
import { isObject } from "./request.js";

/** The whole state after the change that made it. Pro ends by a further change alone, never by the clock. */
export interface EntitlementState {
  readonly userId: string;
  readonly productKey: string;
  readonly isPro: boolean;
  /** none: never Pro, or forgotten; active: Pro; revoked: was Pro and isn't any more. */
  readonly status: string;
  readonly source: string | null;
  readonly activeFrom: string | null;
  /** When the newest time of being Pro ended; null while it lasts. */
  readonly activeUntil: string | null;
  /** Grows by one with each change; 0: nothing is known. A forgotten user starts again at 1. */
  readonly version: number;
  /** Why, in one stable word. The list of words is open. */
  readonly reason: string;
  readonly causedBy: string;
}

/** base64url of the SHA-256 of a user's id, without padding. */
export type KeyOf = (userId: string) => string;

/** The newest state of every user. Order is the bucket's own: versions begin again at 1 for a forgotten user. */
export class Entries {
  readonly #states = new Map<string, EntitlementState>();
  readonly #byKey = new Map<string, string>();
  #seen = new Set<string>();

  get size(): number {
    return this.#states.size;
  }

  /** Keys that the reading under way has met, with an entry or with the marker of a removal. */
  get seen(): number {
    return this.#seen.size;
  }

  get(userId: string): EntitlementState | undefined {
    return this.#states.get(userId);
  }

  /** A reading of the whole bucket begins. What is known stays until the reading has reached the end. */
  begin(): void {
    this.#seen = new Set();
  }

  /** An entry, or its removal (null). Returns what has changed by it, if anything. */
  take(key: string, value: string | null, keyOf: KeyOf): EntitlementState | null {
    this.#seen.add(key);
    const state = value === null ? null : readState(key, value, keyOf);
    // What can't be understood has replaced what was known: its user is Pro to nobody.
    if (state === null) return this.#drop(key);
    const before = this.#states.get(state.userId);
    this.#states.set(state.userId, state);
    this.#byKey.set(key, state.userId);
    return before !== undefined && isSame(before, state) ? null : state;
  }

  /** The reading has reached the bucket's end: what it has not met is there no more. Returns what that changes. */
  end(): EntitlementState[] {
    const gone = [...this.#byKey.keys()].filter((key) => !this.#seen.has(key));
    return gone.map((key) => this.#drop(key)).filter((state) => state !== null);
  }

  #drop(key: string): EntitlementState | null {
    const userId = this.#byKey.get(key);
    if (userId === undefined) return null;
    const productKey = this.#states.get(userId)?.productKey ?? "";
    this.#byKey.delete(key);
    this.#states.delete(userId);
    return { userId, productKey, isPro: false, status: "none", source: null, activeFrom: null, activeUntil: null, version: 0, reason: "", causedBy: "" };
  }
}

function readState(key: string, value: string, keyOf: KeyOf): EntitlementState | null {
  let told: unknown;
  try {
    told = JSON.parse(value);
  } catch {
    return null;
  }
  if (!isObject(told) || typeof told["userId"] !== "string" || typeof told["isPro"] !== "boolean" || typeof told["status"] !== "string") return null;
  if (!Number.isInteger(told["version"]) || keyOf(told["userId"]) !== key) return null;
  return {
    userId: told["userId"],
    productKey: text(told["productKey"]) ?? "",
    isPro: told["isPro"],
    status: told["status"],
    source: text(told["source"]),
    activeFrom: text(told["activeFrom"]),
    activeUntil: text(told["activeUntil"]),
    version: told["version"] as number,
    reason: text(told["reason"]) ?? "",
    causedBy: text(told["causedBy"]) ?? "",
  };
}

function isSame(one: EntitlementState, other: EntitlementState): boolean {
  return (Object.keys(one) as (keyof EntitlementState)[]).every((name) => one[name] === other[name]);
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
