"""Requests made from an OpenAPI document: those it allows and those it forbids."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks

LONG = bool(os.environ.get("ATLAS_LONG"))
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
SECONDS_PER_CALL = 20
CONFORMANCE = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)

load_all_checks()


def bombard(
    operation: schemathesis.APIOperation[Any, Any, Any],
    base_url: str,
    headers: Callable[[], dict[str, str]],
    *,
    examples: int,
    checks: tuple[str, ...] = CONFORMANCE,
) -> int:
    """Call one operation with generated input, ``examples`` times as allowed and as often as forbidden.

    Fails at the first answer that breaks one of ``checks``, with the call that reproduces it. Gives the number of calls.
    """
    calls = 0
    wanted = list(CHECKS.get_by_names(checks))

    for mode in MODES:
        try:
            cases = operation.as_strategy(generation_mode=mode)
            _once(cases)
        except (hypothesis.errors.Unsatisfiable, schemathesis.errors.SchemathesisError):
            continue  # nothing is forbidden where anything is allowed

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=not LONG,
            phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=cases)
        def call(case: schemathesis.Case) -> None:
            nonlocal calls
            calls += 1
            answer = case.call(base_url=base_url, headers=headers(), allow_redirects=False, timeout=SECONDS_PER_CALL)
            case.validate_response(answer, checks=wanted)

        _again_where_the_tools_stumble(call)
    return calls


def _again_where_the_tools_stumble(call: Callable[[], None]) -> None:
    """CPython 3.11 can fail with "AST constructor recursion depth mismatch" where two threads parse source at once: a
    server that words a traceback, hypothesis that words a lambda. That is no finding, nor is what hypothesis then says of
    the repetition, which drew more; and by now the words are cached.
    """
    try:
        call()
    except* (SystemError, hypothesis.errors.FlakyStrategyDefinition) as stumbled:
        known = all("AST constructor" in str(error) for error in stumbled.exceptions if isinstance(error, SystemError))
        if not known:
            raise
        call()


def _once(cases: st.SearchStrategy[Any]) -> None:
    """Raises Unsatisfiable when there is no such input."""

    @hypothesis.settings(
        max_examples=1, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(cases)
    def one(_case: Any) -> None: ...

    one()
