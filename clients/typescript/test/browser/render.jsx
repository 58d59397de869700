// What a server would send: the page as HTML, for the entitlement given as JSON.
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { Account } from "./account.jsx";

process.stdout.write(renderToString(<StrictMode><Account initial={JSON.parse(process.argv[2])} /></StrictMode>));
