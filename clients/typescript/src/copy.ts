/** What is said in passing: the same sentences that the pages of Atlas Billing say. No React in here. */
import { AtlasBillingError } from "./errors.js";
import type { ConfirmResult, RestoreResult } from "./types.js";

export type Tone = "info" | "success" | "warning" | "error";

/** One thing to say: bottom right, for 4.5 s, `role` as given. A toast takes the place of an earlier one with the same `key`. */
export interface Toast {
  readonly text: string;
  readonly tone: Tone;
  /** What the user can do, as a second sentence; may be empty. */
  readonly hint: string;
  readonly key: "checkout" | "billing" | "restore" | "live" | "session";
  /** `alert` for errors, else `status`. */
  readonly role: "status" | "alert";
}

const NEEDS_REVIEW = "Your payment was received, but Pro could not be switched on automatically. Please contact support.";
const FREE_CHECKOUT = "This checkout cost nothing, and a free checkout does not switch Pro on here. Please contact support.";
const ALREADY_ACTIVE = "Pro is already active on this account.";

export const CHECKOUT_COPY = {
  confirming: "Checkout completed. We are confirming your payment now. Pro access should appear shortly.",
  active: "Checkout completed and Pro is now active on your account.",
  canceled: "Checkout canceled. No charge was made.",
  slow: "Confirming your payment takes longer than usual. This page keeps looking.",
  // Without a reason Stripe says that the session is unpaid: only then may it be said that nothing was charged.
  not_paid: "This checkout was not paid. Nothing was charged.",
  refunded: "This payment was refunded, so Pro is not active.",
  chargeback_lost: "Your bank took this payment back, so Pro is not active.",
  free_checkout: FREE_CHECKOUT,
  revoked_by_operator: "Atlas support ended the access that this payment gave.",
  ended: "This payment does not give Pro any more.",
  needs_review: NEEDS_REVIEW,
  processing: "A payment is already being processed.",
  already_active: ALREADY_ACTIVE,
  signed_out: "Your session ended while you were away. Sign in to see your purchase.",
  failed: "Your payment could not be confirmed.",
} as const;

export const RESTORE_COPY = {
  restored: "Purchase restored. Pro access is now active.",
  already_active: ALREADY_ACTIVE,
  not_found: "No completed web purchase was found for this account.",
  refunded: "Your purchase was refunded, so it can't be restored.",
  chargeback_lost: "Your bank took this payment back, so the purchase can't be restored.",
  payment_pending: "Your payment is still processing. Pro starts by itself when it settles.",
  needs_review: NEEDS_REVIEW,
  free_checkout: FREE_CHECKOUT,
  revoked_by_operator: "Atlas support ended the access that this purchase gave, so it can't be restored.",
  not_eligible: "Your purchase can't be restored.",
  failed: "Unable to restore your purchase right now.",
} as const;

const BILLING_ERRORS: Readonly<Record<string, readonly [text: string, hint: string]>> = {
  invalid_request: ["Pro is already active.", ""],
  not_found: ["No Stripe billing history was found for this account yet.", ""],
  unauthorized: ["Not authenticated.", "Please sign in again."],
  forbidden: ["This is not allowed for your account.", ""],
  rate_limited: ["Too many requests. Please try again later.", "Try again shortly."],
  internal_error: ["Billing is temporarily unavailable. Please try again later.", "Try again shortly."],
};
const IN_REVIEW = "Your payment was received and is being reviewed. Please contact support.";

export function toast(key: Toast["key"], tone: Tone, text: string, hint = ""): Toast {
  return { text, tone, hint, key, role: tone === "error" ? "alert" : "status" };
}

/** What to say of a finished `restore()`: its result, or what it threw. */
export function restoreToast(outcome: RestoreResult | unknown): Toast {
  if (!isRestoreResult(outcome)) return failureToast("restore", outcome, RESTORE_COPY.failed);
  const text = pick(RESTORE_COPY, outcome.reason) ?? pick(RESTORE_COPY, outcome.outcome) ?? RESTORE_COPY.not_eligible;
  const tones: Readonly<Record<string, Tone>> = { restored: "success", already_active: "success", not_found: "info" };
  return toast("restore", tones[outcome.outcome] ?? "warning", text);
}

/** What to say of a `confirm()` that ended the waiting. */
export function confirmToast({ outcome, reason }: Pick<ConfirmResult, "outcome" | "reason">): Toast {
  switch (outcome) {
    case "active":
      return toast("checkout", "success", CHECKOUT_COPY.active);
    case "processing":
      return toast("checkout", "info", CHECKOUT_COPY.processing);
    case "needs_review":
      return toast("checkout", "warning", CHECKOUT_COPY.needs_review);
    default:
      return toast("checkout", "warning", reason ? (pick(CHECKOUT_COPY, reason) ?? CHECKOUT_COPY.ended) : CHECKOUT_COPY.not_paid);
  }
}

/**
 * What to say of a failed link navigation, which came back as `?billing_error=<code>`.
 * The code invalid_request has three causes; `standing` tells which.
 */
export function billingErrorToast(code: string, standing: "pro" | "processing" | "needs_review" | "other" = "pro"): Toast {
  const [text, hint] = (Object.hasOwn(BILLING_ERRORS, code) && BILLING_ERRORS[code]) || BILLING_ERRORS["internal_error"]!;
  const refused = standing === "processing" ? CHECKOUT_COPY.processing : standing === "needs_review" ? IN_REVIEW : text;
  return toast("billing", "error", code === "invalid_request" ? refused : text, hint);
}

/** What to say of anything else that failed: the API's own words with their hint, else `fallback`. */
export function failureToast(key: Toast["key"], failure: unknown, fallback: string): Toast {
  if (failure instanceof AtlasBillingError && failure.fromApi) return toast(key, "error", failure.message, failure.hint);
  return toast(key, "error", fallback, "Try again.");
}

function isRestoreResult(value: unknown): value is RestoreResult {
  return typeof value === "object" && value !== null && !(value instanceof Error) && "outcome" in value;
}

function pick(copy: Readonly<Record<string, string>>, name: string | null | undefined): string | undefined {
  return name && Object.hasOwn(copy, name) ? copy[name] : undefined;
}
