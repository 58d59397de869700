"""The rules about money: pure functions of known facts, no framework, no I/O, no clock.

Start at ``policy``: it reads like the policy table. ``facts`` is what is known, ``payment`` folds one payment,
``verdict`` folds one user, ``projection`` applies facts one by one and says what changed.
"""
