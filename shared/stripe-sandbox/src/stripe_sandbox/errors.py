"""Errors in the form of Stripe's API."""

from __future__ import annotations

from typing import Any

DOCS = "https://stripe.com/docs/error-codes"


class StripeError(Exception):
    """A refusal, with the HTTP status and the fields of Stripe's error envelope."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's own name
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        """``about``: further members of a declined card's error: its charge, payment intent and payment method."""
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.about = about or {}

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The body of the answer."""
        error: dict[str, Any] = {}
        if self.code:
            error["code"] = self.code
        if self.decline_code:
            error["decline_code"] = self.decline_code
        if self.code:
            error["doc_url"] = f"{DOCS}/{self.code.replace('_', '-')}"
        error["message"] = self.message
        if self.param:
            error["param"] = self.param
        error["request_log_url"] = (
            f"https://dashboard.stripe.com/acct_1AtlasSandbox/test/workbench/logs?object={request_id}"
        )
        error["type"] = self.type
        error.update(self.about)
        return {"error": error}


def no_such(object_name: str, identifier: str, param: str = "id", status: int = 404) -> StripeError:
    """An id of an object that doesn't exist: 404 for an id in the path, 400 for one in a parameter."""
    noun = {"checkout.session": "checkout.session", "payment_intent": "payment_intent"}.get(object_name, object_name)
    return StripeError(f"No such {noun}: '{identifier}'", status=status, code="resource_missing", param=param)


def missing(param: str) -> StripeError:
    """A required parameter is absent."""
    return StripeError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def unknown(*params: str) -> StripeError:
    """One or more parameters that this call doesn't know; the first one is the error's ``param``."""
    noun = "parameter" if len(params) == 1 else "parameters"
    return StripeError(f"Received unknown {noun}: {', '.join(params)}", code="parameter_unknown", param=params[0])


def unsupported(param: str) -> StripeError:
    """A parameter that Stripe supports and the sandbox doesn't."""
    message = f'The Stripe sandbox does not support the parameter {param}: see docs/sandbox.md, "What it doesn\'t do".'
    return StripeError(message, code="parameter_unknown", param=param)


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """A parameter whose value can't be used."""
    return StripeError(message, param=param, code=code)
