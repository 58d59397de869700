"""Plan and apply: look, do the first thing that is to be done, look again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from atlas_operator.errors import CallFailed
from atlas_operator.stripe_setup import endpoint, goods, portal
from atlas_operator.stripe_setup.account import AGAIN, StripeAccount
from atlas_operator.stripe_setup.asked import Asked
from atlas_operator.stripe_setup.kept import NAME, Kept
from atlas_operator.stripe_setup.step import CONFIGURATION, ENDPOINT, PRICE, Action, Maker, SetupStep

MOST_STEPS = 40
"""Far more than a first installation takes, with every answer of Stripe's failing once."""


@dataclass
class Setup:
    """What is asked for, of which account, kept where."""

    asked: Asked
    kept: Kept
    account: StripeAccount
    given: dict[str, str] = field(default_factory=dict)
    """Variables that the services have already, by name."""
    wrote: list[str] = field(default_factory=list)
    """Names of what this run wrote to `.env.stripe`."""

    def __post_init__(self) -> None:
        self._maker = Maker(self.account)

    def plan(self) -> list[SetupStep]:
        """One step for each object. Only reads."""
        steps = [
            *goods.steps(self._maker, self.asked),
            endpoint.step(self._maker, self.asked, self.kept),
            portal.step(self._maker, self.asked, self.kept),
        ]
        return [*steps, self._file_step(steps)]

    def apply(self) -> list[SetupStep]:
        """What was done about each object. Raises CallFailed; a further run goes on where this one stopped."""
        self.kept.prove_writable()
        done: dict[str, SetupStep] = {}  # the first step of each thing: what was to be done when this run began
        for _ in range(MOST_STEPS):
            steps = self.plan()
            done = done or {step.thing: step for step in steps if step.do}
            due = next((step for step in steps if step.do), None)
            if due is None or due.do is None:
                return [_told(done.get(step.thing), step) for step in steps]
            before = self.kept.values()
            due.do()
            self._note(before)
            done.setdefault(due.thing, due)
        raise CallFailed(f"After {MOST_STEPS} steps Stripe's account is still not as it should be. {AGAIN}")

    def _note(self, before: dict[str, str]) -> None:
        after = self.kept.values()
        self.wrote += [name for name in after if after[name] != before.get(name) and name not in self.wrote]

    def _file_step(self, steps: list[SetupStep]) -> SetupStep:
        """`.env.stripe` has the ids that the services don't have already; a new secret is written with its endpoint."""
        ids = {step.thing: step for step in steps}
        values = self.kept.values()
        wanted: dict[str, str | None] = {}
        for name, thing in ((goods.VARIABLE, PRICE), (portal.VARIABLE, CONFIGURATION)):
            found = ids[thing].identifier
            if found is None or values.get(name, self.given.get(name)) != found:
                wanted[name] = found
        names = [endpoint.SECRET] if ids[ENDPOINT].do and ids[ENDPOINT].identifier is None else []
        names += wanted
        if not names:
            return SetupStep(NAME, "keep", identifier=str(self.kept.path) if self.kept.exists else None)

        def do() -> None:
            self.kept.put({name: value for name, value in wanted.items() if value})

        action: Action = "change" if self.kept.exists else "create"
        return SetupStep(NAME, action, ", ".join(names), str(self.kept.path), do)


def _told(done: SetupStep | None, now: SetupStep) -> SetupStep:
    """How a step is told when it is over."""
    return replace(done, identifier=now.identifier, do=None) if done else now
