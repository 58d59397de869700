"use client";

import { useRef, useState } from "react";
import { useToast } from "@/components/toasts";

const FAILED = "Your account could not be deleted right now. Please try again later.";

export function DeleteAccount() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const say = useToast();

  async function remove() {
    if (busy) return;
    setBusy(true);
    const refused = await deleteAccount();
    if (!refused) return window.location.assign("/pro");
    setBusy(false);
    dialog.current?.close();
    say({ text: refused, tone: "error", key: "account" });
  }

  return (
    <section className="card" aria-labelledby="delete-title">
      <h2 id="delete-title">Delete account</h2>
      <p className="soft">Pro ends with the account, and can&apos;t be restored afterwards.</p>
      <button type="button" className="pill pill-line pill-danger" onClick={() => dialog.current?.showModal()}>
        Delete account
      </button>
      <dialog ref={dialog} aria-labelledby="sure">
        <div>
          <h2 id="sure">Delete your account?</h2>
          <p>What we know of your purchases is forgotten too. This can&apos;t be undone.</p>
          <div className="actions">
            <button type="button" className="pill pill-line" onClick={() => dialog.current?.close()}>Keep it</button>
            <button type="button" className="pill pill-line pill-danger" aria-disabled={busy} onClick={remove}>
              {busy ? "Deleting..." : "Delete for good"}
            </button>
          </div>
        </div>
      </dialog>
    </section>
  );
}

/** Why it was refused; null when the account is gone. */
async function deleteAccount(): Promise<string | null> {
  try {
    const answer = await fetch("/api/account", { method: "DELETE" });
    if (answer.ok || answer.status === 401) return null;
    return ((await answer.json()) as { error?: string }).error ?? FAILED;
  } catch {
    return FAILED;
  }
}
