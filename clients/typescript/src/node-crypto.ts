/** Node's own hashing and signing, loaded when it is needed, so that no bundler follows it into what never uses it. */

interface Crypto {
  createHash(name: string): { update(text: string): { digest(encoding: "base64url"): string } };
  createPrivateKey(key: { key: object; format: "jwk" }): object;
  sign(algorithm: null, data: Uint8Array, key: object): { toString(encoding: "base64url"): string };
}

const CRYPTO = "node:crypto";

/** base64url of the SHA-256 of a text, without padding. */
export async function loadDigest(): Promise<(text: string) => string> {
  const { createHash } = await load();
  return (text) => createHash("sha256").update(text).digest("base64url");
}

/** base64url of the signature of a text by a private Ed25519 key (JWK). Rejects when it is no such key. */
export async function loadSigner(jwk: object): Promise<(text: string) => string> {
  const { createPrivateKey, sign } = await load();
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  return (text) => sign(null, new TextEncoder().encode(text), key).toString("base64url");
}

function load(): Promise<Crypto> {
  return import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ CRYPTO) as Promise<Crypto>;
}
