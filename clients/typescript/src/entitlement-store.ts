/** One watch of one client, shared by everybody who looks: however many components, one connection. */
import type { AtlasBilling } from "./client.js";
import type { AtlasBillingError } from "./errors.js";
import type { Entitlement } from "./types.js";

export interface EntitlementState {
  /** `loading`: nothing heard yet. `ready`. `signed-out`. `unavailable`: billing does not answer; what was heard before stays. */
  readonly state: "loading" | "ready" | "signed-out" | "unavailable";
  readonly entitlement: Entitlement | null;
  readonly error: AtlasBillingError | null;
}

export interface EntitlementStore {
  subscribe(listener: () => void): () => void;
  get(): EntitlementState;
  /** Looks again at once, also after a sign-in that did not load the page anew. */
  refresh(): void;
  /** Somebody waits for news until the function that it returns is called. */
  hurry(): () => void;
}

export const LOADING: EntitlementState = { state: "loading", entitlement: null, error: null };

export function entitlementStore(client: AtlasBilling): EntitlementStore {
  const found = stores.get(client) ?? newStore(client);
  stores.set(client, found);
  return found;
}
const stores = new WeakMap<AtlasBilling, EntitlementStore>();

function newStore(client: AtlasBilling): EntitlementStore {
  const listeners = new Set<() => void>();
  let now = LOADING;
  let stop: (() => void) | null = null;
  let waiting = 0;

  function set(next: EntitlementState): void {
    if (next.state === now.state && next.entitlement === now.entitlement && next.error === now.error) return;
    now = next;
    for (const listener of [...listeners]) listener();
  }
  function start(): void {
    stop ??= client.watchEntitlement((entitlement) => set({ state: "ready", entitlement, error: null }), {
      onAlive: () => now.state === "unavailable" && now.entitlement && set({ state: "ready", entitlement: now.entitlement, error: null }),
      onError: (error) =>
        set(error.code === "unauthorized" ? { state: "signed-out", entitlement: null, error } : { state: "unavailable", entitlement: now.entitlement, error }),
      urgent: () => waiting > 0,
    });
  }
  function end(): void {
    stop?.();
    stop = null;
  }
  return {
    subscribe(listener) {
      // A listener of its own, so that one function that subscribes twice counts twice.
      const mine = () => listener();
      listeners.add(mine);
      start();
      return () => {
        listeners.delete(mine);
        // Later: StrictMode and a change of pages leave and come back in one go.
        queueMicrotask(() => {
          if (listeners.size > 0) return;
          end();
          now = LOADING; // whoever looks next may be somebody else
        });
      };
    },
    get: () => now,
    refresh() {
      if (!stop) return;
      end();
      start();
    },
    hurry() {
      let held = true;
      waiting += 1;
      return () => {
        if (held) waiting -= 1;
        held = false;
      };
    },
  };
}
