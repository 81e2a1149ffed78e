"""The words that a shell offers for a reference: models, versions, aliases; found by listing folders only."""

import os

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
        text = "".join(f"{word}\n" for word in words if word.isascii() and word.isprintable())
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
    if not at:
        return [word for found in _models(models, "", typed) for word in (f"{found}@", found)]
    if ".." in model or model.startswith("/"):
        return []
    versions = [name[:-5] for name in _names(os.path.join(models, model)) if name.endswith(".toml")]
    return [f"{model}@{word}" for word in (*ALIASES, *versions)] if versions else []


def _models(folder: str, prefix: str, typed: str, depth: int = 3) -> list[str]:
    if not (prefix.startswith(typed) or typed.startswith(prefix)):
        return []
    names = _names(folder)
    found = [prefix] if prefix and any(name.endswith(".toml") for name in names) else []
    for name in names:
        if depth and not name.endswith(".toml"):
            found += _models(os.path.join(folder, name), f"{prefix}/{name}" if prefix else name, typed, depth - 1)
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
