/* @atlas/billing: no framework, no dependency. */
export { createAtlasBilling } from "./client.js";
export type { AtlasBilling, AtlasBillingOptions, CallOptions } from "./client.js";
export { AtlasBillingError } from "./errors.js";
export type { AtlasBillingErrorCode, AtlasBillingProblem } from "./errors.js";
export { billingErrorToast, CHECKOUT_COPY, confirmToast, failureToast, RESTORE_COPY, restoreToast } from "./copy.js";
export type { Toast, Tone } from "./copy.js";
export type { WatchOptions } from "./watch.js";
export type {
  BillingOverview,
  CheckoutSource,
  ConfirmResult,
  Entitlement,
  EntitlementSummary,
  ErrorCode,
  PaymentState,
  Recovery,
  RestoreResult,
} from "./types.js";
