/** The one class of errors. */
import type { ErrorCode, Recovery } from "./types.js";

/**
 * The API's own codes; `network`: no answer came (no connection, a time-out); `bad_answer`: what came isn't the API's
 * (somebody between answered). A newer API may have further ones.
 */
export type AtlasBillingErrorCode = ErrorCode | "network" | "bad_answer" | (string & {});

/** The error as a plain object: what a server component may hand to a client component. */
export interface AtlasBillingProblem {
  readonly code: AtlasBillingErrorCode;
  readonly message: string;
  readonly recovery: Recovery;
  readonly hint: string;
  /** The HTTP status; null when no answer came. */
  readonly status: number | null;
  /** `x-request-id` of the answer: quote it in a support case. */
  readonly requestId: string | null;
  /** Seconds after which to ask again, where the answer says so (`Retry-After`: with every 429, with some 503). */
  readonly retryAfter: number | null;
}

const HINTS: Readonly<Record<string, string>> = {
  none: "",
  retry: "Try again.",
  retry_later: "Try again shortly.",
  reauth: "Please sign in again.",
  update_input: "Check the details and try again.",
};

/** What every call of this package throws. `message` is written for users of the app; `hint` says what they can do. */
export class AtlasBillingError extends Error implements AtlasBillingProblem {
  override readonly name = "AtlasBillingError";
  readonly code: AtlasBillingErrorCode;
  readonly recovery: Recovery;
  readonly hint: string;
  readonly status: number | null;
  readonly requestId: string | null;
  readonly retryAfter: number | null;

  constructor(told: Partial<AtlasBillingProblem> & { code: AtlasBillingErrorCode; message: string; recovery: Recovery }, options?: { cause?: unknown }) {
    super(told.message, options);
    this.code = told.code;
    this.recovery = told.recovery;
    this.hint = told.hint ?? (Object.hasOwn(HINTS, told.recovery) ? HINTS[told.recovery]! : "");
    this.status = told.status ?? null;
    this.requestId = told.requestId ?? null;
    this.retryAfter = told.retryAfter ?? null;
  }

  /** Whether the words are the API's own. */
  get fromApi(): boolean {
    return this.code !== "network" && this.code !== "bad_answer";
  }

  toJSON(): AtlasBillingProblem {
    const { code, message, recovery, hint, status, requestId, retryAfter } = this;
    return { code, message, recovery, hint, status, requestId, retryAfter };
  }
}

/** Nobody is made to wait for longer, whatever a `Retry-After` says; timers could not either. */
const LONGEST_WAIT_SECONDS = 3600;

/** How long the answer asks to wait, in milliseconds; 0 when it doesn't. */
export function askedToWait(error: AtlasBillingError | null): number {
  return Math.min(error?.retryAfter ?? 0, LONGEST_WAIT_SECONDS) * 1000;
}

export function asAtlasBillingError(failure: unknown): AtlasBillingError {
  return failure instanceof AtlasBillingError ? failure : unreachable(failure);
}

export function unreachable(cause: unknown): AtlasBillingError {
  return new AtlasBillingError({ code: "network", message: "Billing could not be reached.", recovery: "retry" }, { cause });
}

/** An answer that isn't the API's: a proxy's page, a sign-in page that a redirect led to, half an answer. */
export function badAnswer(answer: Response, cause?: unknown): AtlasBillingError {
  return new AtlasBillingError(
    {
      code: "bad_answer",
      message: "Billing gave an answer that could not be read.",
      recovery: answer.status >= 500 || answer.status === 429 ? "retry_later" : "retry",
      ...facts(answer),
    },
    { cause },
  );
}

export function facts(answer: Response): Pick<AtlasBillingProblem, "status" | "requestId" | "retryAfter"> {
  return { status: answer.status, requestId: answer.headers.get("x-request-id"), retryAfter: retryAfter(answer.headers.get("retry-after")) };
}

function retryAfter(header: string | null): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds : null;
  const at = Date.parse(header); // HTTP allows a date as well, and proxies use it
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}
