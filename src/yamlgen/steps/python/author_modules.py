"""The modules of the author's functions in one process: each is loaded once, out of the way of all others.

Owns what loading changes in the interpreter, and undoes it. It runs in the process in which the functions run: that of
the run, or a worker.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from yamlgen.errors import Code, UsageError, near
from yamlgen.steps.python.tracebacks import TracebackFormatter
from yamlgen.suggestions import suggestion

_NUMBERS: Final = itertools.count(1)
_PREFIX: Final = "_yamlgen_"
"""The prefix of the names under which the modules of the functions are loaded."""


class AuthorModules:
    """Loads the modules of one run's functions. It must be closed.

    From `begin` until it is closed, the pipeline's folder is the last entry of `sys.path`, so that a module can import
    other modules from it. On closing, these modules are removed, so that the next run loads their current files.

    Args:
        folder: the pipeline's folder, absolute.

    Attributes:
        trace: formats the exceptions of the author's code.
        older: the modules from the pipeline's folder that the process had loaded before `begin`.
    """

    def __init__(self, folder: Path) -> None:
        self.trace = TracebackFormatter(folder)
        self.older: frozenset[Path] = frozenset()
        self._entry = str(folder)
        self._before: frozenset[str] | None = None  # the modules that were loaded before ours

    def begin(self) -> None:
        """Make the pipeline's folder importable; a second call does nothing."""
        if self._before is not None:
            return
        self._before = frozenset(sys.modules)
        older = self._theirs(self._before).values()
        self.older = frozenset(Path(module.__file__) for module in older if module.__file__)
        sys.path.append(self._entry)
        importlib.invalidate_caches()

    def load(self, file: Path, source: bytes) -> ModuleType:
        """Load a module from its source, under a unique name that no import statement uses.

        Raises:
            BaseException: what its code raises; `refusal` makes a message of it.
        """
        name = f"{_PREFIX}{next(_NUMBERS)}_{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file, loader=_SourceLoader(name, file, source))
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} has no loader")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look there
        spec.loader.exec_module(module)
        return module

    def refusal(self, file: Path, error: BaseException) -> UsageError:
        """Return the error of a run whose module raised an exception while it was loaded."""
        shown = near(file)
        hint = f"run `python {shown}` to see the whole traceback"
        if isinstance(error, ImportError):
            hint = "install it in the environment of yamlgen, or save it in the pipeline's folder"
        elif isinstance(error, SystemExit):
            hint = 'put the code of a script under `if __name__ == "__main__":`'
        message = f"{shown} cannot be loaded: {self.trace.told(error)}"
        return UsageError(message, code=Code.BAD_MODULE, hint=hint)

    def siblings(self) -> dict[str, Path]:
        """Return the modules that the author's modules have imported from the pipeline's folder so far, by name."""
        own = {name: module for name, module in self._loaded().items() if not name.startswith(_PREFIX)}
        return {name: Path(module.__file__) for name, module in own.items() if module.__file__}

    def close(self) -> None:
        """Restore the interpreter's modules and `sys.path`."""
        if self._before is None:
            return
        for name in self._loaded():
            del sys.modules[name]
        for at in reversed(range(len(sys.path))):
            if sys.path[at] is self._entry:  # an equal entry is not ours
                del sys.path[at]
                break
        self._before = None

    def _loaded(self) -> dict[str, ModuleType]:
        """Return the modules that this run has loaded from the pipeline's folder."""
        return self._theirs(sys.modules.keys() - self._before) if self._before is not None else {}

    def _theirs(self, names: Iterable[str]) -> dict[str, ModuleType]:
        """Return the modules that are from the pipeline's folder; a package without `__init__.py` has no file."""
        found: dict[str, ModuleType] = {}
        for name in names:
            module = sys.modules.get(name)
            about = module.__dict__ if isinstance(module, ModuleType) else {}
            places = [about["__file__"]] if about.get("__file__") else list(about.get("__path__", ()))
            if isinstance(module, ModuleType) and any(isinstance(p, str) and self.trace.is_theirs(p) for p in places):
                found[name] = module
        return found


def function_in(module: ModuleType, name: str, file: Path) -> Callable[..., Any]:
    """Return a function of a loaded module.

    Raises:
        UsageError: the module has no such function.
    """
    target = getattr(module, name, None)
    if callable(target):
        found: Callable[..., Any] = target
        return found
    known = [each for each, value in vars(module).items() if inspect.isroutine(value)]
    message = f"{near(file)} has no function `{name}`"
    raise UsageError(message, code=Code.UNKNOWN_FUNCTION, hint=suggestion(name, known, "functions there"))


class _SourceLoader(SourceFileLoader):
    """Loads a source that was already read, and writes no compiled file."""

    def __init__(self, name: str, file: Path, source: bytes) -> None:
        super().__init__(name, str(file))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        return compile(self._source, self.path, "exec", dont_inherit=True)
