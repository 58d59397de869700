"""Modules changed as they are imported, in this process only."""

import sys


def change_modules(changes):
    """Call each of ``changes[name]`` with the module of that name once it is executed."""
    sys.meta_path.insert(0, _Changing(lambda name: changes.get(name, ())))


def change_packages(packages, change):
    """Call ``change`` with every module of these packages once it is executed."""
    sys.meta_path.insert(0, _Changing(lambda name: (change,) if name.partition(".")[0] in packages else ()))


class _Changing:
    """Finds modules as Python would, and changes them once they are executed."""

    def __init__(self, changes_of):
        self._changes_of = changes_of

    def find_spec(self, name, path=None, target=None):
        changes = self._changes_of(name)
        if not changes:
            return None
        spec = self._found_by_others(name, path, target)
        if spec is None or spec.loader is None:  # none, or a namespace package: nothing of it is executed
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for change in changes:
                change(module)

        spec.loader.exec_module = exec_module
        return spec

    def _found_by_others(self, name, path, target):
        """By the next finder in line, which may be another one of these."""
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]
        return next((spec for finder in later if (spec := finder.find_spec(name, path, target))), None)
