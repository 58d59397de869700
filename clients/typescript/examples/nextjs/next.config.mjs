import { BILLING_ROUTES } from "./billing-routes.mjs";

const on = process.env.ATLAS_BILLING !== "off";
const gateway = process.env.ATLAS_GATEWAY_URL?.replace(/\/+$/, "");

async function rewrites() {
  if (!on) return [];
  if (!gateway) throw new Error("ATLAS_GATEWAY_URL is missing: set it to the gateway's address, or ATLAS_BILLING=off.");
  // `beforeFiles`: they win over handlers of the same path that the app still has. A plain array would not.
  return { beforeFiles: BILLING_ROUTES.map((source) => ({ source, destination: `${gateway}${source}` })) };
}

/** @type {import("next").NextConfig} */
export default {
  rewrites,
  // Rewrites are fixed when the app is built. So that what the server reads can't differ from them, these are fixed too.
  env: { ATLAS_BILLING: on ? "on" : "off", ATLAS_GATEWAY_URL: gateway ?? "" },
  poweredByHeader: false,
};
