from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from itertools import product

import pytest

from helixctl.core.approvals import Known
from helixctl.core.case import Case
from helixctl.core.checks import CHECKS
from helixctl.core.lifecycle import Action, Status
from helixctl.core.people import People
from helixctl.core.policy import BUILT_IN, Decision, Finding, Match, Policy, decide
from helixctl.core.policy_file import DEFAULT, decode
from helixctl.core.record import Record
from helixctl.core.request import Move
from helixctl.core.settings import Settings
from helixctl.errors import BadSettings, Invalid, Usage
from tests.core.making import AT, BLOCK, announced, made, measured, ref, wish

HEAD = 'schema = 1\nname = "p"\n'
REASON = "already serves in production"
PRICES = "[cost]\ninput_per_mtok = 1\noutput_per_mtok = 2\n"
DENYING = ("fail", "inconclusive", "error")


def policy(*rules: str, head: str = HEAD) -> Policy:
    return decode((head + "".join(f"[[rule]]\n{rule}\n" for rule in rules)).encode())


def rule(name: str, enforcement: str = "overridable", check: str = "not_deprecated = true", more: str = "") -> str:
    return f'id = "{name}"\nenforcement = "{enforcement}"\n{check}\n{more}'


def judged(
    subject: Record,
    *policies: Policy,
    action: Action = Action.ACTIVATE,
    overrides: tuple[str, ...] = (),
    reason: str | None = REASON,
) -> Decision:
    request = wish(Move(ref(), Status.ACTIVE), overrides=overrides, reason=reason)
    return decide(action, Case(subject, None, AT, Settings("r", "r")), policies, request)


def outcomes(decision: Decision) -> dict[str, str]:
    return {finding.rule: finding.outcome for finding in decision.findings}


def ready() -> Record:
    record = made("1.0.0", "testing", extra=PRICES, testing_since=AT)
    return made("1.0.0", "testing", extra=PRICES, testing_since=AT, metrics=measured(record))


def test_the_default_policy_allows_a_version_that_meets_it_and_is_named_with_its_digest() -> None:
    default = decode(DEFAULT)
    decision = judged(ready(), default)
    assert decision.allowed
    assert outcomes(decision) == {
        "blocked": "pass",
        "tested-first": "pass",
        "evaluation": "pass",
        "cost-cap": "pass",
        "end-of-life": "not_applicable",
        "not-deprecated": "pass",
    }
    assert default.digest == sha256(DEFAULT).hexdigest()
    assert {(one.name, one.digest) for one in decision.policies} >= {("default", default.digest)}


def test_every_rule_of_the_default_policy_is_overridable_and_matches_canary_and_activate_alone() -> None:
    default = decode(DEFAULT)
    assert {one.enforcement for one in default.rules} == {"overridable"}
    assert {one.match.actions for one in default.rules} == {("canary", "activate")}
    limits = {one.check: one.parameters for one in default.rules}
    assert {key: str(value) for key, value in limits["cost"].items()} == {
        "max_per_request": "0.10",
        "input_tokens": "1000",
        "output_tokens": "500",
    }
    assert limits["eol_headroom"] == "7d"


def test_every_failure_is_reported_and_none_stops_another() -> None:
    decision = judged(made(deprecation=announced("operator", 1), status="deprecated"), decode(DEFAULT))
    assert not decision.allowed
    assert outcomes(decision) == {
        "blocked": "pass",
        "tested-first": "fail",
        "evaluation": "inconclusive",
        "cost-cap": "error",
        "end-of-life": "fail",
        "not-deprecated": "fail",
    }


@pytest.mark.parametrize("outcome", ["pass", "not_applicable", "overridden", *DENYING])
@pytest.mark.parametrize("enforcement", ["advisory", "overridable", "mandatory"])
def test_a_finding_blocks_where_it_denies_unless_it_is_advisory(outcome: str, enforcement: str) -> None:
    finding = Finding("r", enforcement, outcome, "m")
    assert finding.blocks is (outcome in DENYING and enforcement != "advisory")
    assert Decision("activate", ref(), (), (finding,)).allowed is not finding.blocks


