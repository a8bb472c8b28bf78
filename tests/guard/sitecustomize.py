"""Closes every way off this machine for the tests: a connection beyond loopback is an error that names it.

It also lets jsonschema compile the grammar of IRIs when the first one is checked, not whenever jsonschema is imported:
that takes a second in each process.

Python imports a module of this name at its start, so that processes started by tests are guarded too.
"""

from __future__ import annotations

import importlib
import ipaddress
import socket
import sys
from types import ModuleType
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _check(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is None or host == "localhost":
        return
    try:
        inside = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise RuntimeError(f"a test tried to reach {address!r}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _check(address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _check(address)
    return _connect_ex(self, address)


socket.socket.connect = _guarded_connect  # type: ignore[method-assign]
socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign]


def _is_valid_syntax(rule: str, text: str) -> bool:
    if sys.modules[_GRAMMAR.__name__] is _GRAMMAR:
        del sys.modules[_GRAMMAR.__name__]
    return importlib.import_module(_GRAMMAR.__name__).is_valid_syntax(rule, text)


_GRAMMAR = ModuleType("rfc3987_syntax")
_GRAMMAR.is_valid_syntax = _is_valid_syntax
sys.modules[_GRAMMAR.__name__] = _GRAMMAR
