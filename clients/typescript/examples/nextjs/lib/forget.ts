import { createPrivateKey, sign } from "node:crypto";

const TIMEOUT_MS = 60_000; // it closes open sessions at Stripe, some dozens of calls for a user with many
const TOKEN_SECONDS = 60;
const ISSUER = "atlas-web";
const AUDIENCE = "checkout";

export type Forgotten = "forgotten" | "paying" | "unavailable";

// guide: forget
/** Lets billing forget a user, as `./atlas forget` does. Safe to repeat. */
export async function forgetAtBilling(userId: string): Promise<Forgotten> {
  const path = `/internal/v1/users/${encodeURIComponent(userId)}/forget`;
  try {
    const answer = await fetch(`${process.env.ATLAS_CHECKOUT_URL}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token(userId)}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
    });
    if (answer.ok) return "forgotten";
    if (answer.status === 409) return "paying"; // a payment is being processed: it would arrive at nobody
    console.error("billing did not forget", { status: answer.status, requestId: answer.headers.get("x-request-id") });
  } catch (error) {
    console.error("billing did not forget", { error: String(error) });
  }
  return "unavailable";
}
// guide: end

/** Says for a minute that this app asks the checkout service, on behalf of one user. */
function token(userId: string) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: userId, iat: now, exp: now + TOKEN_SECONDS };
  const key = process.env.INTERNAL_SIGNING_KEY;
  if (!key) throw new Error("INTERNAL_SIGNING_KEY is missing: the app's own private key, as a JWK or PEM.");
  // The public half of the app's key is among the checkout service's INTERNAL_TRUSTED_KEYS.
  const ours = createPrivateKey(key.trimStart().startsWith("{") ? { key: JSON.parse(key), format: "jwk" } : key);
  const header = { alg: "EdDSA", kid: ISSUER, typ: "JWT" };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${sign(null, Buffer.from(text), ours).toString("base64url")}`;
}