@pytest.mark.parametrize(
    ("blocking", "inconclusive"),
    [
        ([], False),
        ([("overridable", "inconclusive")], True),
        ([("mandatory", "inconclusive"), ("overridable", "inconclusive")], True),
        ([("mandatory", "inconclusive"), ("overridable", "fail")], False),
        ([("mandatory", "inconclusive"), ("overridable", "error")], False),
        ([("mandatory", "inconclusive"), ("advisory", "fail"), ("mandatory", "pass")], True),
        ([("advisory", "inconclusive")], False),
        ([("overridable", "error")], False),
    ],
)
def test_a_decision_is_inconclusive_where_all_that_blocks_is(
    blocking: list[tuple[str, str]], inconclusive: bool
) -> None:
    findings = tuple(Finding("r", enforcement, outcome, "m") for enforcement, outcome in blocking)
    assert Decision("activate", ref(), (), findings).is_inconclusive is inconclusive


@pytest.mark.parametrize("action", Action)
def test_only_canary_and_activate_are_denied_where_no_policy_matches(action: Action) -> None:
    elsewhere = policy(rule("r", "mandatory"), head=HEAD + '[match]\nmodels = ["other/*"]\n')
    decision = judged(made(), elsewhere, action=action)
    assert decision.allowed is (action not in (Action.CANARY, Action.ACTIVATE))
    assert "r" not in outcomes(decision)
    if not decision.allowed:
        assert decision.findings[-1][:4] == ("policy", "mandatory", "fail", f"no policy matches {action} of m")


def test_an_advisory_rule_that_passes_is_a_match_enough() -> None:
    assert judged(made(), policy(rule("r", "advisory"))).allowed


@pytest.mark.parametrize("action", Action)
def test_a_blocked_version_is_denied_testing_canary_and_activation_and_no_override_helps(action: Action) -> None:
    decision = judged(made(blocked=BLOCK), policy(rule("any", "advisory")), action=action)
    assert decision.allowed is (action not in ("testing", "canary", "activate"))
    assert outcomes(decision).get("blocked") == (None if decision.allowed else "fail")
    if not decision.allowed:
        with pytest.raises(Usage, match="'blocked' is mandatory"):
            judged(made(blocked=BLOCK), action=action, overrides=("blocked",))


@pytest.mark.parametrize("status", Status)
def test_retiring_what_serves_needs_an_override_of_the_built_in_rule(status: Status) -> None:
    serves = status in (Status.CANARY, Status.ACTIVE)
    bare = judged(made(status=status), action=Action.RETIRE)
    assert bare.allowed is not serves
    overridden = judged(made(status=status), action=Action.RETIRE, overrides=("retire-in-service",))
    assert overridden.allowed
    assert overridden.overridden == (("retire-in-service",) if serves else ())


def test_the_built_in_rules_are_these_two() -> None:
    assert [(one.id, one.enforcement, one.match.actions) for one in BUILT_IN] == [
        ("blocked", "mandatory", ("testing", "canary", "activate")),
        ("retire-in-service", "overridable", ("retire",)),
    ]
    assert {one.check for one in BUILT_IN} <= set(CHECKS)


def test_an_override_sets_aside_what_it_names_and_nothing_else() -> None:
    decision = judged(made(extra=PRICES), decode(DEFAULT), overrides=("tested-first", "evaluation"))
    assert decision.allowed
    assert decision.overridden == ("tested-first", "evaluation")
    assert not judged(made(extra=PRICES), decode(DEFAULT), overrides=("tested-first",)).allowed


def test_an_override_of_a_rule_that_passes_is_not_used() -> None:
    decision = judged(ready(), decode(DEFAULT), overrides=("tested-first",))
    assert decision.allowed
    assert decision.overridden == ()
    assert outcomes(decision)["tested-first"] == "pass"


@pytest.mark.parametrize(
    ("enforcement", "outcome"), [("mandatory", None), ("advisory", "fail"), ("overridable", "overridden")]
)
def test_only_an_overridable_rule_is_overridden(enforcement: str, outcome: str | None) -> None:
    one, deprecated = policy(rule("r", enforcement)), made(status="deprecated")
    if outcome is None:
        with pytest.raises(Usage, match="rule 'r' is mandatory: it cannot be overridden"):
            judged(deprecated, one, overrides=("r",))
    else:
        assert outcomes(judged(deprecated, one, overrides=("r",)))["r"] == outcome


TICKET = 'override = { ticket = "OPS-[0-9]*" }\n'


