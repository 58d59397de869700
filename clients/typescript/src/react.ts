"use client";

/** React hooks. No provider is needed: they use the page's own origin, unless `client` names another. */
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { checkoutReturnStore, NOWHERE, type CheckoutReturn, type CheckoutReturnState } from "./checkout-return.js";
import { defaultAtlasBilling, type AtlasBilling } from "./client.js";
import type { Toast } from "./copy.js";
import { entitlementStore, LOADING, type EntitlementState } from "./entitlement-store.js";
import type { Entitlement } from "./types.js";

export type { CheckoutReturnState } from "./checkout-return.js";
export type { Toast, Tone } from "./copy.js";
export type { Entitlement } from "./types.js";

export interface UseEntitlementOptions {
  /** Made once, outside of components. Default: a client of the page's own origin. */
  readonly client?: AtlasBilling;
  /** What the server read with the page (`entitlementFromCookies`): shown until the first look is there. */
  readonly initial?: Entitlement | null;
}

export interface UseEntitlement extends EntitlementState {
  /** False until it is known. */
  readonly isPro: boolean;
  /** Looks again at once, also after a sign-in that did not load the page anew. */
  readonly refresh: () => void;
}

/** The signed-in user's entitlement, live. Any number of components share one connection. */
export function useEntitlement({ client = defaultAtlasBilling(), initial = null }: UseEntitlementOptions = {}): UseEntitlement {
  const store = entitlementStore(client);
  const live = useSyncExternalStore(store.subscribe, store.get, onServer);
  return useMemo(() => {
    const shown = live.state !== "signed-out" && live.entitlement === null && initial ? { ...live, entitlement: initial } : live;
    return { ...shown, isPro: shown.entitlement?.isPro ?? false, refresh: store.refresh };
  }, [live, initial, store]);
}

export interface UseCheckoutReturnOptions {
  readonly client?: AtlasBilling;
  /** Called once with each thing to say; use this or `toast`. */
  readonly onToast?: (toast: Toast) => void;
}

export interface UseCheckoutReturn extends CheckoutReturn {
  readonly state: CheckoutReturnState;
  /** Asks once more whether the payment is known, for a button "Check now". */
  readonly checkNow: () => Promise<void>;
  /** Takes `toast` away. */
  readonly dismiss: () => void;
}

/**
 * For the page that Checkout and the portal return to (`/account`): confirms the purchase, says what happens, and removes
 * the query parameters (`checkout`, `checkout_session_id`, `source`, `billing_error`) from the address bar.
 */
export function useCheckoutReturn({ client = defaultAtlasBilling(), onToast }: UseCheckoutReturnOptions = {}): UseCheckoutReturn {
  const speak = useRef(onToast);
  useEffect(() => {
    speak.current = onToast;
  });
  const subscribe = useCallback((listener: () => void) => checkoutReturnStore(client).subscribe(listener), [client]);
  const get = useCallback(() => checkoutReturnStore(client).get(), [client]);
  const shown = useSyncExternalStore(subscribe, get, nowhere);
  useEffect(() => {
    const store = checkoutReturnStore(client);
    const silence = store.onToast((toast) => speak.current?.(toast));
    store.arrive();
    return silence;
  }, [client]);
  return useMemo(
    () => ({
      ...shown,
      checkNow: () => checkoutReturnStore(client).checkNow(),
      dismiss: () => checkoutReturnStore(client).dismiss(),
    }),
    [shown, client],
  );
}

function onServer(): EntitlementState {
  return LOADING;
}

function nowhere(): CheckoutReturn {
  return NOWHERE;
}
