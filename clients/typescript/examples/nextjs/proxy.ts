import { type NextRequest, NextResponse } from "next/server";

const SESSION_COOKIES = ["next-auth.session-token", "__Secure-next-auth.session-token"];

/** Sends visitors without a session to the sign-in, and answers 401 to calls of the app's own API. */
export function proxy(request: NextRequest) {
  if (SESSION_COOKIES.some((name) => request.cookies.has(name))) return NextResponse.next();
  const { pathname, search } = request.nextUrl;
  if (pathname.startsWith("/api/")) return NextResponse.json({ error: "Not authenticated." }, { status: 401 });
  const signIn = new URL("/sign-in", process.env.NEXTAUTH_URL);
  signIn.searchParams.set("callbackUrl", pathname + search);
  return NextResponse.redirect(signIn);
}

// guide: matcher
export const config = {
  // Not here: sign-in, and the billing routes. The gateway itself knows who is calling, and answers in its own words.
  matcher: ["/account/:path*", "/api/((?!auth/|sign-in|billing/|pro/|health).*)"],
};
// guide: end
