import { entitlementFromCookies, type KnownEntitlement } from "@atlas/billing/next";
import { cookies } from "next/headers";
import { oldEntitlement } from "@/lib/old-entitlement";

const TIMEOUT_MS = 800;

/**
 * Whether this user is Pro, for pages and routes on the server. Null when nobody is signed in.
 *
 * When the gateway doesn't answer in time, what it said last of this session holds (`freshness` tells), so that nobody
 * who is Pro is locked out for that.
 */
export async function entitlementOf(user: { id: string } | null): Promise<KnownEntitlement | null> {
  if (!user) return null;
  if (process.env.ATLAS_BILLING === "off") return oldEntitlement(user.id);
  return entitlementFromCookies(cookies(), { baseUrl: process.env.ATLAS_GATEWAY_URL ?? "", timeoutMs: TIMEOUT_MS });
}
