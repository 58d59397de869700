"use client";
import type { Entitlement } from "@atlas/billing";
export function Offer({ entitlement }: { entitlement: Entitlement | null }) {
  return entitlement?.isPro ? <a className="pill" href="/account">Manage Pro in Account</a> : <a className="pill" href="/api/billing/stripe/checkout?source=hero">Upgrade to Pro</a>;
}
