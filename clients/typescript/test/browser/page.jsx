import { createRoot, hydrateRoot } from "react-dom/client";
import { StrictMode } from "react";
import { Account } from "./account.jsx";

const root = document.getElementById("root");
const initial = root.dataset.initial ? JSON.parse(root.dataset.initial) : null;
const page = <StrictMode><Account initial={initial} /></StrictMode>;
if (root.firstChild) hydrateRoot(root, page, { onRecoverableError: (error) => (globalThis.complaints ??= []).push(String(error)) });
else createRoot(root).render(page);
