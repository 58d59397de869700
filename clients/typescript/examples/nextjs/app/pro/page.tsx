import type { Metadata } from "next";
import Link from "next/link";
import { currentUser } from "@/lib/auth";
import { entitlementOf } from "@/lib/entitlement";
import { Offer } from "./offer";

export const metadata: Metadata = { title: "Pro" };

const FEATURES = [
  ["The whole atlas", "Included", "Included"],
  ["Deeper insight in every view", "Preview", "Included"],
  ["Invoice for your records", "None", "Included"],
  ["Ads", "None", "None"],
  ["What you pay", "Nothing", "Once"],
] as const;

export default async function Pro() {
  const user = await currentUser();
  const entitlement = await entitlementOf(user);
  return (
    <main className="frame">
      <section className="stack" aria-labelledby="headline">
        <p className="eyebrow">One-time purchase</p>
        <h1 id="headline">Upgrade only when deeper insight will help.</h1>
        <p className="lead">
          Atlas is free to use for as long as you like. Pro opens the full depth of every view, with one payment that stays
          with your account.
        </p>
        {user ? (
          <Offer initial={entitlement} />
        ) : (
          <a className="pill" href="/pro/upgrade?source=hero">Sign in to Upgrade</a>
        )}
        <p className="fine">No subscriptions. No ads. One-time Pro access.</p>
      </section>
      <section className="card" aria-label="Plans">
        <table aria-label="Free and Pro feature comparison">
          <thead>
            <tr><th scope="col"><span className="hidden">Feature</span></th><th scope="col">Free</th><th scope="col">Pro</th></tr>
          </thead>
          <tbody>
            {FEATURES.map(([feature, free, pro]) => (
              <tr key={feature}><th scope="row">{feature}</th><td>{free}</td><td>{pro}</td></tr>
            ))}
          </tbody>
        </table>
      </section>
      <p className="fine">
        Paid already, and Pro is missing? <Link href="/account">Restore it from your account.</Link>
      </p>
    </main>
  );
}
