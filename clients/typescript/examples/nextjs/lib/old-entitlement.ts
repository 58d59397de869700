import type { KnownEntitlement } from "@atlas/billing/next";
import { pool } from "@/lib/database";

const PROJECTION = `
  SELECT status, provider AS source, "activeFrom" AS since, "updatedAt"
  FROM "BillingEntitlementProjection" WHERE "userId" = $1 AND "productKey" = 'pro_lifetime_v1'`;
const GRANT = `
  SELECT status,
    CASE source WHEN 'app_store' THEN 'ios_iap' WHEN 'play_store' THEN 'android_iap' ELSE 'manual' END AS source,
    coalesce("restoredAt", "createdAt") AS since, "updatedAt"
  FROM "ProEntitlement" WHERE "userId" = $1`;

type Row = { status: KnownEntitlement["status"]; source: KnownEntitlement["source"]; since: Date | null; updatedAt: Date };

/** What the app read before: its own tables. Here for the way back; delete it with them. */
export async function oldEntitlement(userId: string): Promise<KnownEntitlement> {
  const row = (await pool.query<Row>(PROJECTION, [userId])).rows[0] ?? (await pool.query<Row>(GRANT, [userId])).rows[0];
  return {
    isPro: row?.status === "active",
    status: row?.status ?? "none",
    source: row?.source ?? null,
    restoredAt: row?.since?.toISOString() ?? null,
    updatedAt: row?.updatedAt.toISOString() ?? null,
    freshness: "current",
    signedIn: true,
    asOf: new Date().toISOString(),
    error: null,
  };
}
