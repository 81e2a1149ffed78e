"""What a merge left to settle, the sides that there are, and where their bytes still exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from helixctl.core import record
from helixctl.core import request as ask
from helixctl.core.lifecycle import IN_SERVICE
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.errors import HelixError, NotFound, Unconfirmed, Usage
from helixctl.storage import git, ledger, tree
from helixctl.storage.log import lines
from helixctl.storage.registry import Store


class Side(NamedTuple):
    """One of the things to go on with: what `--keep` calls it, and what it is. `digest` is of a file's bytes, `about` the version
    that its entry was about.
    """

    name: str
    what: str
    digest: str | None = None
    about: str | None = None


class Conflict(NamedTuple):
    """A file that two sides changed, or a model with two versions in one place.

    Args:
        default: the side that the merge chose already, where it did.
    """

    ref: Ref
    sides: tuple[Side, ...]
    default: str | None = None

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """The names and descriptions to choose from; empty where there is nothing to choose."""
        if self.default is not None or len(self.sides) < 2:
            return ()
        return tuple((side.name, side.what) for side in self.sides)


class Conflicts(NamedTuple):
    """All conflicts, and the log's heads when they were looked for."""

    found: tuple[Conflict, ...]
    heads: tuple[str, ...]


def conflicts(store: Store, model: str | None) -> Conflicts:
    """Return what is to settle in one model or in all."""
    tips, records = _tips(store, model), []
    found = []
    for name in [model] if model else store.models():
        for version in tree.versions(store.root, name, store.overlay):
            ref = Ref(name, version)
            raw = store.read(tree.path_of(ref))
            try:
                records.append(store.decoded(ref, raw))
                is_sound = True
            except HelixError:
                is_sound = False
            sides = tips.get(tree.path_of(ref), {})
            if not sides or (is_sound and len(sides) < 2):
                continue
            here = hashlib.sha256(raw).hexdigest()
            default = sides[here].name if here in sides else None
            found.append(Conflict(ref, tuple(sides.values()), default))
    found += _held_twice(records)
    book = ledger.load(store.root)
    book.close()
    return Conflicts(tuple(found), tuple(sorted(book.heads)))


def _held_twice(records: Iterable[Record]) -> list[Conflict]:
    """Return the models in which more than one version is active, or canary."""
    held: dict[tuple[str, str], list[Record]] = {}
    for one in records:
        if one.status in IN_SERVICE:
            held.setdefault((one.ref.model, str(one.status)), []).append(one)
    return [
        Conflict(Ref(model), tuple(Side(str(one.ref), f"is {status}") for one in ones))
        for (model, status), ones in held.items()
        if len(ones) > 1
    ]


def _tips(store: Store, model: str | None) -> dict[str, dict[str, Side]]:
    """Return the last change of each version file on each side, by path and by digest."""
    from helixctl.core import audit

    prefix = f"models/{model}/" if model else "models/"
    tips: dict[str, dict[str, Side]] = {}
    for _, _, raw in lines(store.root):
        if prefix.encode() not in raw:
            continue
        entry = audit.parse(raw)
        takes_over = entry["action"] in ("version.adopted", "registry.reconciled", "registry.restored")
        for row in entry["changes"]:
            if not row["path"].startswith(prefix):
                continue
            sides = tips.setdefault(row["path"], {})
            if takes_over:
                sides.clear()
            sides.pop(row["before"], None)
            what = f"{entry['action']} by {entry['actor']['id']} at {entry['ts']}"
            about = f"{entry['model']}@{entry['version']}"
            sides[row["after"]] = Side(entry["hash"][:12], what, row["after"], about)
    return tips


def wanted(store: Store, model: str | None, keep: Sequence[str]) -> ask.Act:
    """Return the act that settles a model's conflicts, or records edits of settings where there are no conflicts.

    Raises:
        Usage: several models wait, or `keep` names no side. Unconfirmed: it is not clear which side to keep.
    """
    with store.reading() as still:
        found, heads = conflicts(still, model)
        models = sorted({one.ref.model for one in found})
        if len(models) > 1:
            raise Usage(f"several models are to be reconciled: {', '.join(models)}", hint="name one")
        if not models:
            return _edits(still, model, heads)
        version = _version_to_keep(still, found, keep)
        _refuse_what_is_no_side(still, found, keep)
        chosen, accepted = {}, []
        for one in found:
            if one.ref.version is None:
                continue
            raw, is_logged = _chosen(still, one, keep)
            chosen[one.ref.version] = raw
            accepted += [] if is_logged else [one.ref.version]
        return ask.Reconcile(Ref(models[0], version), chosen, tuple(accepted), heads)


