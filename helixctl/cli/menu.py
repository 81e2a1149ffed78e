"""The commands by name: where each lives, what it is for, and which options and formats it has."""

from __future__ import annotations

from typing import NamedTuple

PANELS = ("set up", "lifecycle", "gate", "evaluate", "inspect", "audit", "whole registry")


CONDITIONS = ("reason", "actor", "expect", "dry_run", "override")
"""The options of every change; commands that change no version take the part that means something there."""
STATING = ("reason", "actor", "expect", "dry_run")
"""The options of what people state about a version."""
READING = ("format", "map", "since", "until", "where", "engine", "connect", "table")
"""The options that say how inferences are read."""
LISTS = ("text", "json", "ndjson", "csv", "plain")
"""The formats of what has rows; plain is a line each, its fields between tabs."""
CI = ("github", "junit", "sarif", "gitlab", "markdown")
"""The formats of `render.ci`, which systems that run checks read."""


class Entry(NamedTuple):
    """A command: the module it lives in, the panel it is listed under, what it is for, its conditions and formats."""

    module: str
    panel: str
    summary: str
    terms: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("text", "json")


COMMANDS: dict[str, Entry] = {
    "init": Entry("init", "set up", "Make a folder a registry.", ("actor", "dry_run")),
    "demo": Entry("demo", "set up", "Carry a sample registry through the whole lifecycle.", formats=("text",)),
    "completion": Entry("completion", "set up", "Print the completion script of a shell.", formats=("text",)),
    "help": Entry("help", "set up", "Explain a command, an exit code or an error.", formats=("text",)),
    "register": Entry("register", "lifecycle", "Add a version, inactive.", CONDITIONS),
    "update": Entry("update", "lifecycle", "Change values of a version's specification.", CONDITIONS),
    "promote": Entry("promote", "lifecycle", "Bring a version to testing, canary or active.", CONDITIONS),
    "activate": Entry("activate", "lifecycle", "Put a version in service.", CONDITIONS),
    "deactivate": Entry("deactivate", "lifecycle", "Take a version out of testing, canary or service.", CONDITIONS),
    "rollback": Entry("rollback", "lifecycle", "Return a model to the version that served before.", CONDITIONS),
    "deprecate": Entry("deprecate", "lifecycle", "Announce the end of a version, or cancel that.", CONDITIONS),
    "retire": Entry("retire", "lifecycle", "End a version for good.", CONDITIONS),
    "block": Entry("block", "lifecycle", "Bar a version from testing, canary and activation.", CONDITIONS),
    "unblock": Entry("unblock", "lifecycle", "Lift a block.", CONDITIONS),
    "adopt": Entry("adopt", "lifecycle", "Take in a version file that was edited by hand.", CONDITIONS),
    "sweep": Entry(
        "sweep", "lifecycle", "Do what is due: activations, warnings, retirements.", ("reason", "actor", "dry_run")
    ),
    "schedule": Entry("schedule", "lifecycle", "List and cancel activations that wait for their time."),
    "check": Entry("check", "gate", "Ask policy about a change, without making it.", formats=("text", "json", *CI)),
    "policy": Entry("policy", "gate", "List, lint, explain and test the policies."),
    "approve": Entry("approve", "gate", "Approve an action on a version, once.", STATING),
    "reject": Entry("reject", "gate", "Veto a version until that is withdrawn.", STATING),
    "withdraw": Entry("withdraw", "gate", "Take back an approval or a rejection.", STATING),
    "approvals": Entry("approvals", "gate", "List approvals, and whether they count.", formats=LISTS),
    "override": Entry("override", "gate", "List and review overrides."),
    "record": Entry("record", "evaluate", "Record inferences of a version.", ("reason", "actor", "dry_run")),
    "evaluate": Entry(
        "evaluate",
        "evaluate",
        "Judge a version by its inferences.",
        ("reason", "actor", "expect", "dry_run", *READING),
        ("text", "json", "csv", *CI),
    ),
    "compare": Entry(
        "compare",
        "evaluate",
        "Compare a version with another by their inferences.",
        READING,
        ("text", "json", "csv", *CI),
    ),
    "list": Entry("list", "inspect", "List versions.", formats=LISTS),
    "show": Entry("show", "inspect", "Show one version."),
    "status": Entry("status", "inspect", "Tell what serves, what comes and what ends, by model.", formats=LISTS),
    "diff": Entry("diff", "inspect", "Show how one version differs from another.", formats=LISTS),
    "history": Entry("history", "inspect", "Tell what happened to a model or a version.", formats=LISTS),
    "audit": Entry("audit", "audit", "Read, export and verify the audit log."),
    "verify": Entry(
        "verify", "whole registry", "Check the log, and every file against it.", formats=("text", "json", *CI)
    ),
    "reconcile": Entry(
        "reconcile",
        "whole registry",
        "Settle what a merge left behind.",
        ("reason", "actor", "dry_run", "override"),
    ),
}
AUDIT: dict[str, Entry] = {
    "log": Entry("audit_log", "audit", "Read the log, newest first.", formats=LISTS),
    "export": Entry(
        "audit_export",
        "audit",
        "Export the log, oldest first.",
        formats=("ndjson", "json", "csv", "ecs", "ocsf", "cloudevents"),
    ),
    "verify": Entry(
        "audit_verify", "audit", "Check hashes, links and order of the log.", formats=("text", "json", *CI)
    ),
    "report": Entry(
        "audit_report", "audit", "Report a period of the log.", formats=("text", "json", "markdown", "html")
    ),
    "checkpoint": Entry(
        "audit_checkpoint", "audit", "State what the log is now, signed.", ("reason", "actor", "dry_run")
    ),
    "archive": Entry("audit_archive", "audit", "Move old segments away.", ("reason", "actor", "dry_run")),
    "restore-archive": Entry("audit_restore", "audit", "Bring archived segments back.", ("reason", "actor", "dry_run")),
}
POLICY: dict[str, Entry] = {
    "list": Entry("policy_list", "gate", "List policies and their rules."),
    "lint": Entry("policy_lint", "gate", "Find all that is wrong with policies.", formats=("text", "json", *CI)),
    "explain": Entry("policy_explain", "gate", "Tell which rules apply to a change, and why."),
    "test": Entry("policy_test", "gate", "Try policies on cases.", formats=("text", "json", *CI)),
}
SCHEDULE: dict[str, Entry] = {
    "list": Entry("schedule_list", "lifecycle", "List what waits, the next one first.", formats=LISTS),
    "cancel": Entry("schedule_cancel", "lifecycle", "Take one off the schedule.", ("reason", "actor", "dry_run")),
}
OVERRIDE: dict[str, Entry] = {
    "list": Entry("override_list", "gate", "List overrides to be reviewed.", formats=LISTS),
    "review": Entry("override_review", "gate", "Review an override.", ("reason", "actor", "dry_run")),
}
GROUPS = {"audit": AUDIT, "policy": POLICY, "schedule": SCHEDULE, "override": OVERRIDE}
