/**
 * One reading of the bucket over one connection: all entries, then changes, until anything is amiss. A reading that is in doubt
 * ends, and the next one begins with all entries over a new connection: what resumes in a bucket that was made anew believes
 * itself current. The consumer is a pull consumer, because its reader is told at once when an administrator deletes it.
 */
import type { EntitlementState, Entries, KeyOf } from "./entitlement-state.js";
import type { NatsConnect, NatsConnection, NatsMessage } from "./nats.js";
import { isObject } from "./request.js";

const BUCKET = "ENTITLEMENT_STATE";
const STREAM = `KV_${BUCKET}`;
const PREFIX = `$KV.${BUCKET}.`;
const CONNECT_MS = 10_000;
const ASK_MS = 3_000;
/** How often the broker is asked whether anything is missing here. */
const CHECK_MS = 2_000;
const AGAIN_MS = 100;
/** How long one check waits for messages that are on their way. */
const CATCH_UP_MS = 500;
/** After so many checks in a row without a message, while some are due, the reading has failed. */
const STUCK_CHECKS = 6;
const CLOSE_MS = 2_000;
const BATCH = 1_000;
const NANOSECONDS = 1_000_000; // a millisecond has so many
const EXPIRES_MS = 60_000;
/** The broker removes a consumer that nobody has asked for so long. */
const INACTIVE_MS = 60_000;
/** The bucket may be a copy in an account of the readers. It hears from its origin every second. */
const ORIGIN_MS = 5_000;

export interface ReadingOptions {
  readonly entries: Entries;
  readonly keyOf: KeyOf;
  readonly connect: NatsConnect;
  readonly where: { servers: string[]; user?: string; pass?: string };
  readonly inboxPrefix: string;
  readonly tell: (state: EntitlementState) => void;
  /** Called whenever everything that the bucket held at that moment is in `entries`; with null as soon as that can't be relied on. */
  readonly confirm: (moment: number | null) => void;
  readonly signal: AbortSignal;
}

interface StreamInfo {
  readonly created: string;
  readonly state: { readonly last_seq: number; readonly num_subjects?: number };
  readonly mirror?: { readonly active?: number; readonly lag?: number; readonly error?: unknown };
}

interface ConsumerInfo {
  readonly num_pending: number;
  readonly delivered: { readonly consumer_seq: number };
}

/** Rejects as soon as anything is amiss, with what that is; also when the signal is aborted. */
export async function readUntilAmiss(options: ReadingOptions): Promise<never> {
  const { connect, where, inboxPrefix, confirm, signal } = options;
  let connection: NatsConnection | undefined;
  const opened = connect({ ...where, name: "atlas-entitlement-mirror", inboxPrefix, reconnect: false, timeout: CONNECT_MS });
  try {
    connection = await unless(signal, opened);
    return await unless(signal, new Reading(connection, options).run());
  } catch (failure) {
    opened.then((late) => late !== connection && void late.close(), () => undefined);
    throw failure;
  } finally {
    confirm(null);
    if (connection !== undefined) await Promise.race([connection.close().catch(() => undefined), sleep(CLOSE_MS)]);
  }
}

class Reading {
  readonly #connection: NatsConnection;
  readonly #options: ReadingOptions;
  readonly #consumer: string;
  readonly #inbox: string;
  #created = "";
  /** Sequence in the stream of the last message taken. */
  #position = 0;
  /** Messages of our consumer taken. The broker numbers them: a gap is a loss. */
  #delivered = 0;
  #askedFor = 0;
  #complete = false;
  #over = false;

  constructor(connection: NatsConnection, options: ReadingOptions) {
    const name = globalThis.crypto.randomUUID().replaceAll("-", "");
    this.#connection = connection;
    this.#options = options;
    this.#consumer = `mirror_${name}`;
    this.#inbox = `${options.inboxPrefix}.${name}`;
  }

  async run(): Promise<never> {
    try {
      this.#created = (await this.#ask<StreamInfo>(`STREAM.INFO.${STREAM}`)).created;
      const amiss = new Promise<never>((_, reject) => {
        this.#connection.subscribe(this.#inbox, { callback: (error, message) => this.#received(error, message, reject) });
      });
      amiss.catch(() => undefined);
      await this.#ask(`CONSUMER.CREATE.${STREAM}.${this.#consumer}`, this.#consumerWanted());
      this.#options.entries.begin();
      this.#pull();
      const closed = this.#connection.closed().then(() => {
        throw new Error("the connection has ended");
      });
      return await Promise.race([amiss, closed, this.#checkAlways()]);
    } finally {
      this.#over = true;
      try {
        this.#connection.publish(`$JS.API.CONSUMER.DELETE.${STREAM}.${this.#consumer}`);
      } catch {
        // The connection has ended; the broker removes the consumer by itself.
      }
    }
  }

