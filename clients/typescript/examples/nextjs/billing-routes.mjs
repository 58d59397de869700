// The gateway's public routes: its openapi.json lists them. `/pro` and `/account` are this app's own pages, and
// `/api/billing/stripe/webhook` is not here: Stripe calls webhook-ingest directly.
export const BILLING_ROUTES = [
  "/api/billing/overview",
  "/api/billing/stripe/checkout",
  "/api/billing/stripe/confirm",
  "/api/billing/stripe/portal",
  "/api/health",
  "/api/pro/entitlement",
  "/api/pro/entitlement/stream",
  "/api/pro/restore",
  "/pro/upgrade",
];
