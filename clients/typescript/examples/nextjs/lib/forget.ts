import { createHmac } from "node:crypto";

const TOKEN_SECONDS = 60;
const TIMEOUT_MS = 10_000;

export type Forgotten = "forgotten" | "paying" | "unavailable";

/** Lets billing forget a user: facts, customer at Stripe, entitlement. Safe to repeat. */
export async function forgetAtBilling(userId: string): Promise<Forgotten> {
  const url = `${process.env.ATLAS_CHECKOUT_URL}/internal/v1/users/${encodeURIComponent(userId)}/forget`;
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${token(userId)}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
    if (answer.ok) return "forgotten";
    if (answer.status === 409) return "paying"; // a payment is being processed: it would arrive at nobody
    console.error("billing did not forget", { userId, status: answer.status, requestId: answer.headers.get("x-request-id") });
  } catch (error) {
    console.error("billing did not forget", { userId, error: String(error) });
  }
  return "unavailable";
}

/** A token of the issuer `atlas-web` for the checkout service: one user, one minute. */
function token(userId: string) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "atlas-web", aud: "checkout", sub: userId, iat: now, exp: now + TOKEN_SECONDS };
  const signed = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  const secret = process.env.INTERNAL_AUTH_SECRET;
  if (!secret) throw new Error("INTERNAL_AUTH_SECRET is missing.");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
