import type { BillingOverview, Entitlement } from "@atlas/billing";
import type { CheckoutReturnState } from "@atlas/billing/react";
import Link from "next/link";

type Shown = {
  entitlement: Entitlement | null;
  unknown: boolean;
  signedOut: boolean;
  /** What is shown is what was last known. */
  stale: boolean;
  payment: BillingOverview["payment"];
  returned: CheckoutReturnState;
  checkNow: () => Promise<void>;
};

const PAYMENT_BADGES = {
  processing: ["info", "Payment processing"],
  needs_review: ["warning", "Payment in review"],
  failed: ["error", "Payment failed"],
} as const;

/** The card "Atlas Pro". */
export function Standing(shown: Shown) {
  const { entitlement, unknown, stale, payment } = shown;
  const isPro = entitlement?.isPro ?? false;
  const [tone, word] = payment && !isPro ? (PAYMENT_BADGES[payment.state] ?? []) : [];
  return (
    <section className="card" aria-labelledby="pro-title">
      <div className="card-head">
        <h2 id="pro-title">Atlas Pro</h2>
        <div className="badges">
          {isPro ? (
            <span className="badge" data-tone="success">Pro active</span>
          ) : (
            <span className="badge">{unknown ? "Status unavailable" : "Preview"}</span>
          )}
          {word && <span className="badge" data-tone={tone}>{word}</span>}
        </div>
      </div>
      <Words {...shown} />
      {stale && <p className="fine">Billing does not answer right now. This is what it said last.</p>}
    </section>
  );
}

function Words({ entitlement, unknown, signedOut, payment, returned, checkNow }: Shown) {
  if (signedOut) {
    return (
      <>
        <p>Your session has ended.</p>
        <Link className="pill" href="/sign-in?callbackUrl=/account">Sign in</Link>
      </>
    );
  }
  if (entitlement?.isPro) {
    return (
      <p>
        You have the full depth of Atlas{entitlement.restoredAt && <>, since {day(entitlement.restoredAt)}</>}. Nothing renews.
      </p>
    );
  }
  if (payment?.state === "processing") return <p>Your payment is on its way. Pro starts by itself when it settles.</p>;
  if (payment?.state === "needs_review") return <p>Your payment was received and is being reviewed. You should not pay again.</p>;
  if (returned === "confirming") return <p>Confirming your payment. The page turns to Pro by itself.</p>;
  if (returned === "slow") {
    return (
      <>
        <p>Confirming your payment takes longer than usual. You should not pay again: this page keeps looking.</p>
        <button type="button" className="pill pill-line" onClick={checkNow}>Check now</button>
      </>
    );
  }
  if (unknown) return <p>We can&apos;t read your status right now. That changes nothing about what you bought.</p>;
  return (
    <>
      <p>
        {entitlement?.status === "revoked"
          ? "Pro has ended on this account. You can buy it again whenever you like."
          : "You are using Atlas for free. Pro opens the full depth of every view. One payment, no subscription."}
      </p>
      <Link className="pill" href="/pro">See what Pro adds</Link>
    </>
  );
}

/** The same words on the server and in every browser. */
function day(date: string) {
  const text = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(new Date(date));
  return <time dateTime={date}>{text}</time>;
}