  #consumerWanted(): unknown {
    const config = {
      name: this.#consumer,
      deliver_policy: "last_per_subject",
      filter_subject: `${PREFIX}>`,
      ack_policy: "none",
      max_deliver: 1,
      replay_policy: "instant",
      inactive_threshold: INACTIVE_MS * NANOSECONDS,
      num_replicas: 1,
      mem_storage: true,
    };
    return { stream_name: STREAM, config, action: "create" };
  }

  #received(error: Error | null, message: NatsMessage, reject: (reason: Error) => void): void {
    if (this.#over) return;
    try {
      if (error !== null) throw error;
      if (message.reply?.startsWith("$JS.ACK.")) this.#take(message, message.reply.split("."));
      else if (requestIsOver(message)) this.#askedFor = 0;
      if (this.#askedFor <= 0) this.#pull();
    } catch (failure) {
      reject(failure instanceof Error ? failure : new Error(String(failure)));
    }
  }

  #pull(): void {
    this.#askedFor = BATCH;
    const wanted = JSON.stringify({ batch: BATCH, expires: EXPIRES_MS * NANOSECONDS });
    this.#connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${this.#consumer}`, wanted, { reply: this.#inbox });
  }

  #take(message: NatsMessage, reply: string[]): void {
    // $JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<number>.…, or with domain and account before the stream.
    const [sequence, number] = (reply.length === 9 ? reply.slice(5, 7) : reply.slice(7, 9)).map(Number) as [number, number];
    if (number !== this.#delivered + 1) throw new Error(`message ${this.#delivered + 1} of the bucket was lost on its way`);
    this.#delivered = number;
    this.#askedFor -= 1;
    const removed = message.headers?.has("KV-Operation") || message.headers?.has("Nats-Marker-Reason");
    const state = this.#options.entries.take(message.subject.slice(PREFIX.length), removed ? null : message.string(), this.#options.keyOf);
    this.#position = sequence;
    if (state !== null) this.#options.tell(state);
  }

  async #checkAlways(): Promise<never> {
    let stuck = 0;
    for (;;) {
      const moment = performance.now();
      const position = this.#position;
      const stream = await this.#ask<StreamInfo>(`STREAM.INFO.${STREAM}`);
      if (stream.created !== this.#created) throw new Error("the bucket was made anew");
      const caughtUp = await this.#hasCaughtUp(stream.state.last_seq);
      if (this.#over) throw new Error("the reading is over");
      const whole = caughtUp && hasAllOfItsOrigin(stream);
      if (whole) {
        this.#compare(stream);
        this.#options.confirm(moment);
      }
      stuck = caughtUp || this.#position > position ? 0 : stuck + 1;
      if (stuck >= STUCK_CHECKS) throw new Error("the broker holds back messages");
      await sleep(whole ? CHECK_MS : AGAIN_MS);
    }
  }

  /** Whether everything up to `last` was taken. */
  async #hasCaughtUp(last: number): Promise<boolean> {
    const waitingUntil = performance.now() + CATCH_UP_MS;
    while (this.#position < last && performance.now() < waitingUntil) await sleep(10);
    if (this.#position >= last) return true;
    // The last messages may have been deleted: then they will never come, and our consumer has none left.
    const consumer = await this.#ask<ConsumerInfo>(`CONSUMER.INFO.${STREAM}.${this.#consumer}`);
    return consumer.num_pending === 0 && consumer.delivered.consumer_seq <= this.#delivered;
  }

  /** At the end of the bucket: drop what it has no more, and see that it has not lost anything unsaid. */
  #compare(stream: StreamInfo): void {
    const { entries, tell } = this.#options;
    if (!this.#complete) {
      this.#complete = true;
      entries.end().forEach(tell);
    }
    // A purge or an expiry leaves no marker. When nothing newer has come, the numbers of keys are of one moment.
    if (this.#position <= stream.state.last_seq && (stream.state.num_subjects ?? 0) !== entries.seen) {
      throw new Error("entries have left the bucket without a word");
    }
  }

  async #ask<T>(what: string, body?: unknown): Promise<T> {
    const answer = await this.#connection.request(`$JS.API.${what}`, body === undefined ? "" : JSON.stringify(body), { timeout: ASK_MS });
    const told: unknown = JSON.parse(answer.string());
    const error = isObject(told) ? told["error"] : undefined;
    if (isObject(error)) throw new Error(`the broker says: ${String(error["description"])} (${what.split(".")[1]})`);
    return told as T;
  }
}

/** Whether the broker has ended our request for messages in the ordinary way. Throws when it says anything else. */
function requestIsOver(message: NatsMessage): boolean {
  const { code = 0, description = "" } = message.headers ?? {};
  if (code === 100) return false;
  if (code === 408 || (code === 409 && /^(Batch Completed|Message Size Exceeds MaxBytes)$/i.test(description))) return true;
  throw new Error(`the broker says: ${code} ${description}`);
}

/** True of a bucket that is no copy. A copy says what it lacks, and for how long it has heard nothing (-1: ever). */
function hasAllOfItsOrigin({ mirror }: StreamInfo): boolean {
  if (mirror === undefined || mirror === null) return true;
  const quiet = mirror.active ?? -1;
  return quiet >= 0 && quiet < ORIGIN_MS * NANOSECONDS && !mirror.lag && !mirror.error;
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What the work gives, unless the signal is aborted before. */
export function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
