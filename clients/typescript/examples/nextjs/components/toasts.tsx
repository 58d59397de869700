"use client";

import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";

const LIFE_MS = 4500;
const MOST = 4;

type Tone = "info" | "success" | "warning" | "error";
type Toast = { id: number; text: string; tone: Tone };
type Say = (text: string, tone?: Tone) => void;

const Context = createContext<Say>(() => undefined);

/** Says something in passing, bottom right. */
export const useToast = () => useContext(Context);

export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const next = useRef(0);
  const say = useCallback<Say>((text, tone = "info") => {
    // The same words again take the place of the older ones.
    setToasts((old) => [...old.filter((toast) => toast.text !== text), { id: next.current++, text, tone }].slice(-MOST));
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

function Line({ toast: { id, text, tone }, close }: { toast: Toast; close: (id: number) => void }) {
  const [held, setHeld] = useState(false); // whoever points at it or focuses it is still reading
  const [spoken, setSpoken] = useState(""); // a screen reader hears a live region only when its content changes
  useEffect(() => setSpoken(text), [text]);
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
      <p>{spoken}</p>
      <button type="button" aria-label="Dismiss" onClick={() => close(id)}>
        ×
      </button>
    </div>
  );
}
