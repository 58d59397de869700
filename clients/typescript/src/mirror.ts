/** Every user's entitlement in this process's memory, kept current by the broker. */
import { Entries, type EntitlementState } from "./entitlement-state.js";
import { readUntilAmiss, sleep, unless } from "./mirror-reading.js";
import { addresses, loadConnect, type NatsConnect } from "./nats.js";
import { loadDigest } from "./node-crypto.js";

export interface EntitlementMirrorOptions {
  /** Where the broker lets this user receive answers, if not below `_INBOX`. */
  readonly inboxPrefix?: string;
  /** `connect` of `@nats-io/transport-node`, where a bundler keeps the mirror from finding that package. */
  readonly connect?: NatsConnect;
  /** One line each time the mirror becomes current or ceases to be. Default: nothing. */
  readonly log?: (line: string) => void;
}

export type EntitlementListener = (state: EntitlementState) => unknown;

/** A mirror that has not heard for so long that it is complete isn't current: two checks and a slow answer. */
const TRUST_MS = 6_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/**
 * A copy of the bucket ENTITLEMENT_STATE. It answers from memory. While it isn't `current`, it answers what it knew last;
 * before it was current for the first time, nobody is Pro. Needs `@nats-io/transport-node`.
 */
export class EntitlementMirror {
  readonly #where: ReturnType<typeof addresses>;
  readonly #options: EntitlementMirrorOptions;
  readonly #entries = new Entries();
  readonly #listeners = new Set<EntitlementListener>();
  readonly #waiting = new Map<string, EntitlementState>();
  #telling = false;
  #confirmed: number | null = null;
  #trouble = "no answer yet";
  #stopping: AbortController | null = null;
  #ended: Promise<void> = Promise.resolve();
  #onCurrent: () => void = () => undefined;

  /** `natsUrl` has the reader's user and password in it; several servers are separated by commas. */
  constructor(natsUrl: string, options: EntitlementMirrorOptions = {}) {
    this.#where = addresses(natsUrl);
    this.#options = options;
  }

  /** Whether nothing was missing here at a moment that is at most six seconds ago, and nothing is amiss since. */
  get current(): boolean {
    return this.#confirmed !== null && performance.now() - this.#confirmed <= TRUST_MS;
  }

  /** How many users there are. */
  get size(): number {
    return this.#entries.size;
  }

  isPro(userId: string): boolean {
    return this.#entries.get(userId)?.isPro ?? false;
  }

  /** Undefined for somebody of whom nothing is known: never bought, or forgotten. */
  get(userId: string): EntitlementState | undefined {
    return this.#entries.get(userId);
  }

  /**
   * Have `listener` called for each user whose state differs from what was known here; before `start` nothing is known. Of somebody
   * forgotten it is told a state with version 0. Calls come one after another, a promise is awaited; of several changes of a user in a
   * row the newest is told. What it throws stops nothing. Returns a function that takes the listener away.
   */
  onChange(listener: EntitlementListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Resolves when the mirror is current. A broker that is away is waited for; with `timeoutMs`, it rejects after that time with what is
   * wrong, and the mirror is stopped.
   */
  async start({ timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    if (this.#stopping !== null) throw new Error("The mirror runs already.");
    const stopping = new AbortController();
    this.#stopping = stopping;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const [connect, keyOf] = await Promise.all([this.#options.connect ?? loadConnect(), loadDigest()]);
      const current = new Promise<void>((resolve) => (this.#onCurrent = resolve));
      this.#ended = this.#readAlways(connect, keyOf, stopping.signal);
      const tooLate = new Promise<never>((_, reject) => {
        if (timeoutMs === undefined) return;
        timer = setTimeout(() => reject(new Error(`The mirror is not current after ${timeoutMs} ms: ${this.#trouble}.`)), timeoutMs);
      });
      await unless(stopping.signal, Promise.race([current, tooLate]));
    } catch (failure) {
      await this.stop();
      throw failure;
    } finally {
      clearTimeout(timer);
    }
  }

  /** End everything. What was known stays readable, and isn't current. `start` may follow. */
  async stop(): Promise<void> {
    this.#stopping?.abort(new Error("The mirror was stopped."));
    await this.#ended;
    this.#stopping = null;
    this.#confirmed = null;
  }

  async #readAlways(connect: NatsConnect, keyOf: (text: string) => string, signal: AbortSignal): Promise<void> {
    const { inboxPrefix = "_INBOX", log = () => undefined } = this.#options;
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      let wentWell = false;
      const confirm = (moment: number | null) => {
        if (moment !== null && this.#confirmed === null) {
          wentWell = true;
          log(`The mirror of entitlements is current: ${this.#entries.size} users.`);
        }
        this.#confirmed = moment;
        if (moment !== null) this.#onCurrent();
      };
      try {
        await readUntilAmiss({ entries: this.#entries, keyOf, connect, where: this.#where, inboxPrefix, tell: (state) => this.#tell(state), confirm, signal });
      } catch (failure) {
        this.#trouble = failure instanceof Error ? failure.message : String(failure);
      }
      if (wentWell) {
        pause = FIRST_PAUSE_MS;
        if (!signal.aborted) log(`The mirror of entitlements is not current: ${this.#trouble}.`);
      }
      // Not all mirrors ask in the same moment.
      await unless(signal, sleep(pause * (0.5 + Math.random() / 2))).catch(() => undefined);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  #tell(state: EntitlementState): void {
    if (this.#listeners.size === 0) return;
    this.#waiting.set(state.userId, state);
    if (!this.#telling) void this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    this.#telling = true;
    await Promise.resolve(); // never from within what takes the messages
    for (const [userId, state] of this.#waiting) {
      this.#waiting.delete(userId);
      for (const listener of this.#listeners) {
        try {
          await listener(state);
        } catch (failure) {
          this.#options.log?.(`A listener of the mirror failed; the mirror goes on: ${String(failure)}`);
        }
      }
    }
    this.#telling = false;
  }
}
