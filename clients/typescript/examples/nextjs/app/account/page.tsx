import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { currentUser } from "@/lib/auth";
import { entitlementOf } from "@/lib/entitlement";
import { Billing } from "./billing";
import { DeleteAccount } from "./delete-account";

export const metadata: Metadata = { title: "Account" };

type Query = Promise<Record<string, string | string[] | undefined>>;

export default async function Account({ searchParams }: { searchParams: Query }) {
  const user = await currentUser();
  // The cookie is there and its session is over: signing in again leads back into what was begun, a purchase say.
  if (!user) redirect(`/sign-in?callbackUrl=${encodeURIComponent(`/account${search(await searchParams)}`)}`);
  const entitlement = await entitlementOf(user);
  return (
    <main className="frame">
      <div className="stack">
        <h1>Account</h1>
        <p className="lead">{user.email}</p>
      </div>
      <Billing initial={entitlement} />
      <DeleteAccount />
    </main>
  );
}

function search(query: Awaited<Query>) {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]));
  return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : "";
}
