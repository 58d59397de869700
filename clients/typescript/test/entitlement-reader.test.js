// The read client of services: its token, its parts, what it asks again, and by what nobody is Pro.
import assert from "node:assert/strict";
import { generateKeyPairSync, verify } from "node:crypto";
import { test } from "node:test";

import { EntitlementReader } from "@atlas/billing/server";

import { answer, refused, served } from "./support.js";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const KEY = privateKey.export({ format: "jwk" });
const record = (userId) => ({ userId, productKey: "pro_lifetime_v1", isPro: true, status: "active", source: "stripe", activeFrom: null, activeUntil: null, version: 1, reason: "purchase", updatedAt: null });
const readerAt = (baseUrl) => new EntitlementReader({ baseUrl, issuer: "coach", signingKey: JSON.stringify(KEY) });

test("many users are asked for in parts, with a token that its key has signed", async (t) => {
  const parts = [];
  let token = "";
  const url = await served(t, (request, response, body) => {
    token = request.headers.authorization.replace("Bearer ", "");
    parts.push(JSON.parse(body).userIds);
    answer(response, { entitlements: parts.at(-1).map(record) });
  });

  const users = Array.from({ length: 1_201 }, (_, number) => `u${number}`);
  const found = await readerAt(url).query([...users, "u0"]);

  assert.deepEqual([...found.keys()], users);
  assert.deepEqual(parts.map((part) => part.length), [500, 500, 201]);
  const [header, claims, signature] = token.split(".");
  assert.deepEqual(JSON.parse(Buffer.from(header, "base64url")), { alg: "EdDSA", kid: "coach" });
  const { iat, exp, ...rest } = JSON.parse(Buffer.from(claims, "base64url"));
  assert.deepEqual(rest, { iss: "coach", sub: "coach", aud: "entitlements" });
  assert.equal(exp - iat, 60);
  assert.ok(verify(null, Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, "base64url")));
});

test("a service that is away is asked again, and a refusal is said at once", async (t) => {
  let asked = 0;
  const url = await served(t, (request, response) => {
    asked += 1;
    if (request.url.endsWith("eve")) answer(response, refused("forbidden", "Not admitted.", "none"), 403);
    else if (asked < 3) answer(response, refused("internal_error", "Away.", "retry_later"), 503);
    else answer(response, record("a/b"));
  });

  assert.equal((await readerAt(url).get("a/b")).isPro, true);
  assert.equal(asked, 3);
  await assert.rejects(readerAt(url).get("eve"), { code: "forbidden", message: "Not admitted.", status: 403 });
  assert.equal(asked, 4);
});

test("nobody is Pro by an answer of another shape, or about somebody else", async (t) => {
  const answers = [{}, [], { userId: "ada" }, { entitlements: [record("bob")] }];
  const url = await served(t, (request, response) => answer(response, answers.shift()));
  for (let number = 0; number < 3; number += 1) await assert.rejects(readerAt(url).get("ada"), { code: "bad_answer" });
  await assert.rejects(readerAt(url).query(["ada"]), { code: "bad_answer" });
});

test("what is no private Ed25519 key is refused without being shown", () => {
  for (const signingKey of ["secret", "{}", { ...KEY, crv: "X25519" }, { kty: "OKP", crv: "Ed25519", x: KEY.x }]) {
    assert.throws(() => new EntitlementReader({ baseUrl: "http://x", issuer: "coach", signingKey }), { message: "The signing key has to be a private Ed25519 key, as a JWK." });
  }
});
