import { type BillingOverview, createAtlasBilling } from "@atlas/billing";
import { useEffect, useState } from "react";

const LOOK_MS = 5000;
const billing = createAtlasBilling();

/**
 * What else the account page shows: a payment that is under way, whether there are invoices. Read again whenever `cause`
 * changes, and every 5 s while a payment is being processed: that it fails changes no entitlement, so no event tells it.
 */
export function useOverview(cause: string): BillingOverview | null {
  const [overview, setOverview] = useState<BillingOverview | null>(null);
  const processing = overview?.payment?.state === "processing";
  useEffect(() => {
    const stop = new AbortController();
    const look = async () => {
      const seen = await billing.overview({ signal: stop.signal }).catch(() => null); // what is shown stays
      if (seen && !stop.signal.aborted) setOverview(seen);
    };
    void look();
    const timer = processing ? setInterval(() => document.hidden || void look(), LOOK_MS) : undefined;
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [cause, processing]);
  return overview;
}