@pytest.mark.parametrize(
    ("reason", "is_taken"),
    [
        ("OPS-12: the provider is down", True),
        ("the provider is down (OPS-7).", True),
        ("the provider is down, OPS-", False),
        ("the provider is down, XOPS-7", False),
        ("the provider is down, ops-7", False),
    ],
)
def test_a_reason_names_a_ticket_where_the_rule_wants_one(reason: str, is_taken: bool) -> None:
    for one in (policy(rule("r", more=TICKET)), decode((HEAD + TICKET + "[[rule]]\n" + rule("r")).encode())):
        if is_taken:
            decided = judged(made(status="deprecated"), one, overrides=("r",), reason=reason)
            assert outcomes(decided)["r"] == "overridden"
        else:
            with pytest.raises(Usage, match="names no ticket") as refused:
                judged(made(status="deprecated"), one, overrides=("r",), reason=reason)
            assert "OPS-[0-9]*" in (refused.value.hint or "")


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    one = policy(rule("r", more=f'override = {{ ticket = "{"*a" * 30}b" }}\n'))
    with pytest.raises(Usage, match="names no ticket"):
        judged(made(status="deprecated"), one, overrides=("r",), reason="a" * 2000)


def test_only_somebody_of_a_group_overrides_where_the_rule_says_so() -> None:
    one = policy(rule("r", more='override = { groups = ["oncall"] }\n'))
    for people, outcome in (
        (None, "fail"),
        (People(), "fail"),
        (People({"alice@example.com": "alice"}, {"oncall": frozenset({"bob"})}), "fail"),
        (People({"alice@example.com": "alice"}, {"oncall": frozenset({"alice"})}), "overridden"),
    ):
        known = Known(people) if people else None
        case = Case(made(status="deprecated"), None, AT, Settings("r", "r"), approvals=known)
        request = wish(Move(ref(), Status.ACTIVE), overrides=("r",), reason=REASON)
        decision = decide(Action.ACTIVATE, case, (one,), request)
        (finding,) = [found for found in decision.findings if found.rule == "r"]
        assert finding.outcome == outcome
        assert ("alice@example.com is in none of the groups that may: oncall" in finding.message) is (outcome == "fail")


@pytest.mark.parametrize("check", ['through = ["testing"]', "evaluation = {}", DEFAULT.decode().split("\n")[21]])
def test_a_failure_a_gap_and_an_error_can_each_be_overridden(check: str) -> None:
    decision = judged(made(), policy(rule("r", check=check)), overrides=("r",))
    assert outcomes(decision)["r"] == "overridden"
    assert decision.allowed


def test_an_unknown_override_is_refused_with_the_nearest_and_those_that_apply() -> None:
    with pytest.raises(
        Usage, match=r"names no rule that applies: 'tested-frist' \(did you mean 'tested-first'\?\)"
    ) as refused:
        judged(made(), decode(DEFAULT), overrides=("tested-frist",))
    assert "tested-first, evaluation" in (refused.value.hint or "")


def test_a_rule_of_another_action_cannot_be_overridden() -> None:
    with pytest.raises(Usage, match="names no rule that applies: 'tested-first'"):
        judged(made(), decode(DEFAULT), action=Action.ROLLBACK, overrides=("tested-first",))


@pytest.mark.parametrize(
    "reason", [None, "", "because", "x" * 19, " " * 20, "be" + " " * 20 + "cause", " " * 10 + "because" + " " * 10]
)
def test_an_override_without_a_reason_of_twenty_characters_is_refused(reason: str | None) -> None:
    with pytest.raises(Usage, match="at least 20 characters"):
        judged(made(), decode(DEFAULT), overrides=("tested-first",), reason=reason)


def test_twenty_characters_of_reason_suffice() -> None:
    assert judged(
        made(extra=PRICES), decode(DEFAULT), overrides=("tested-first", "evaluation"), reason="x" * 20
    ).allowed


@pytest.mark.parametrize(
    ("patterns", "model", "matches"),
    [
        ('["*"]', "m", True),
        ('["*"]', "openai/gpt-4o", True),
        ('["openai/*"]', "openai/gpt-4o", True),
        ('["openai/*"]', "azure/gpt-4o", False),
        ('["gpt-*", "m"]', "m", True),
        ('["M"]', "m", False),
    ],
)
def test_a_policy_matches_models_by_pattern(patterns: str, model: str, matches: bool) -> None:
    found = policy(rule("r"), head=f"{HEAD}[match]\nmodels = {patterns}\n")
    subject = made()
    subject = Record(subject.source, {**subject.spec, "model": model}, subject.lifecycle)
    assert ("r" in outcomes(judged(subject, found))) is matches


