"""Every API call that the sandbox answers: method, path, the SDK's parameter class, and the use case."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.errors import no_such
from stripe_sandbox.listing import list_objects
from stripe_sandbox.operation import Operation
from stripe_sandbox.resources import (
    accounts,
    catalog,
    checkout,
    coupons,
    customers,
    disputes,
    endpoints,
    fraud,
    intents,
    links,
    portal,
    refunds,
)
from stripe_sandbox.search import search
from stripe_sandbox.store import Json

Handler = Callable[..., Json]
# Filters that name another object. The sandbox has no payouts and no test clocks, so those are always refused.
REFERRED = ("customer", "payment_intent", "charge", "invoice", "product", "payout", "test_clock")


@dataclass(frozen=True, slots=True)
class Route:
    """``{id}`` in the path becomes an argument of the handler, after the operation and its parameters."""

    method: str
    path: str
    params: str
    handler: Handler
    pattern: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile("^" + re.sub(r"\{\w+\}", r"([^/]+)", self.path) + "$"))


def one(kind: str) -> Handler:
    """Retrieve by id."""
    return lambda op, _params, identifier: op.get(kind, identifier)


def many(kind: str, url: str) -> Handler:
    """List with filters by field; a filter by something that doesn't exist is refused."""

    def handler(op: Operation, params: Json) -> Json:
        for name in REFERRED:
            if name in params and op.store.get(name, params[name]) is None:
                raise no_such(name, params[name], name, 400)
        return list_objects(op.store, kind, url, params)

    return handler


ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/account", "AccountRetrieveCurrentParams", accounts.retrieve_account),
    Route("GET", "/v1/accounts/{id}", "AccountRetrieveParams", accounts.retrieve_account_by_id),
    Route("GET", "/v1/balance", "BalanceRetrieveParams", accounts.retrieve_balance),
    Route(
        "GET",
        "/v1/balance_transactions",
        "BalanceTransactionListParams",
        many("balance_transaction", "/v1/balance_transactions"),
    ),
    Route("GET", "/v1/balance_transactions/{id}", "BalanceTransactionRetrieveParams", one("balance_transaction")),
    Route(
        "POST",
        "/v1/billing_portal/configurations",
        "billing_portal.ConfigurationCreateParams",
        portal.create_configuration,
    ),
    Route(
        "GET",
        "/v1/billing_portal/configurations",
        "billing_portal.ConfigurationListParams",
        many("billing_portal.configuration", "/v1/billing_portal/configurations"),
    ),
    Route(
        "GET",
        "/v1/billing_portal/configurations/{id}",
        "billing_portal.ConfigurationRetrieveParams",
        one("billing_portal.configuration"),
    ),
    Route(
        "POST",
        "/v1/billing_portal/configurations/{id}",
        "billing_portal.ConfigurationUpdateParams",
        portal.update_configuration,
    ),
    Route("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams", portal.create_session),
    Route(
        "GET",
        "/v1/charges",
        "ChargeListParams",
        many("charge", "/v1/charges"),
    ),
    Route("GET", "/v1/charges/search", "ChargeSearchParams", search("charge", "/v1/charges/search")),
    Route("GET", "/v1/charges/{id}", "ChargeRetrieveParams", one("charge")),
    Route("POST", "/v1/charges/{id}", "ChargeUpdateParams", accounts.update_charge),
    Route("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams", checkout.create),
    Route("GET", "/v1/checkout/sessions", "checkout.SessionListParams", checkout.list_sessions),
    Route("GET", "/v1/checkout/sessions/{id}", "checkout.SessionRetrieveParams", checkout.retrieve),
    Route("POST", "/v1/checkout/sessions/{id}", "checkout.SessionUpdateParams", checkout.update),
    Route("POST", "/v1/checkout/sessions/{id}/expire", "checkout.SessionExpireParams", checkout.expire),
    Route("GET", "/v1/checkout/sessions/{id}/line_items", "checkout.SessionListLineItemsParams", checkout.line_items),
    Route("POST", "/v1/coupons", "CouponCreateParams", coupons.create),
    Route("GET", "/v1/coupons", "CouponListParams", coupons.list_coupons),
    Route("GET", "/v1/coupons/{id}", "CouponRetrieveParams", coupons.retrieve),
    Route("POST", "/v1/coupons/{id}", "CouponUpdateParams", coupons.update),
    Route("DELETE", "/v1/coupons/{id}", "CouponDeleteParams", coupons.delete),
    Route("POST", "/v1/customers", "CustomerCreateParams", customers.create),
    Route("GET", "/v1/customers", "CustomerListParams", customers.list_customers),
    Route("GET", "/v1/customers/search", "CustomerSearchParams", search("customer", "/v1/customers/search")),
    Route("GET", "/v1/customers/{id}", "CustomerRetrieveParams", customers.retrieve),
    Route("POST", "/v1/customers/{id}", "CustomerUpdateParams", customers.update),
    Route("DELETE", "/v1/customers/{id}", "CustomerDeleteParams", customers.delete),
    Route(
        "GET", "/v1/customers/{id}/payment_methods", "CustomerListPaymentMethodsParams", accounts.list_customer_methods
    ),
    Route("GET", "/v1/disputes", "DisputeListParams", disputes.list_disputes),
    Route("GET", "/v1/disputes/{id}", "DisputeRetrieveParams", one("dispute")),
    Route("POST", "/v1/disputes/{id}", "DisputeUpdateParams", disputes.update),
    Route("POST", "/v1/disputes/{id}/close", "DisputeCloseParams", disputes.close),
    Route("GET", "/v1/events", "EventListParams", endpoints.list_events),
    Route("GET", "/v1/events/{id}", "EventRetrieveParams", endpoints.retrieve_event),
    Route("GET", "/v1/invoice_payments", "InvoicePaymentListParams", many("invoice_payment", "/v1/invoice_payments")),
    Route("GET", "/v1/invoice_payments/{id}", "InvoicePaymentRetrieveParams", one("invoice_payment")),
    Route(
        "GET",
        "/v1/invoices",
        "InvoiceListParams",
        many("invoice", "/v1/invoices"),
    ),
    Route("GET", "/v1/invoices/search", "InvoiceSearchParams", search("invoice", "/v1/invoices/search")),
    Route("GET", "/v1/invoices/{id}", "InvoiceRetrieveParams", one("invoice")),
    Route(
        "GET",
        "/v1/payment_intents",
        "PaymentIntentListParams",
        many("payment_intent", "/v1/payment_intents"),
    ),
    Route(
        "GET",
        "/v1/payment_intents/search",
        "PaymentIntentSearchParams",
        search("payment_intent", "/v1/payment_intents/search"),
    ),
    Route("POST", "/v1/payment_intents", "PaymentIntentCreateParams", intents.create),
    Route("POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams", intents.confirm),
    Route("POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams", intents.cancel),
    Route("GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams", one("payment_intent")),
    Route("POST", "/v1/payment_intents/{id}", "PaymentIntentUpdateParams", intents.update),
    Route("POST", "/v1/payment_links", "PaymentLinkCreateParams", links.create),
    Route("GET", "/v1/payment_links", "PaymentLinkListParams", many("payment_link", "/v1/payment_links")),
    Route("GET", "/v1/payment_links/{id}", "PaymentLinkRetrieveParams", one("payment_link")),
    Route("POST", "/v1/payment_links/{id}", "PaymentLinkUpdateParams", links.update),
    Route("GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams", one("payment_method")),
    Route("POST", "/v1/prices", "PriceCreateParams", catalog.create_price),
    Route("GET", "/v1/prices", "PriceListParams", many("price", "/v1/prices")),
    Route("GET", "/v1/prices/search", "PriceSearchParams", search("price", "/v1/prices/search")),
    Route("GET", "/v1/prices/{id}", "PriceRetrieveParams", one("price")),
    Route("POST", "/v1/prices/{id}", "PriceUpdateParams", catalog.update_price),
    Route("POST", "/v1/products", "ProductCreateParams", catalog.create_product),
    Route("GET", "/v1/products", "ProductListParams", many("product", "/v1/products")),
    Route("GET", "/v1/products/search", "ProductSearchParams", search("product", "/v1/products/search")),
    Route("GET", "/v1/products/{id}", "ProductRetrieveParams", one("product")),
    Route("POST", "/v1/products/{id}", "ProductUpdateParams", catalog.update_product),
    Route("POST", "/v1/promotion_codes", "PromotionCodeCreateParams", coupons.create_code),
    Route("GET", "/v1/promotion_codes", "PromotionCodeListParams", coupons.list_codes),
    Route("GET", "/v1/promotion_codes/{id}", "PromotionCodeRetrieveParams", one("promotion_code")),
    Route("POST", "/v1/promotion_codes/{id}", "PromotionCodeUpdateParams", coupons.update_code),
    Route("GET", "/v1/radar/early_fraud_warnings", "radar.EarlyFraudWarningListParams", fraud.list_warnings),
    Route(
        "GET",
        "/v1/radar/early_fraud_warnings/{id}",
        "radar.EarlyFraudWarningRetrieveParams",
        one("radar.early_fraud_warning"),
    ),
    Route("POST", "/v1/refunds", "RefundCreateParams", refunds.create),
    Route("GET", "/v1/refunds", "RefundListParams", refunds.list_refunds),
    Route("GET", "/v1/refunds/{id}", "RefundRetrieveParams", one("refund")),
    Route("POST", "/v1/refunds/{id}", "RefundUpdateParams", refunds.update),
    Route("POST", "/v1/refunds/{id}/cancel", "RefundCancelParams", refunds.cancel),
    Route("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams", endpoints.create),
    Route(
        "GET", "/v1/webhook_endpoints", "WebhookEndpointListParams", many("webhook_endpoint", "/v1/webhook_endpoints")
    ),
    Route("GET", "/v1/webhook_endpoints/{id}", "WebhookEndpointRetrieveParams", one("webhook_endpoint")),
    Route("POST", "/v1/webhook_endpoints/{id}", "WebhookEndpointUpdateParams", endpoints.update),
    Route("DELETE", "/v1/webhook_endpoints/{id}", "WebhookEndpointDeleteParams", endpoints.delete),
)


def find(method: str, path: str) -> tuple[Route, tuple[Any, ...]] | None:
    """The route of a request and its path's arguments."""
    for route in ROUTES:
        match = route.pattern.match(path) if route.method == method else None
        if match is not None:
            return route, match.groups()
    return None
