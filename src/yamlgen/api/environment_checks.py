"""The checks of `doctor` that ask no API: the key, the address, the connection, the store and the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from yamlgen.api.doctor_report import CheckList
from yamlgen.claude.connections import proxy_in_use, trusted_authorities
from yamlgen.claude.endpoints import Endpoint
from yamlgen.environment import variable
from yamlgen.errors import Code, near
from yamlgen.option_names import option
from yamlgen.pipeline.model_settings import LOOPBACK
from yamlgen.store.database import is_older
from yamlgen.store.location import StoreLocation, holder, is_locked, network_kind
from yamlgen.store.run_session import open_runs

_TOO_LITTLE: Final = 50 * 2**20
_LITTLE: Final = 2**30
"""Free bytes of a disk below which a run would not work, and below which it may not."""


def check_connection(checks: CheckList, endpoint: Endpoint, sets_address: str, *, sends: bool) -> bool:
    """Check the key, the address, the proxy, the certificates and the headers.

    Args:
        checks: receives the checks.
        endpoint: the end of the connection.
        sets_address: the key of the pipeline that sets its address, if one does.
        sends: whether a run sends anything.

    Returns:
        Whether the API can be asked.
    """
    if endpoint.simulator is not None:
        checks.ok("key", "the simulator needs no key")
        checks.ok("address", f"{endpoint.address} (the simulator)")
        return True
    if not sends:
        checks.ok("key", "no step asks a model, so that a run needs no key")
        return False
    before = len(checks.made)
    address = endpoint.address
    with checks.checking("key"):
        endpoint.credentials().close()
        checks.ok("key", f"{endpoint.runtime.key_name} is set" if endpoint.is_variable else f"{endpoint.told} is used")
    checks.ok("address", address, _place_of_address(endpoint, sets_address))
    with checks.checking("proxy"):
        proxy = proxy_in_use(address)
        checks.ok("proxy", "none" if proxy is None else proxy)
    _check_certificates(checks, address)
    with checks.checking("headers"):
        headers = endpoint.headers()
        headers.check()
        checks.ok("headers", f"each request has {', '.join(headers.names)}" if headers.names else "none are added")
    if any(check.state == "problem" for check in checks.made[before:]):
        checks.warn("api", "it was not asked", "solve the problems above first")
        return False
    return True


def _check_certificates(checks: CheckList, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme == "http":
        is_here = parts.hostname in LOOPBACK
        checks.ok("certificates", f"not needed: plain http{' on this machine' if is_here else ''}")
        return
    with checks.checking("certificates"):
        checks.ok("certificates", trusted_authorities())


def _place_of_address(endpoint: Endpoint, sets_address: str) -> str:
    if endpoint.runtime.base_url:
        return f"`{sets_address}`"
    if endpoint.profile is not None and endpoint.profile.base_url == endpoint.address:
        return endpoint.told
    return "ANTHROPIC_BASE_URL" if variable("ANTHROPIC_BASE_URL") else "the default"


def check_store(checks: CheckList, place: StoreLocation) -> None:
    """Check the store of a pipeline."""
    with checks.checking("store"):
        shown = near(place.database)
        if not place.exists:
            checks.ok("store", f"{shown} does not exist yet; the first run creates it")
        elif is_locked(place):
            what = holder(place) or "another process"
            checks.warn("store", f"{shown} is in use by {what}", "wait for it: one run at a time uses a store")
        elif is_older(place.database):
            checks.ok("store", f"{shown} was written by an older version; the next run updates it")
        else:
            with open_runs(place) as runs:
                count = len(runs.runs())
            size = place.database.stat().st_size
            checks.ok("store", f"{shown}: {count:,} run{'' if count == 1 else 's'}, {_size(size)}")


def check_disk(checks: CheckList, folder: Path) -> None:
    """Check that a store can be in a folder, and that its disk has space."""
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    hint = f"choose another folder with {option('store', 'PATH')}"
    kind, code = network_kind(existing), str(Code.STORE_PLACE)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        checks.fail("disk", f"the store cannot be in {near(folder)}: {near(existing)} is not writable", hint, code=code)
        return
    if kind is not None:
        message = f"the store cannot be in {near(folder)}: it is on a network file system ({kind})"
        checks.fail("disk", message, f"{hint} on a local disk", code=code)
        return
    free = shutil.disk_usage(existing).free
    fact, fix = f"{_size(free)} free for {near(folder)}", f"free some space, or {hint}"
    if free < _TOO_LITTLE:
        checks.fail("disk", fact, fix, code=str(Code.DISK))
    elif free < _LITTLE:
        checks.warn("disk", fact, fix)
    else:
        checks.ok("disk", fact)


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - units of the decimal system
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
