// A page as an app would write it; `e2e/browser/test_react_hooks.py` opens it on the gateway's origin.
import { createAtlasBilling, restoreToast } from "@atlas/billing";
import { useCheckoutReturn, useEntitlement } from "@atlas/billing/react";
import { StrictMode, useState } from "react";

const billing = createAtlasBilling();

function Badge() {
  const { isPro } = useEntitlement();
  return <p className="badge">{isPro ? "Pro active" : "Preview"}</p>;
}

export function Account({ initial }) {
  const { entitlement, state } = useEntitlement({ initial });
  const [toasts, setToasts] = useState([]);
  const show = (toast) => setToasts((shown) => [...shown, toast]);
  const { state: arrival, toast } = useCheckoutReturn({ onToast: show });
  const restore = () => billing.restore().then(restoreToast, restoreToast).then(show);
  return (
    <StrictMode>
      <h1>Account</h1>
      <Badge />
      <p className="standing">{`${state} ${entitlement?.status} ${arrival}`}</p>
      <a href={billing.checkoutUrl("hero")}>Upgrade to Pro</a>
      <a href={billing.portalUrl()}>Manage billing / invoices</a>
      <button onClick={restore}>Restore purchase</button>
      {toasts.map(({ text, role }, index) => <p key={index} role={role}>{text}</p>)}
      <p className="newest">{toast?.text}</p>
    </StrictMode>
  );
}
