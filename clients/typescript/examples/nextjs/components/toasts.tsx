"use client";

import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";

const LIFE_MS = 4500;
const MOST = 4;

/** The kit's toasts are of this shape. One with a `key` takes the place of the one before with the same key. */
export type Words = {
  readonly text: string;
  readonly tone: "info" | "success" | "warning" | "error";
  readonly hint?: string;
  readonly key?: string;
};
type Toast = Words & { readonly id: number };

const Context = createContext<(words: Words) => void>(() => undefined);

/** Says something in passing, bottom right. */
export const useToast = () => useContext(Context);

export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const next = useRef(0);
  const say = useCallback((words: Words) => {
    const id = next.current++;
    setToasts((old) => [...old.filter(({ key }) => !key || key !== words.key), { ...words, id }].slice(-MOST));
  }, []);
  const close = useCallback((id: number) => setToasts((old) => old.filter((toast) => toast.id !== id)), []);
  return (
    <Context value={say}>
      {children}
      <div className="toasts">
        {toasts.map((toast) => (
          <Line key={toast.id} toast={toast} close={close} />
        ))}
      </div>
    </Context>
  );
}

function Line({ toast: { id, text, tone, hint }, close }: { toast: Toast; close: (id: number) => void }) {
  const [held, setHeld] = useState(false); // whoever points at it or has the focus in it is still reading
  const [spoken, setSpoken] = useState(false); // a screen reader hears a live region only when its content changes
  useEffect(() => setSpoken(true), []);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => close(id), LIFE_MS);
    return () => clearTimeout(timer);
  }, [id, held, close]);
  const hold = () => setHeld(true);
  const release = () => setHeld(false);
  return (
    <div
      className="toast"
      data-tone={tone}
      role={tone === "error" ? "alert" : "status"}
      onMouseEnter={hold}
      onMouseLeave={release}
      onFocus={hold}
      onBlur={release}
    >
      <p>
        {spoken && text} {spoken && hint && <span className="soft">{hint}</span>}
      </p>
      <button type="button" aria-label="Dismiss" onClick={() => close(id)}>
        ×
      </button>
    </div>
  );
}
