"""The words that a shell offers for a reference: models, versions, aliases; found by listing folders only."""

import os

FEW, MANY = 20, 1000
"""Beyond so many folders at one place: what is below each is offered when it is typed; nobody looks into any."""
SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+/@")
"""What references are made of; a folder that is called otherwise is no model, and a shell might obey it."""
ALIASES = ("active", "canary", "latest", "previous")


def answer(arguments: list[str]) -> int:
    """Print the references that begin with the last argument, one a line.

    Args:
        arguments: optionally `-C DIR`, then what has been typed so far.
    """
    root = os.environ.get("HELIX_REGISTRY")
    if arguments[:1] == ["-C"] and len(arguments) > 1:
        root, arguments = arguments[1], arguments[2:]
    typed = arguments[-1] if arguments else ""
    found = _root(root)
    if found is not None:
        words = sorted(word for word in _words(os.path.join(found, "models"), typed) if word.startswith(typed))
        text = "".join(f"{word}\n" for word in words if SIGNS.issuperset(word) and word[0] != "-")
        try:
            print(text, end="", flush=True)  # noqa: T201
        except OSError:
            os._exit(8)  # the shell has gone: nobody is there to be told
    return 0


def _root(given: str | None) -> str | None:
    folder = os.path.abspath(given or os.curdir)
    while not os.path.exists(os.path.join(folder, "helix.toml")):
        parent = os.path.dirname(folder)
        if given or parent == folder:
            return None
        folder = parent
    return folder


def _words(models: str, typed: str) -> list[str]:
    model, at, _ = typed.partition("@")
    if ".." in model or model.startswith("/"):
        return []
    if not at:
        above = model.rpartition("/")[0]
        return _models(models, above, _names(os.path.join(models, above)), typed)
    versions = [name[:-5] for name in _names(os.path.join(models, model)) if name.endswith(".toml")]
    return [f"{model}@{word}" for word in (*ALIASES, *versions)] if versions else []


def _models(models: str, above: str, listed: list[str], typed: str, depth: int = 3) -> list[str]:
    """Return the models below a folder that was listed, each with and without `@`; of many folders their names alone."""
    names = [f"{above}/{name}" if above else name for name in listed]
    names = [name for name in names if name.startswith(typed) and not name.endswith(".toml")]
    found = names if len(names) > MANY else []
    for name in names if len(names) <= MANY else ():
        inside = _names(os.path.join(models, name))
        versions = sum(one.endswith(".toml") for one in inside)
        found += [f"{name}@", name] if versions else []
        if versions < len(inside) and depth:
            found += [f"{name}/"] if len(names) > FEW else _models(models, name, inside, typed, depth - 1)
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
