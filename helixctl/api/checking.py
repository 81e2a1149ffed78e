"""What policy would say to a change: the question that `check` asks."""

from __future__ import annotations

from helixctl import gate
from helixctl.core.audit import Actor
from helixctl.core.lifecycle import Action
from helixctl.core.names import Ref, bare, one_of, versioned
from helixctl.core.request import Act, Request, act_of
from helixctl.errors import Usage
from helixctl.storage import tree
from helixctl.storage.registry import Store


def foreseen(store: Store, ref: str, action: str, region: str | None) -> gate.Foreseen:
    """Return what policy would be asked about an action now, in one region or in any.

    Raises:
        HelixError: as the write itself.
    """
    word = Action(one_of("action", action, Action))
    if region == "":
        raise Usage("the name of the region is empty", hint="name one, or leave it out to ask about all of them")
    wanted = bare(ref) if word is Action.ROLLBACK else versioned(ref)
    act = _settling(store, wanted) if word is Action.RECONCILE else act_of(word, wanted)
    request = Request(act, Actor("", "api", "check"))
    if word is Action.ROLLBACK:
        wanted = Ref(wanted.model, "previous")
    found = gate.foresee(store, word, request, wanted)
    return found._replace(case=found.case._replace(region=region))


def _settling(store: Store, kept: Ref) -> Act:
    """Return the act that settles what a merge left of a model, and keeps one version."""
    from helixctl.api.reconciling import wanted

    kept = store.resolved(kept).ref if kept.is_alias else kept
    if kept.version not in tree.versions(store.root, kept.model, {}):
        raise store.missing(kept)
    return wanted(store, kept.model, [str(kept)])._replace(ref=kept)
