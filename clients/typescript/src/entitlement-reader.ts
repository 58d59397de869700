/** Who is Pro, asked of the entitlements service: for servers that were admitted (docs/consuming-entitlements.md). */
import { asAtlasBillingError, askedToWait, badAnswer } from "./errors.js";
import { loadSigner } from "./node-crypto.js";
import { isObject, limited, refusal, trimmedBase, type Fetch } from "./request.js";

/** The service's answer about one user. Of somebody unknown: status none, version 0. */
export interface EntitlementRecord {
  readonly userId: string;
  readonly productKey: string;
  readonly isPro: boolean;
  readonly status: string;
  readonly source: string | null;
  readonly activeFrom: string | null;
  readonly activeUntil: string | null;
  readonly version: number;
  readonly reason: string | null;
  readonly updatedAt: string | null;
}

export interface EntitlementReaderOptions {
  /** Where the entitlements service answers: `http://127.0.0.1:8003`. */
  readonly baseUrl: string;
  /** The name under which your service was admitted. */
  readonly issuer: string;
  /** Your service's private Ed25519 key: a JWK, as an object or as text. */
  readonly signingKey: string | object;
  /** Of each try. Default: 5 seconds. */
  readonly timeoutMs?: number;
  readonly fetch?: Fetch;
}

/** Users in one question: the service takes no more. */
const MAX_USERS = 500;
/** Between the tries while the service or its database doesn't answer. */
const PAUSES_MS = [200, 500, 1_000];
const LONGEST_PAUSE_MS = 5_000;
const TIMEOUT_MS = 5_000;
const VALID_SECONDS = 60;
const USED_MS = 30_000;

/** Each question throws AtlasBillingError when it isn't answered; keep what you knew while its `status` is 503 or null. */
export class EntitlementReader {
  readonly #base: string;
  readonly #issuer: string;
  readonly #jwk: PrivateKey;
  readonly #fetch: Fetch;
  readonly #timeoutMs: number;
  #sign: ((text: string) => string) | null = null;
  #token = "";
  #made = 0;

  constructor({ baseUrl, issuer, signingKey, timeoutMs = TIMEOUT_MS, fetch }: EntitlementReaderOptions) {
    this.#base = trimmedBase(baseUrl);
    this.#issuer = issuer;
    this.#jwk = privateKey(signingKey);
    this.#timeoutMs = timeoutMs;
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** One user. */
  async get(userId: string): Promise<EntitlementRecord> {
    // Such a path would be shortened on its way.
    if (/^\.*$/.test(userId)) return (await this.query([userId])).get(userId)!;
    return await this.#ask(`/v1/entitlements/${encodeURIComponent(userId)}`, {}, isRecord);
  }

  /** Any number of users, asked for in parts of 500. */
  async query(userIds: Iterable<string>): Promise<Map<string, EntitlementRecord>> {
    const wanted = [...new Set(userIds)];
    const found = new Map<string, EntitlementRecord>();
    for (let begin = 0; begin < wanted.length; begin += MAX_USERS) {
      const part = wanted.slice(begin, begin + MAX_USERS);
      const init = { method: "POST", body: JSON.stringify({ userIds: part }) };
      const answer = await this.#ask("/v1/entitlements/query", init, (told): told is Answer => isAnswerAbout(part, told));
      for (const record of answer.entitlements) found.set(record.userId, record);
    }
    return found;
  }

  async #ask<T>(path: string, init: RequestInit, isRight: (told: unknown) => told is T): Promise<T> {
    for (let tried = 0; ; tried += 1) {
      try {
        return await this.#once(path, init, isRight);
      } catch (failure) {
        if (failure instanceof TypeError && failure.message === WRONG_KEY) throw failure;
        const error = asAtlasBillingError(failure);
        const pause = PAUSES_MS[tried];
        if (pause === undefined || ![null, 502, 503, 504].includes(error.status)) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(pause, askedToWait(error)), LONGEST_PAUSE_MS)));
      }
    }
  }

  async #once<T>(path: string, init: RequestInit, isRight: (told: unknown) => told is T): Promise<T> {
    const authorization = `Bearer ${await this.#authorization()}`;
    const limit = limited(this.#timeoutMs);
    try {
      const headers = { authorization, accept: "application/json", "content-type": "application/json" };
      const answer = await this.#fetch(`${this.#base}${path}`, { ...init, headers, redirect: "manual", cache: "no-store", signal: limit.signal });
      const body = await answer.text();
      let told: unknown;
      try {
        told = JSON.parse(body);
      } catch (cause) {
        throw badAnswer(answer, cause);
      }
      if (answer.ok && isRight(told)) return told;
      throw answer.ok ? badAnswer(answer) : refusal(answer, told);
    } finally {
      limit.end();
    }
  }

  async #authorization(): Promise<string> {
    const age = Date.now() - this.#made;
    if (this.#token !== "" && age >= 0 && age < USED_MS) return this.#token;
    const made = Date.now();
    const now = Math.floor(made / 1000);
    const claims = { iss: this.#issuer, sub: this.#issuer, aud: "entitlements", iat: now, exp: now + VALID_SECONDS };
    const signed = `${encoded({ alg: "EdDSA", kid: this.#issuer })}.${encoded(claims)}`;
    this.#sign ??= await loadSigner(this.#jwk).catch((cause: unknown) => {
      throw new TypeError(WRONG_KEY, { cause });
    });
    this.#token = `${signed}.${this.#sign(signed)}`;
    this.#made = made;
    return this.#token;
  }
}

const WRONG_KEY = "The signing key has to be a private Ed25519 key, as a JWK.";

interface PrivateKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly d: string;
  readonly x: string;
}

function privateKey(given: string | object): PrivateKey {
  let jwk: unknown = given;
  try {
    if (typeof given === "string") jwk = JSON.parse(given);
  } catch {
    jwk = null;
  }
  if (!isObject(jwk) || jwk["kty"] !== "OKP" || jwk["crv"] !== "Ed25519" || typeof jwk["d"] !== "string" || typeof jwk["x"] !== "string") throw new TypeError(WRONG_KEY);
  return { kty: "OKP", crv: "Ed25519", d: jwk["d"], x: jwk["x"] };
}

interface Answer {
  readonly entitlements: readonly EntitlementRecord[];
}

function isAnswerAbout(userIds: readonly string[], told: unknown): told is Answer {
  const records: unknown = isObject(told) ? told["entitlements"] : null;
  return Array.isArray(records) && records.length === userIds.length && records.every((record, at) => isRecord(record) && record.userId === userIds[at]);
}

function isRecord(told: unknown): told is EntitlementRecord {
  return isObject(told) && typeof told["userId"] === "string" && typeof told["isPro"] === "boolean" && typeof told["status"] === "string" && typeof told["version"] === "number";
}

function encoded(part: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(part));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
