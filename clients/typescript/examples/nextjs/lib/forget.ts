import { createHmac, createPrivateKey, sign } from "node:crypto";

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
  const { INTERNAL_SIGNING_KEY: key, INTERNAL_AUTH_SECRET: secret } = process.env;
  if (key) {
    // The app's own Ed25519 key, as a JWK or PEM; its public half is among the checkout service's INTERNAL_TRUSTED_KEYS.
    const ours = createPrivateKey(key.trimStart().startsWith("{") ? { key: JSON.parse(key), format: "jwk" } : key);
    return signed({ alg: "EdDSA", kid: ISSUER, typ: "JWT" }, claims, (text) => sign(null, Buffer.from(text), ours));
  }
  if (!secret) throw new Error("INTERNAL_SIGNING_KEY or INTERNAL_AUTH_SECRET is missing.");
  return signed({ alg: "HS256", typ: "JWT" }, claims, (text) => createHmac("sha256", secret).update(text).digest());
}

function signed(header: object, claims: object, signer: (text: string) => Buffer) {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${signer(text).toString("base64url")}`;
}
