/** What was last known of each session, in bounded memory, however the answers overtake each other. */
import type { Entitlement } from "./types.js";

export interface Known {
  readonly entitlement: Entitlement;
  readonly asOf: string;
}

/** One read of one session, from the moment it is sent. */
export interface Read {
  learn(known: Known): void;
  forget(): void;
  /** What is known and no older than that. */
  recall(maxAgeMs: number): Known | null;
  /** Has to be called in the end. */
  end(): void;
}

const MOST_SESSIONS = 10_000;

export function lastKnown(most: number = MOST_SESSIONS, now: () => number = Date.now): { begin(session: string): Read; readonly size: number } {
  const sessions = new Map<string, Known & { at: number }>(); // the longest unused first
  const flights = new Map<string, { reads: number; settled: number }>();
  let numbers = 0;

  function begin(session: string): Read {
    const number = ++numbers;
    const flight = flights.get(session) ?? { reads: 0, settled: 0 };
    flights.set(session, flight);
    flight.reads += 1;
    // An answer to an older question that comes after one to a newer question says nothing any more.
    const settle = (known: Known | null) => {
      if (number < flight.settled) return;
      flight.settled = number;
      sessions.delete(session);
      if (!known) return;
      sessions.set(session, { ...known, at: now() });
      if (sessions.size > most) sessions.delete(sessions.keys().next().value!);
    };
    return {
      learn: (known) => settle(known),
      forget: () => settle(null),
      recall: (maxAgeMs) => {
        const known = sessions.get(session);
        return known && now() - known.at < maxAgeMs ? known : null;
      },
      end: () => {
        flight.reads -= 1;
        if (flight.reads === 0) flights.delete(session);
      },
    };
  }
  return { begin, get size() { return sessions.size; } };
}
