"""The public API. One module per route: parse, ask the services behind, answer in the envelope.

Each module has one function that takes its dependencies and gives an ``APIRouter``. Modules with routes do without
``from __future__ import annotations``: FastAPI reads the annotations of handlers, and could not find the function's own
parameters in postponed ones. docs/decisions/0012 says what of FastAPI is used here.
"""