@pytest.mark.parametrize("sign", ["a", "A", "*", "?", "[ab]", "[!a]", "[", "."])
def test_a_pattern_matches_what_a_shell_would(sign: str) -> None:
    subject = made()
    for pattern in map("".join, product([sign], ["", "a", "*", "?", "[a]"], ["", "b", "*", "**"])):
        for tag in ("a", "A", "b", "ab", "aab", "a*", "[a", "a.b", ".", "[]"):
            case = Case(Record(subject.source, {**subject.spec, "tags": (tag,)}, {}), None, AT, Settings("r", "r"))
            assert Match(tags=(pattern,)).fits(case) is fnmatchcase(tag, pattern), (pattern, tag)


@pytest.mark.parametrize(
    ("match", "region", "matches"),
    [
        ('tags = ["llm"]', None, True),
        ('tags = ["prem*", "internal"]', None, True),
        ('tags = ["internal"]', None, False),
        ('providers = ["in-*"]', None, True),
        ('providers = ["openai"]', None, False),
        ('tags = ["llm"]\nproviders = ["openai"]', None, False),
        ('regions = ["eu-*"]', "eu-west", True),
        ('regions = ["eu-*"]', "us-east", False),
        ('regions = ["eu-*"]', None, True),
    ],
)
def test_a_policy_matches_by_tag_provider_and_region(match: str, region: str | None, matches: bool) -> None:
    found = policy(rule("r"), head=f"{HEAD}[match]\n{match}\n")
    case = Case(made(extra='tags = ["llm", "premium"]\n'), None, AT, Settings("r", "r"), region=region)
    assert ("r" in outcomes(decide(Action.ACTIVATE, case, (found,)))) is matches


def test_the_match_of_a_rule_stands_in_for_that_of_its_policy() -> None:
    found = policy(
        rule("narrow", more='actions = ["retire"]'), rule("as-policy"), head=HEAD + '[match]\nactions = ["activate"]\n'
    )
    assert "narrow" in outcomes(judged(made(), found, action=Action.RETIRE))
    assert "as-policy" not in outcomes(judged(made(), found, action=Action.RETIRE))
    assert [one.match for one in policy(rule("any")).rules] == [Match()]


def test_policies_of_one_name_are_both_listed_by_digest() -> None:
    one, other = policy(rule("a")), policy(rule("b"))
    decision = judged(made(), one, other)
    assert [found.digest for found in decision.policies if found.name == "p"] == [one.digest, other.digest]


def test_a_decision_as_data_has_the_fields_of_the_contract() -> None:
    data = judged(made(extra=PRICES), decode(DEFAULT), overrides=("tested-first", "evaluation")).as_data()
    assert list(data) == ["allowed", "policies", "findings", "overrides", "approvals"]
    assert {tuple(one) for one in data["policies"]} == {("name", "digest")}
    assert {tuple(one) for one in data["findings"]} == {("rule", "enforcement", "outcome", "message", "fix")}
    assert data["overrides"] == ["tested-first", "evaluation"]