def _version_to_keep(store: Store, found: Sequence[Conflict], keep: Sequence[str]) -> str | None:
    """Return the version to keep in service: as it is named, or the one that a git commit has there."""
    model = found[0].ref.model
    named = [name for name in keep if name.startswith(f"{model}@")]
    if named:
        return Ref(*named[0].split("@", 1)).version
    held = [side.name.partition("@")[2] for one in found if one.ref.version is None for side in one.sides]
    for name in keep if held else ():
        if any(side.name == name for one in found for side in one.sides):
            continue
        served = [version for version in held if _is_served_in(store, name, Ref(model, version))]
        if len(served) == 1:
            return served[0]
    return None


def _is_served_in(store: Store, commit: str, ref: Ref) -> bool:
    raw = git.blob_at(store.root, commit, tree.path_of(ref))
    return raw is not None and store.decoded(ref, raw).status in IN_SERVICE


def _refuse_what_is_no_side(store: Store, found: Sequence[Conflict], keep: Sequence[str]) -> None:
    """Refuse what would be passed over in silence.

    Raises:
        Usage: it names no side of any conflict.
    """
    for name in keep:
        if name.startswith(f"{found[0].ref.model}@") or any(side.name == name for one in found for side in one.sides):
            continue
        files = [one for one in found if one.ref.version is not None]
        if files and not any(_digest_in(store, name, one) in {side.digest for side in one.sides} for one in files):
            sides = _listed([side for one in found for side in one.sides])
            raise Usage(f"{name}: no side that the log knows", hint=f"sides: {sides}")


def _digest_in(store: Store, commit: str, conflict: Conflict) -> str | None:
    raw = git.blob_at(store.root, commit, tree.path_of(conflict.ref))
    return hashlib.sha256(raw).hexdigest() if raw is not None else None


def _edits(store: Store, model: str | None, heads: tuple[str, ...]) -> ask.Act:
    """Return the act that records edits of settings, policies and trust; one that changes nothing where there are none."""
    from helixctl.storage import commit

    with closing(ledger.load(store.root)) as book:
        edited = [path for path, _, _ in commit.edited(store.root, book)]
        known = (path.removeprefix("models/").rpartition("/")[0] for path in book.logged_below("models/"))
        name = model or next(known, None)
    if model is None and edited:
        policies = [path for path in edited if path.startswith("policies/")]
        return ask.Attest("policy.updated" if policies else "config.updated", {}, heads, {})
    if name is None:
        raise NotFound("there is nothing to reconcile", hint="helixctl verify tells what is wrong, if anything")
    return ask.Reconcile(Ref(name), {}, (), heads)


def _chosen(store: Store, conflict: Conflict, keep: Sequence[str]) -> tuple[bytes, bool]:
    """Return the bytes to go on with, and whether they are what the log says of a side."""
    path = tree.path_of(conflict.ref)
    digest = _named(store, conflict, keep)
    here = store.read(path)
    for raw in (here, *_history(store, path)):
        if hashlib.sha256(raw).hexdigest() == digest:
            return raw, True
    try:
        record.decode(here)
    except HelixError:
        side = next(one for one in conflict.sides if one.digest == digest)
        hint = f"git checkout the side that you want, then helixctl reconcile {conflict.ref.model}"
        raise NotFound(f"{path}: the bytes of side {side.name} exist nowhere here", hint=hint) from None
    return here, False


def _history(store: Store, path: str) -> Iterator[bytes]:
    return git.contents(store.root, git.versions_of(store.root, path))


def _named(store: Store, conflict: Conflict, keep: Sequence[str]) -> str | None:
    for name in keep:
        side = next((one for one in conflict.sides if name in (one.name, one.about)), None)
        if side is not None:
            return side.digest
    refs = [name for name in keep if not name.startswith(f"{conflict.ref.model}@")]
    for name in refs:
        digest = _digest_in(store, name, conflict)
        if digest in {one.digest for one in conflict.sides}:
            return digest
    default = next((one for one in conflict.sides if one.name == conflict.default), None)
    if default is None and len(conflict.sides) == 1:
        default = conflict.sides[0]
    if default is None:
        hint = f"add --keep SIDE: {_listed(conflict.sides)}"
        raise Unconfirmed(f"{conflict.ref} was changed on {len(conflict.sides)} sides", hint=hint)
    return default.digest


def _listed(sides: Iterable[Side]) -> str:
    return "; ".join(f"{one.name} ({one.what})" for one in sides)
