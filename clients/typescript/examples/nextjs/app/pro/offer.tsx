"use client";

import { createAtlasBilling, type Entitlement } from "@atlas/billing";
import { useEntitlement } from "@atlas/billing/react";
import Link from "next/link";

const billing = createAtlasBilling();

export function Offer({ initial }: { initial: Entitlement | null }) {
  const { isPro } = useEntitlement({ initial });
  if (isPro) return <Link className="pill" href="/account">Manage Pro in Account</Link>;
  // guide: links
  // A plain link. <Link> would fetch the address before it navigates, and the gateway makes no checkout for that.
  return <a className="pill" href={billing.checkoutUrl("hero")}>Upgrade to Pro</a>;
  // guide: end
}
