import "./globals.css";
import type { Metadata, Viewport } from "next";
import Link from "next/link";
import type { ReactNode } from "react";
import { SignOut } from "@/components/sign-out";
import { Toasts } from "@/components/toasts";
import { currentUser } from "@/lib/auth";

export const metadata: Metadata = { title: { default: "Atlas", template: "%s · Atlas" } };
export const viewport: Viewport = { colorScheme: "light dark" };

export default async function Layout({ children }: { children: ReactNode }) {
  const user = await currentUser();
  return (
    <html lang="en">
      <body>
        <header className="bar">
          <nav className="frame" aria-label="Main">
            <Link href="/">Atlas</Link>
            <Link href="/pro">Pro</Link>
            <Link href="/account">Account</Link>
            {user ? <SignOut /> : <Link href="/sign-in" className="end">Sign in</Link>}
          </nav>
        </header>
        <Toasts>{children}</Toasts>
      </body>
    </html>
  );
}
