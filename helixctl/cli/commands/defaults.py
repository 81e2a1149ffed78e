"""The default models: those of the sample registry, registered like any other."""

from __future__ import annotations

import os

from helixctl.api import Registry
from helixctl.cli.render.data import Created
from helixctl.cli.session import Session
from helixctl.core.record import decode, split_head
from helixctl.errors import NotFound, Usage
from helixctl.storage.registry import utc_now
from helixctl.storage.tree import MARKER

OWN = "in-house"


def sample_folder() -> str:
    """Return the folder of the sample registry: inside the installed package, or beside it in a checkout.

    Raises:
        NotFound: it is in neither place.
    """
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for folder in (os.path.join(package, "sample_registry"), os.path.join(os.path.dirname(package), "sample_registry")):
        if os.path.exists(os.path.join(folder, "helix.toml")):
            return folder
    raise NotFound("the sample registry is not installed", hint="install helixctl again")


def default_specifications() -> list[bytes]:
    """Return the text of each provider version of the sample registry, above its lifecycle."""
    store = Registry.open(sample_folder()).store
    found = []
    for model in store.models():
        for record in store.records(model):
            if not isinstance(record, Exception) and record.spec["provider"] != OWN:
                found.append(split_head(record.source))
    return found


def create(session: Session, folder: str, name: str | None, *, with_defaults: bool) -> Created:
    """Make a folder a registry, and register the defaults that it lacks."""
    if "" in (session.registry, folder):
        raise Usage("the name of the folder is empty", hint="helixctl init DIR")
    path = os.path.abspath(session.registry or folder)
    if session.terms["dry_run"] and not os.path.lexists(os.path.join(path, MARKER)):
        return Created(path, created=True, results=(), dry_run=True)
    registry, created = Registry.create(
        path, name=name, actor=session.actor, clock=session.world.clock or utc_now, random=session.world.random
    )
    present = {record.ref for record in registry.list().records}
    wanted = default_specifications() if with_defaults else []
    missing = [text for text in wanted if _ref(text) not in present]
    results = tuple(registry.register(text, **session.conditions()) for text in missing)
    return Created(path, created, results, bool(session.terms["dry_run"]))


def _ref(text: bytes) -> object:
    return decode(text + b'\n[lifecycle]\nstatus = "inactive"\n').ref
