import { https, exampleSignIn, returnPath, sameOrigin, SESSION_COOKIE } from "@/lib/auth";
import { findOrCreateUser, openSession } from "@/lib/sessions";
import { NextResponse } from "next/server";

const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,189}$/;

/**
 * Signs in whoever says so: for this example only.
 *
 * It answers a form with a redirect that the browser follows as a navigation. A server action's `redirect` would be
 * fetched by the router (`RSC: 1`), and the gateway makes no checkout session for that.
 */
export async function POST(request: Request) {
  if (!exampleSignIn()) return NextResponse.json({ error: "Not found." }, { status: 404 });
  if (!sameOrigin(request)) return NextResponse.json({ error: "Forbidden." }, { status: 403 });
  const form = await request.formData();
  const callbackUrl = returnPath(String(form.get("callbackUrl") ?? ""));
  const email = String(form.get("email") ?? "").trim().toLowerCase();
  const userId = EMAIL.test(email) ? await findOrCreateUser(email) : null;
  if (!userId) return to(`/sign-in?error=email&callbackUrl=${encodeURIComponent(callbackUrl)}`);

  const { sessionToken, expires } = await openSession(userId, request.headers.get("user-agent"));
  const answer = to(callbackUrl);
  answer.cookies.set(SESSION_COOKIE, sessionToken, { httpOnly: true, sameSite: "lax", path: "/", secure: https, expires });
  return answer;
}

function to(path: string) {
  return NextResponse.redirect(new URL(path, process.env.NEXTAUTH_URL), 303);
}