BAD = [
    ("", "key 'schema' is missing", None),
    ('name = "p"\nrule = []\n', "key 'schema' is missing", None),
    (HEAD, "key 'rule' is missing", None),
    (HEAD + "rules = []\n", "unknown key 'rules' (did you mean 'rule'?)", 3),
    (HEAD + "rule = []\nrules = []\n", "unknown key 'rules' (did you mean 'rule'?)", 4),
    (HEAD + "rule = [1]\n", "rule: expected a table, found a whole number", 3),
    (HEAD + "[[rule]]\nid = 'a'\nnot_blocked = true\n", "key 'enforcement' is missing", 3),
    (HEAD + "[[rule]]\nenforcement = 'mandatory'\nnot_blocked = true\n", "key 'id' is missing", 3),
    (
        HEAD + "[[rule]]\n" + rule("a") + "[[rule]]\nid = 'b'\nenforcment = 'mandatory'\nenforcement = 'advisory'\n",
        "unknown key 'enforcment' (did you mean 'enforcement'?)",
        9,
    ),
    (HEAD + "[[rule]]\n" + rule("a", "hard"), "'hard' is none of advisory, overridable, mandatory", 5),
    (HEAD + "[[rule]]\n" + rule("a", check=""), "rule 'a' has 0 checks, expected one", 3),
    (
        HEAD + "[[rule]]\n" + rule("z") + "[[rule]]\n" + rule("a", more="not_blocked = true\n"),
        "rule 'a' has 2 checks, expected one",
        7,
    ),
    (HEAD + "[[rule]]\n" + rule("a") + "[[rule]]\n" + rule("a"), "rule id 'a' stands twice", 7),
    (HEAD + "[[rule]]\n" + rule("retire-in-service"), "'retire-in-service' is the id of a built-in rule", 4),
    (
        HEAD + "[[freeze]]\nname = 'blocked'\nenforcement = 'advisory'\ntimezone = 'UTC'\n",
        "'blocked' is the id of a built-in rule",
        4,
    ),
    (HEAD + "[[rule]]\n" + rule("a", check="not_deprecated = false"), "expected true; leave the rule out", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="through = ['canary']"), "'canary' is none of testing", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="evaluation = { verdict = ['pased'] }"), "did you mean 'passed'?", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="evaluation = { max_age = '1M' }"), "'1M' is no duration", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="evaluation = { max_age = '14 days' }"), "'14 days' is no duration", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="evaluation = { max_age = '0d' }"), "0d is no time at all", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="approvals = { required = 1, max_age = '0h' }"), "0h is no time at all", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="check = { field = 'cost.tier', min = 2 }"), "keeps to min 2", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="evaluation = true"), "expected a table with verdict, max_age", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="cost = { max_per_request = 1 }"), "key 'input_tokens' is missing", 6),
    (HEAD + "[[rule]]\n" + rule("a", check="eol_headroom = 7"), "expected a string, found a whole number", 6),
    (HEAD + "[[rule]]\n" + rule("a", more="actions = ['activated']"), "did you mean 'activate'?", 7),
    (HEAD + "[match]\nactions = ['activated']\n[[rule]]\n" + rule("a"), "did you mean 'activate'?", 4),
    (HEAD + "[[rule]\n", "not TOML", 3),
]


@pytest.mark.parametrize(("text", "message", "line"), BAD, ids=[message for _, message, _ in BAD])
def test_a_policy_that_does_not_load_names_what_is_wrong_and_its_line(
    text: str, message: str, line: int | None
) -> None:
    with pytest.raises(Invalid) as refused:
        decode(text.encode())
    assert message in refused.value.message
    assert refused.value.line == line
    assert refused.value.hint


def test_the_same_case_gives_the_same_decision_at_another_reading() -> None:
    late = Case(ready(), None, AT + timedelta(days=1), Settings("r", "r"))
    assert decide(Action.ACTIVATE, late, (decode(DEFAULT),)) == decide(Action.ACTIVATE, late, (decode(DEFAULT),))


FREEZE = '[[freeze]]\nname = "f"\nenforcement = "mandatory"\ntimezone = "UTC"\nfrom = 2026-02-28\nuntil = 2026-03-02\n'


def test_a_freeze_is_a_rule_like_others_and_permits_nothing_by_itself() -> None:
    alone = judged(made(), decode((HEAD + FREEZE).encode()))
    assert outcomes(alone) == {"blocked": "pass", "f": "fail", "policy": "fail"}
    before = FREEZE.replace("2026-02-28", "2026-02-01").replace("2026-03-02", "2026-03-01")
    assert outcomes(judged(made(), decode((HEAD + before).encode())))["policy"] == "fail"
    assert outcomes(judged(made(), decode((HEAD + FREEZE).encode()), action=Action.ROLLBACK)) == {"f": "not_applicable"}


@pytest.mark.parametrize("action", Action)
def test_a_freeze_that_names_no_actions_is_about_what_changes_who_serves(action: Action) -> None:
    frozen = outcomes(judged(made("1.0.0", "active"), decode((HEAD + FREEZE).encode()), action=action))
    assert ("f" in frozen) is (action in ("canary", "activate", "deactivate", "deprecate", "rollback", "retire"))


def test_a_freeze_matches_by_its_file_unless_it_says_else() -> None:
    head = HEAD + '[match]\nactions = ["activate"]\n'
    assert "f" not in outcomes(judged(made(), decode((head + FREEZE).encode()), action=Action.RETIRE))
    own = decode((head + FREEZE + 'actions = ["retire"]\nmodels = ["m"]\n').encode())
    assert outcomes(judged(made(), own, action=Action.RETIRE))["f"] == "fail"


