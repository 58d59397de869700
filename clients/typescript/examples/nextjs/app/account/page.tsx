import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { currentUser } from "@/lib/auth";
import { entitlementOf } from "@/lib/entitlement";
import { Billing } from "./billing";
import { DeleteAccount } from "./delete-account";

export const metadata: Metadata = { title: "Account" };

export default async function Account() {
  const user = await currentUser();
  if (!user) redirect("/sign-in?callbackUrl=/account"); // the cookie is there, and its session is over
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
