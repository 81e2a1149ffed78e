"""Which records of a framework this log serves, and which it cannot; a report is evidence, never a claim of compliance.

Source: AICPA, TSP section 100, 2017 Trust Services Criteria with the points of focus of 2022; ISO/IEC 42001:2023, Annex A;
Regulation (EU) 2024/1689; NIST AI 100-1 (2023), section 5.
"""

from __future__ import annotations

from typing import NamedTuple

NO_CLAIM = (
    "This page says where an auditor may look. It is no claim of compliance: each record below asks for more than a log "
    "can show, and only an auditor can tell what is enough."
)


class Asked(NamedTuple):
    """One record of a framework: what it asks for, in our words, and the sections that serve it; none if it cannot."""

    id: str
    asks: str
    sections: tuple[str, ...]
    how: str


class Framework(NamedTuple):
    """A framework, and its records in question."""

    title: str
    source: str
    records: tuple[Asked, ...]


_SOC2 = (
    Asked(
        "CC6.1",
        "logical access security",
        (),
        "Who may write is decided by git and the host; an actor is named as stated, and proven only by a signature.",
    ),
    Asked(
        "CC6.3",
        "access by role, segregation of duties",
        ("activations", "approvals"),
        "Shows whether who activated had also approved; roles and rights are kept elsewhere.",
    ),
    Asked(
        "CC7.1",
        "detection of changes to configurations, and of vulnerabilities",
        ("integrity",),
        "A file changed outside the tool is a finding; vulnerabilities are not looked for.",
    ),
    Asked(
        "CC7.2",
        "monitoring for anomalies",
        ("counts", "denied", "evaluations"),
        "Shows denied attempts and violated thresholds of models; hosts and networks are not seen.",
    ),
    Asked(
        "CC7.3",
        "evaluation of security events as incidents",
        (),
        "Denied attempts are listed, but whether one was an incident is not recorded.",
    ),
    Asked(
        "CC7.4",
        "response to incidents",
        ("rollbacks",),
        "Shows each rollback with its reason; the response programme and what was told to whom are kept elsewhere.",
    ),
    Asked(
        "CC7.5",
        "recovery from incidents",
        ("rollbacks", "figures"),
        "Shows how long each return to an earlier version took, for models only.",
    ),
    Asked(
        "CC8.1",
        "changes are authorised, tested, approved and documented",
        ("activations", "approvals", "overrides", "denied", "evaluations"),
        "Shows for each activation who approved, what was set aside, and what was tested before; for models only.",
    ),
    Asked("CC9.2", "risks of vendors", (), "Of a provider only its name and its end-of-life dates are known here."),
)
_ISO42001 = (
    Asked("A.3.2", "AI roles and responsibilities", (), "Actors are named, their roles are not."),
    Asked("A.5.2", "impact assessment process", (), "Impacts are assessed by people, and written down elsewhere."),
    Asked(
        "A.6.2.4",
        "verification and validation",
        ("evaluations",),
        "Shows each evaluation with verdict and samples; how the measures were chosen is kept elsewhere.",
    ),
    Asked(
        "A.6.2.5",
        "deployment",
        ("activations", "approvals", "overrides", "denied"),
        "Shows that requirements were checked before each deployment; the deployment plan is kept elsewhere.",
    ),
    Asked(
        "A.6.2.6",
        "operation and monitoring",
        ("in_service", "evaluations", "rollbacks", "figures"),
        "Shows what served when, how it was judged and what was taken back; support and repairs are not seen.",
    ),
    Asked("A.6.2.7", "technical documentation", (), "Version files hold a small part of it, this report does not."),
    Asked(
        "A.6.2.8",
        "recording of event logs",
        ("integrity", "counts"),
        "Is a log of the life cycle; the events of a system in use are logged by that system.",
    ),
    Asked("A.7.2", "data for development", (), "Training data is not known here."),
    Asked("A.8.4", "communication of incidents", (), "What was told to users is not recorded."),
    Asked("A.10.3", "suppliers", (), "Of a provider only its name and its end-of-life dates are known here."),
)
_EU_AI_ACT = (
    Asked(
        "Art. 9",
        "risk management system",
        (),
        "It is a process of people; thresholds are at most some of its measures.",
    ),
    Asked("Art. 11", "technical documentation", (), "Version files hold a small part of it, this report does not."),
    Asked(
        "Art. 12",
        "automatic recording of events over the lifetime of a system",
        ("integrity", "in_service", "counts"),
        "Records each change of a version by itself; what a system does in use, that system has to log.",
    ),
    Asked(
        "Art. 14",
        "human oversight of a system in use",
        ("approvals", "overrides", "rollbacks"),
        "Shows where people approved, set aside or took back a version; not the oversight of single outputs.",
    ),
    Asked(
        "Art. 15",
        "accuracy, robustness and cybersecurity",
        ("evaluations",),
        "Shows measured thresholds of success, latency and confidence; robustness and security are not tested.",
    ),
    Asked(
        "Art. 19",
        "providers keep a system's logs, for six months at least",
        ("integrity",),
        "Tells since when this log has all entries; the logs that the system itself writes are kept elsewhere.",
    ),
    Asked(
        "Art. 26(5)",
        "deployers monitor the operation",
        ("evaluations",),
        "Shows when versions were judged by recorded use; the instructions for use are not known here.",
    ),
    Asked(
        "Art. 26(6)",
        "deployers keep a system's logs, for six months at least",
        ("integrity",),
        "Tells since when this log has all entries; the logs that the system itself writes are kept elsewhere.",
    ),
    Asked(
        "Art. 72",
        "post-market monitoring by providers",
        ("evaluations", "rollbacks", "figures"),
        "Shows performance and failures of versions over time; the plan and what users report are kept elsewhere.",
    ),
    Asked("Art. 73", "reporting of serious incidents", (), "Reports go to the authority; none is recorded here."),
)
_NIST_AI_RMF = (
    Asked(
        "GOVERN 1.6",
        "inventory of AI systems",
        ("in_service",),
        "Lists the versions that served; what is not registered here is not seen.",
    ),
    Asked(
        "GOVERN 1.7",
        "decommissioning and phasing out",
        ("counts", "figures"),
        "Shows deprecations, retirements and the time between them; the procedures are kept elsewhere.",
    ),
    Asked("GOVERN 2.1", "roles and responsibilities", (), "Actors are named, their roles are not."),
    Asked("MAP 1.1", "intended purposes and context of use", (), "Purposes and contexts are not known here."),
    Asked("MAP 5.1", "likelihood and magnitude of impacts", (), "Impacts are assessed by people, and kept elsewhere."),
    Asked(
        "MEASURE 2.3",
        "performance is measured in conditions like those of deployment",
        ("evaluations",),
        "Shows verdict, samples and whether the bound is proven; the likeness of the conditions is not known.",
    ),
    Asked(
        "MEASURE 2.4",
        "behaviour is monitored in production",
        ("counts", "evaluations"),
        "Shows judgements of recorded inferences and violated thresholds; what is not recorded is not seen.",
    ),
    Asked("MEASURE 2.11", "fairness and bias", (), "No metric of fairness is computed."),
    Asked(
        "MANAGE 1.1",
        "decision whether deployment should proceed",
        ("activations", "approvals", "denied"),
        "Shows each decision to deploy and each denial; the intended purpose is not judged.",
    ),
    Asked(
        "MANAGE 2.4",
        "means to supersede, disengage or deactivate a system",
        ("rollbacks", "in_service", "figures"),
        "Shows each replacement and each rollback, with its time to restore.",
    ),
    Asked(
        "MANAGE 4.1",
        "post-deployment monitoring, override, decommissioning, recovery, change management",
        ("activations", "overrides", "rollbacks", "evaluations"),
        "Shows the changes made under such a plan; the plan, and what users said, are kept elsewhere.",
    ),
    Asked("MANAGE 4.3", "communication of incidents", (), "What was told to those affected is not recorded."),
)
FRAMEWORKS = {
    "soc2": Framework(
        "SOC 2, Trust Services Criteria", "AICPA, TSP section 100 (2017, points of focus of 2022)", _SOC2
    ),
    "iso42001": Framework("ISO/IEC 42001, Annex A", "ISO/IEC 42001:2023", _ISO42001),
    "eu-ai-act": Framework("EU AI Act, high-risk AI systems", "Regulation (EU) 2024/1689", _EU_AI_ACT),
    "nist-ai-rmf": Framework("NIST AI Risk Management Framework", "NIST AI 100-1 (AI RMF 1.0, 2023)", _NIST_AI_RMF),
}
"""Every framework that a report can be arranged for."""
