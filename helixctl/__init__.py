"""helixctl: AI model versions from registration to retirement, safely, from a folder in git."""

__version__ = "0.1.0"
__all__ = ["Registry", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Registry":
        from helixctl.api import Registry

        return Registry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
