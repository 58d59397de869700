import { getServerSession, type NextAuthOptions } from "next-auth";
import { cache } from "react";
import { SESSION_SECONDS, sessions } from "@/lib/sessions";

export const https = Boolean(process.env.NEXTAUTH_URL?.startsWith("https://"));
export const SESSION_COOKIE = https ? "__Secure-next-auth.session-token" : "next-auth.session-token";

export const authOptions: NextAuthOptions = {
  adapter: sessions,
  session: { strategy: "database", maxAge: SESSION_SECONDS },
  pages: { signIn: "/sign-in" },
  providers: [], // an app of your own has its e-mail or OAuth providers here
  callbacks: {
    session: ({ session, user }) => ({ ...session, user: { ...session.user, id: user.id } }),
  },
};

/** Who is signed in, or null. Looked up once for each request, however many components ask. */
export const currentUser = cache(async (): Promise<{ id: string; email: string } | null> => {
  const session = (await getServerSession(authOptions)) as { user: { id: string; email: string } } | null;
  return session?.user ?? null;
});

/** Whether the example's sign-in, which believes every e-mail address, exists. */
export const exampleSignIn = () =>
  !https && (process.env.NODE_ENV !== "production" || process.env.EXAMPLE_SIGN_IN === "true");

/** `path` if it is a path of this site, else /account: a browser reads `//host` and `/\host` as another host. */
export function returnPath(path: string | null | undefined) {
  const own = process.env.NEXTAUTH_URL ?? "http://localhost:3000";
  try {
    const url = new URL(path || "/account", own);
    if (url.origin === new URL(own).origin) return url.pathname + url.search;
  } catch {
    // no URL at all
  }
  return "/account";
}

/** Whether a request that changes something comes from a page of this site. */
export function sameOrigin(request: Request) {
  const origin = request.headers.get("origin");
  return origin === new URL(process.env.NEXTAUTH_URL ?? request.url).origin;
}
