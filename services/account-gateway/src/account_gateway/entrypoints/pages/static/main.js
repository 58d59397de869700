// Entry: everything on these pages that is not HTML or CSS. The pages work as far as they can without it.
import { adoptToasts } from "./toasts.js";
import { guardLinks } from "./links.js";
import { startTheme } from "./theme.js";
import { startRestore } from "./restore.js";
import { startAccount } from "./account.js";

document.documentElement.dataset.js = "";
startTheme();
guardLinks();
if (document.querySelector("[data-account]")) {
  startAccount(); // before the toasts are adopted: it reads why the browser is here and may replace them
  startRestore();
}
adoptToasts();
