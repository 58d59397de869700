import type { Metadata } from "next";
import { exampleSignIn, returnPath } from "@/lib/auth";
import { notFound } from "next/navigation";

export const metadata: Metadata = { title: "Sign in" };
export const dynamic = "force-dynamic"; // whether it exists is decided by the environment it runs in

type Query = Promise<{ callbackUrl?: string | string[]; error?: string }>;

export default async function SignIn({ searchParams }: { searchParams: Query }) {
  if (!exampleSignIn()) notFound();
  const { callbackUrl, error } = await searchParams;
  return (
    <main className="frame">
      <form className="card" action="/api/sign-in" method="post">
        <h1>Sign in</h1>
        <p className="soft">An example believes every address. A real app asks its e-mail or OAuth provider here.</p>
        <label htmlFor="email">E-mail</label>
        <input id="email" name="email" type="email" autoComplete="email" required aria-describedby={error && "refused"} />
        {error && <p id="refused">This address can&apos;t sign in. Try another.</p>}
        <input type="hidden" name="callbackUrl" value={returnPath([callbackUrl].flat()[0])} />
        <button type="submit" className="pill">Sign in</button>
      </form>
    </main>
  );
}
