"""Which records of a framework this log serves, and which it cannot; a report is evidence, never a claim of compliance.

Source: AICPA Trust Services Criteria 2017 (points of focus of 2022); ISO/IEC 42001:2023, Annex A;
Regulation (EU) 2024/1689; NIST AI 100-1 (2023).
"""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """One record that a framework asks for; `section` of the report serves it, or None and why not."""

    id: str
    asks: str
    section: str | None
    how: str


class Framework(NamedTuple):
    """A framework's title and the records in question."""

    title: str
    records: tuple[Asked, ...]


_ELSEWHERE = "not in this log"
FRAMEWORKS = {
    "soc2": Framework(
        "SOC 2: Trust Services Criteria",
        (
            Asked(
                "CC4.1", "ongoing evaluations of controls", "evaluations", "each evaluation with verdict and samples"
            ),
            Asked(
                "CC7.2", "monitoring for anomalies", "evaluations", "violated thresholds; not the infrastructure's own"
            ),
            Asked(
                "CC7.3", "evaluation of security events", "denied", "denied attempts with the rules that denied them"
            ),
            Asked("CC7.4", "response to incidents", "figures", "rollbacks and time to restore; not the communication"),
            Asked("CC8.1", "changes are authorised, tested, approved", "activations", "who activated, who approved"),
            Asked("CC8.1 exceptions", "emergency changes are reviewed", "overrides", "each override, and its review"),
            Asked(
                "CC6.1", "logical access to the systems", None, f"{_ELSEWHERE}: who may write is git's and the host's"
            ),
            Asked("CC9.2", "risks of vendors", None, f"{_ELSEWHERE}: contracts and assessments of providers"),
        ),
    ),
    "iso42001": Framework(
        "ISO/IEC 42001, Annex A",
        (
            Asked(
                "A.6.2.4", "verification and validation", "evaluations", "each evaluation, and what it was judged by"
            ),
            Asked("A.6.2.5", "deployment", "activations", "each deployment, the decision of policy, the approvals"),
            Asked("A.6.2.6", "operation and monitoring", "figures", "rollbacks, restores, compliance with thresholds"),
            Asked("A.6.2.8", "recording of event logs", "integrity", "the log itself, and what vouches for it"),
            Asked(
                "A.6.2.7", "technical documentation", None, "the version files hold part of it, this report does not"
            ),
            Asked("A.5.2", "impact assessment", None, f"{_ELSEWHERE}: it is made by people"),
            Asked("A.7.2", "data for development", None, f"{_ELSEWHERE}: the training data is not known here"),
            Asked("A.10.3", "suppliers", None, f"{_ELSEWHERE}: only the provider's name and its dates are"),
        ),
    ),
    "eu-ai-act": Framework(
        "EU AI Act, Regulation (EU) 2024/1689",
        (
            Asked("Art. 12", "record-keeping of events", "integrity", "changes of versions; not the system's own use"),
            Asked(
                "Art. 14", "human oversight", "approvals", "approvals and overrides; not oversight of single outputs"
            ),
            Asked("Art. 15", "accuracy and robustness", "evaluations", "measured error rates and latency"),
            Asked("Art. 19", "logs kept for six months at least", "integrity", "entries, and how far back they reach"),
            Asked("Art. 26(6)", "deployers keep logs", "integrity", "the same, for the deployer's own registry"),
            Asked("Art. 72", "post-market monitoring", "figures", "failures and rollbacks; not reports of users"),
            Asked("Art. 9", "risk management", None, f"{_ELSEWHERE}: it is a process of people"),
            Asked("Art. 11", "technical documentation", None, f"{_ELSEWHERE}: the version files hold a part"),
            Asked("Art. 73", "report of serious incidents", None, f"{_ELSEWHERE}: it goes to the authority"),
        ),
    ),
    "nist-ai-rmf": Framework(
        "NIST AI Risk Management Framework 1.0",
        (
            Asked(
                "GOVERN 1.5", "ongoing monitoring is planned", "evaluations", "when evaluations were made, and of what"
            ),
            Asked("GOVERN 1.6", "inventory of AI systems", "in_service", "the versions in service, from and to"),
            Asked("GOVERN 1.7", "decommissioning", "figures", "deprecations and retirements with their times"),
            Asked(
                "MEASURE 2.3", "performance is measured", "evaluations", "verdict, samples, and whether it is proven"
            ),
            Asked("MEASURE 2.4", "behaviour in production is monitored", "evaluations", "violated thresholds"),
            Asked("MANAGE 2.4", "systems can be deactivated", "figures", "rollbacks and time to restore"),
            Asked("MANAGE 4.1", "override, recovery, change", "overrides", "overrides and denied attempts"),
            Asked("MAP 1.1", "context and purpose", None, f"{_ELSEWHERE}: intended use is described elsewhere"),
            Asked("MEASURE 2.11", "fairness and bias", None, "not measured by this program"),
        ),
    ),
}
"""The frameworks that a report can be arranged for."""
