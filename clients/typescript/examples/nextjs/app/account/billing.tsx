"use client";

import { createAtlasBilling, restoreToast } from "@atlas/billing";
import type { KnownEntitlement } from "@atlas/billing/next";
import { useCheckoutReturn, useEntitlement } from "@atlas/billing/react";
import { useEffect, useRef, useState } from "react";
import { useToast } from "@/components/toasts";
import { Standing } from "./standing";
import { useOverview } from "./use-overview";

const billing = createAtlasBilling();
const BEGAN = { text: "Pro is now active on your account.", tone: "success", key: "live" } as const;
const ENDED = { text: "Pro is no longer active on your account.", tone: "info", key: "live" } as const;

export function Billing({ initial }: { initial: KnownEntitlement | null }) {
  const say = useToast();
  // guide: hooks
  const { entitlement, isPro, state } = useEntitlement({ initial });
  const { state: returned, checkNow } = useCheckoutReturn({ onToast: say });
  // guide: end
  const overview = useOverview(`${entitlement?.updatedAt} ${returned}`);
  const [restoring, setRestoring] = useState(false);

  // A change that nobody on this page asked for is said as well.
  const announced = useRef(initial?.isPro);
  useEffect(() => {
    if (state !== "ready" || announced.current === isPro) return;
    const asked = restoring || (isPro && returned !== "none");
    if (!asked && announced.current !== undefined) say(isPro ? BEGAN : ENDED);
    announced.current = isPro;
  }, [state, isPro, restoring, returned, say]);

  // guide: restore
  async function restore() {
    if (restoring) return;
    setRestoring(true);
    const result = await billing.restore().catch((failure: unknown) => failure);
    say(restoreToast(result));
    setRestoring(false);
  }
  // guide: end

  const unknown = state !== "ready" && (!initial || initial.freshness === "unknown");
  return (
    <>
      <Standing
        entitlement={entitlement}
        unknown={unknown}
        signedOut={state === "signed-out"}
        stale={state !== "ready" && initial?.freshness === "last-known"}
        payment={overview?.payment ?? null}
        returned={returned}
        checkNow={checkNow}
      />
      <section className="card" aria-labelledby="billing-title">
        <h2 id="billing-title">Billing and restore</h2>
        <p className="soft">
          Invoices, receipts and billing details, on Stripe&apos;s pages.
          {overview?.canManageBilling === false && " They begin with your first purchase."}
        </p>
        <a className="pill pill-line" href={billing.portalUrl()}>Manage billing / invoices</a>
        <hr />
        <p className="soft" id="restore-note">
          Restore purchase only checks previously completed purchases tied to your signed-in account.
        </p>
        <button type="button" className="pill pill-line" aria-describedby="restore-note" aria-disabled={restoring} onClick={restore}>
          {restoring ? "Restoring purchase..." : "Restore purchase"}
        </button>
      </section>
    </>
  );
}
