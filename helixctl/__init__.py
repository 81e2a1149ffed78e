"""helixctl: AI model versions from registration to retirement, safely, from a folder in git."""

__version__ = "0.1.0"
__all__ = ["Recorder", "Registry", "__version__"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helixctl.api import Registry
    from helixctl.api.recorder import Recorder


def __getattr__(name: str) -> object:
    if name == "Registry":
        from helixctl.api import Registry

        return Registry
    if name == "Recorder":
        from helixctl.api.recorder import Recorder

        return Recorder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
