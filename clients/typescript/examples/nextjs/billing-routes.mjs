// The gateway's public routes, as its openapi.json lists them, but `/api/health`: whether this app is well is this app's
// to say. `/pro` and `/account` are its own pages. The webhook is not here: Stripe calls webhook-ingest directly.
export const BILLING_ROUTES = [
  "/api/billing/overview",
  "/api/billing/stripe/checkout",
  "/api/billing/stripe/confirm",
  "/api/billing/stripe/portal",
  "/api/pro/entitlement",
  "/api/pro/entitlement/stream",
  "/api/pro/restore",
  "/pro/upgrade",
];
