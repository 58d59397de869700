/** One call of the API: the envelope read, everything that fails turned into the one class of errors. */
import { AtlasBillingError, badAnswer, facts, unreachable } from "./errors.js";
import type { Entitlement, Recovery } from "./types.js";

export type Fetch = typeof globalThis.fetch;

export interface Ask {
  readonly fetch: Fetch;
  readonly url: string;
  readonly init?: RequestInit;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const RECOVERIES: readonly string[] = ["none", "retry", "retry_later", "reauth", "update_input"] satisfies Recovery[];
/** The longest time that a timer can wait; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** `data` of a success that `isRight` accepts. Throws AtlasBillingError; if the caller aborts, the signal's reason. */
export async function ask<T>(call: Ask, isRight: (data: unknown) => data is T): Promise<T> {
  const limit = limited(call.timeoutMs, call.signal);
  try {
    const answer = await call.fetch(call.url, { cache: "no-store", credentials: "same-origin", ...call.init, signal: limit.signal });
    return await read(answer, isRight);
  } catch (failure) {
    if (call.signal?.aborted) throw call.signal.reason;
    throw failure instanceof AtlasBillingError ? failure : unreachable(failure);
  } finally {
    limit.end();
  }
}

async function read<T>(answer: Response, isRight: (data: unknown) => data is T): Promise<T> {
  let envelope: unknown;
  const text = await answer.text(); // fails as a network does when the connection breaks
  try {
    envelope = JSON.parse(text);
  } catch (cause) {
    throw badAnswer(answer, cause);
  }
  if (answer.ok && isObject(envelope) && envelope["ok"] === true && isRight(envelope["data"])) return envelope["data"];
  throw refusal(answer, envelope);
}

/** The error that an answer other than a success tells of. */
export function refusal(answer: Response, envelope: unknown): AtlasBillingError {
  const error = isObject(envelope) && envelope["ok"] === false ? envelope["error"] : null;
  if (!isObject(error) || typeof error["code"] !== "string" || typeof error["message"] !== "string") return badAnswer(answer);
  const recovery = (RECOVERIES.includes(error["recovery"] as string) ? error["recovery"] : "none") as Recovery;
  return new AtlasBillingError({ code: error["code"], message: error["message"], recovery, ...facts(answer) });
}

/** A signal that ends with the caller's, or after the time given. `end` lets go of both. */
export function limited(timeoutMs: number, outer?: AbortSignal): { signal: AbortSignal; end: () => void } {
  const own = new AbortController();
  const follow = () => own.abort(outer?.reason);
  const timer = setTimeout(() => own.abort(new DOMException("The time-out has passed.", "TimeoutError")), Math.min(timeoutMs, LONGEST_TIMER_MS));
  if (outer?.aborted) follow();
  else outer?.addEventListener("abort", follow, { once: true });
  return {
    signal: own.signal,
    end: () => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", follow);
    },
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Whether these are the keys that a decision hangs on: nobody is Pro by an answer of another shape. */
export function isEntitlement(value: unknown): value is Entitlement {
  return isObject(value) && typeof value["isPro"] === "boolean" && typeof value["status"] === "string";
}

/** `base` without a slash at its end; "" is the page's own origin. */
export function trimmedBase(base: string): string {
  return base.replace(/\/+$/, "");
}