@pytest.mark.parametrize("enforcement", ["advisory", "overridable", "mandatory"])
def test_an_expression_has_a_level_as_any_rule(enforcement: str) -> None:
    found = policy(rule("r", enforcement, "expr = \"model.provider == 'acme'\""), rule("s"))
    decision = judged(made(), found, overrides=() if enforcement == "mandatory" else ("r",))
    assert outcomes(decision)["r"] == ("overridden" if enforcement == "overridable" else "fail")
    assert decision.allowed is (enforcement != "mandatory")


def test_a_condition_decides_whether_any_kind_of_rule_applies() -> None:
    quiet = policy(rule("r", "mandatory", "bump = true", "when = 'has(current.metrics)'\n"))
    assert outcomes(judged(made(), quiet))["r"] == "not_applicable"
    frozen = decode((HEAD + FREEZE + "when = \"action == 'canary'\"\n[[rule]]\n" + rule("s")).encode())
    assert judged(made(), frozen).allowed
    assert not judged(made(), frozen, action=Action.CANARY).allowed


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("expr = 'model.provider =='", "rule.0.expr", "rule 'r': expr does not compile"),
        ("expr = '1 + 1'", "rule.0.expr", "rule 'r': expr gives INT, not true or false"),
        ("bump = true\nwhen = 'nothing'", "rule.0.when", "rule 'r': when does not compile"),
    ],
)
def test_a_matching_expression_that_does_not_compile_is_a_policy_that_does_not_load(
    line: str, key: str, message: str
) -> None:
    found = decode(f"{HEAD}[[rule]]\n{rule('r', 'advisory', line)}".encode(), "policies/p.toml")
    with pytest.raises(BadSettings) as refused:
        judged(made(), found)
    assert refused.value.message.startswith(message)
    assert (refused.value.path, refused.value.key) == ("policies/p.toml", key)
    assert refused.value.line == (7 if "when" in line else 6)
    elsewhere = decode(f"{HEAD}[match]\nactions = ['retire']\n[[rule]]\n{rule('r', 'advisory', line)}".encode())
    assert not judged(made(), elsewhere).allowed


@pytest.mark.parametrize("key", ["expr", "when"])
def test_without_cel_a_policy_that_needs_it_does_not_load(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr("helixctl.core.expressions.is_installed", lambda: False)
    line = "expr = 'true'" if key == "expr" else "bump = true\nwhen = 'true'"
    with pytest.raises(Invalid, match="is an expression of CEL, which is not installed") as refused:
        policy(rule("r", "advisory", line))
    assert refused.value.hint == "pip install 'helixctl[cel]'"
    assert refused.value.key == f"rule.0.{key}"


@pytest.mark.parametrize(("region", "matches"), [(None, True), ("eu", True), ("us", False)])
def test_a_request_may_name_a_region(region: str | None, matches: bool) -> None:
    found = policy(rule("r", "advisory", more="regions = ['eu']\n"))
    request = wish(Move(ref(), Status.ACTIVE), region=region)
    decision = decide(Action.ACTIVATE, Case(made(), None, AT, Settings("r", "r")), (found,), request)
    assert ("r" in outcomes(decision)) is matches


def test_what_does_not_match_is_told_with_what_was_found_and_wanted() -> None:
    (found,) = policy(
        rule(
            "r",
            more="actions = ['retire']\nmodels = ['x/*', 'y']\ntags = ['gold']\nproviders = ['acme']\nregions = ['eu']\n",
        )
    ).rules
    case = Case(made(), None, AT, Settings("r", "r"), "activate", region="us")
    assert list(found.match.misfits(case)) == [
        "actions: activate fits none of retire",
        "models: m fits none of x/*, y",
        "tags: none fits none of gold",
        "providers: in-house fits none of acme",
        "regions: us fits none of eu",
    ]


def test_what_a_denied_registration_lacks_is_to_be_set_by_it() -> None:
    checks = [
        'check = { field = "limits.context_window", min = 10 }',
        "evaluation = { verdict = ['passed'] }",
        "expr = 'model.limits.context_window >= 10.0'",
    ]
    found = policy(*(rule(f"r{at}", check=check, more="actions = ['register']\n") for at, check in enumerate(checks)))
    decision = decide(Action.REGISTER, Case(made(), None, AT, Settings("r", "r")), (found,))
    fixes = {one.rule: one.fix for one in decision.findings if one.outcome not in ("pass", "not_applicable")}
    limit = "helixctl register m@1.0.0 --set limits.context_window=VALUE"
    assert fixes == {"r0": limit, "r1": "leave register out of the rule's actions", "r2": limit}
