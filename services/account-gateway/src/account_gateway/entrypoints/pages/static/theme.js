// Light and dark: the system's, until somebody chooses. The choice is a cookie, so that the server draws the page in
// it and nothing flashes.
import { copy } from "./api.js";

const YEAR_SECONDS = 31_536_000;
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

export function startTheme() {
  const button = document.querySelector("[data-action=theme]");
  const label = () => button.setAttribute("aria-label", copy.theme[opposite()]);
  button.addEventListener("click", () => {
    choose(opposite());
    label();
  });
  system.addEventListener("change", label);
  label();
}

function opposite() {
  const now = root.dataset.theme ?? (system.matches ? "dark" : "light");
  return now === "dark" ? "light" : "dark";
}

function choose(theme) {
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `atlas-theme=${theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax${secure}`;
}
