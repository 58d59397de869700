import { type Entitlement } from "@atlas/billing";
import { entitlementFromCookies } from "@atlas/billing/next";
import { cookies } from "next/headers";
import { oldEntitlement } from "@/lib/old-entitlement";

const TIMEOUT_MS = 800;

// guide: read
/**
 * Whether this visitor is Pro, for pages and routes on the server. Null: nobody is signed in, or nothing is known.
 *
 * When the gateway doesn't answer in time, what it said last about this session holds, so that nobody who is Pro is
 * locked out for that.
 */
export async function entitlementOf(user: { id: string } | null): Promise<Entitlement | null> {
  if (!user) return null;
  if (process.env.ATLAS_BILLING === "off") return oldEntitlement(user.id);
  const baseUrl = process.env.ATLAS_GATEWAY_URL ?? "";
  return entitlementFromCookies(await cookies(), { baseUrl, timeoutMs: TIMEOUT_MS });
}
// guide: end
