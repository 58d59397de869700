"""The compatibility gate: what today's contracts change against the newest release, and who breaks by it.

``differences`` has the vocabulary, ``shapes`` the normal form of a JSON Schema, ``json_schema``, ``openapi`` and
``asyncapi`` compare one kind of document each, ``judgement`` knows who reads and writes each document and what is open,
``releases`` the folders, ``examples`` the fixtures in them. docs/decisions/0016 says why it is hand-written.
"""
