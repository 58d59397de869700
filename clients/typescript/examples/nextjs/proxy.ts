import { type NextRequest, NextResponse } from "next/server";
import { BILLING_ROUTES } from "./billing-routes.mjs";

const SESSION_COOKIES = ["next-auth.session-token", "__Secure-next-auth.session-token"];
const OPEN = ["/api/auth/", "/api/sign-in"];

// guide: billing
/** Whether the gateway answers this path: it knows by itself who is calling, and says so in its own words. */
const isBillings = (path: string) => process.env.ATLAS_BILLING !== "off" && BILLING_ROUTES.includes(path);

/** Sends visitors without a session to the sign-in, and answers 401 to calls of the app's own API. */
export function proxy(request: NextRequest) {
  const { pathname, search } = request.nextUrl;
  if (isBillings(pathname) || OPEN.some((path) => pathname.startsWith(path))) return NextResponse.next();
  if (SESSION_COOKIES.some((name) => request.cookies.has(name))) return NextResponse.next();
  if (pathname.startsWith("/api/")) return NextResponse.json({ error: "Not authenticated." }, { status: 401 });
  const signIn = new URL("/sign-in", process.env.NEXTAUTH_URL);
  signIn.searchParams.set("callbackUrl", pathname + search);
  return NextResponse.redirect(signIn);
}

export const config = { matcher: ["/account/:path*", "/api/:path*"] };
// guide: end
