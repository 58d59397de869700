"use client";

import { signOut } from "next-auth/react";

export function SignOut() {
  return (
    <button type="button" className="end" onClick={() => signOut({ callbackUrl: "/pro" })}>
      Sign out
    </button>
  );
}
