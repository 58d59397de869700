import { currentUser, https, sameOrigin, SESSION_COOKIE } from "@/lib/auth";
import { forgetAtBilling } from "@/lib/forget";
import { deleteUser } from "@/lib/sessions";
import { NextResponse } from "next/server";

const REFUSALS = {
  paying: [409, "A payment of yours is still being processed. Delete your account when it has settled."],
  unavailable: [503, "Your account could not be deleted right now. Please try again later."],
} as const;

/** Deletes the account: first what billing knows, then the user. Whatever stops in between is healed by a second try. */
export async function DELETE(request: Request) {
  const user = await currentUser();
  if (!user) return NextResponse.json({ error: "Not authenticated." }, { status: 401 });
  if (!sameOrigin(request)) return NextResponse.json({ error: "Forbidden." }, { status: 403 });

  const outcome = await forgetAtBilling(user.id);
  if (outcome !== "forgotten") {
    const [status, error] = REFUSALS[outcome];
    return NextResponse.json({ error }, { status });
  }
  await deleteUser(user.id);
  const answer = new NextResponse(null, { status: 204 });
  answer.cookies.set(SESSION_COOKIE, "", { path: "/", secure: https, httpOnly: true, sameSite: "lax", maxAge: 0 });
  return answer;
}
