/** The shapes of the API, by the names that this package uses. They come from the generated `openapi.ts`. */
import type { components } from "./openapi.js";

type Schemas = components["schemas"];

/** Whether the signed-in user is Pro, since when (`restoredAt`) and by what. Dates are ISO 8601 in UTC. */
export type Entitlement = Schemas["Entitlement"];
/** The entitlement inside the answers of restore and confirm: without `restoredAt`. */
export type EntitlementSummary = Schemas["EntitlementSummary"];
/** What "Restore purchase" found. `reason` is there only with the outcome not_eligible. */
export type RestoreResult = Schemas["RestoreResult"];
/** How a purchase stands. `reason` is there with not_paid where money or a coupon was there. */
export type ConfirmResult = Schemas["ConfirmResult"];
/** What an account page shows: the entitlement, a payment that is under way or failed, whether there is a portal. */
export type BillingOverview = Schemas["BillingOverview"];
export type PaymentState = Schemas["PaymentState"];
/** The codes of the API's errors. */
export type ErrorCode = Schemas["ErrorCode"];
/** What the caller should do next. */
export type Recovery = Schemas["Recovery"];
/** Where on the site a purchase began. */
export type CheckoutSource = "direct" | "hero" | "comparison" | "faq";
