"use client";
import type { Entitlement } from "@atlas/billing";
export function Billing({ initial }: { initial: Entitlement | null }) {
  return <section className="card">{initial?.isPro ? "Pro active" : "Preview"}</section>;
}
