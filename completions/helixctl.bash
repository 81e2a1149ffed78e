# bash completion for helixctl; made by: helixctl completion bash
_helixctl_refs() { helixctl __complete "${registry[@]}" "$cur" 2>/dev/null; }
_helixctl_models() { _helixctl_refs | grep -v @; }
_helixctl() {
  local cur="${COMP_LINE:0:COMP_POINT}" line=() words="" options="" kind=none most=0 command="" prev="" value="" registry=() typed offers offer word
  read -a typed <<< "$cur"; [[ "$cur" == *[^\\]" " ]] && typed+=("")  # without -r, for \ before a space
  for word in "${typed[@]}"; do
    if [[ "$word" == --*=* ]]; then line+=("${word%%=*}" "${word#*=}"); else line+=("$word"); fi
  done
  cur="${line[${#line[@]}-1]}"; (( ${#line[@]} > 1 )) && prev="${line[${#line[@]}-2]}"
  local i=1 count=${#line[@]} seen=0
  (( count > 2 )) && { command="${line[1]}"; i=2; }
  case "$command" in
    audit|policy|schedule|override) (( count > 3 )) && { command+=" ${line[2]}"; i=3; } ;;
  esac
  for (( ; i < count - 1; i++ )); do
    case "${line[i]}" in
      -C|--registry) registry=(-C "${line[i+1]/#~\//$HOME/}"); (( i++ )) ;;
      --action|--actor|--against|--as-of|--at|--baseline|--baseline-from|--color|--confidence|--confirm|--connect|--cost|--dataset|--display-name|--engine|--eol|--error|--expect|--expires|--fields|--file|--for|--format|--framework|--from|--grace-days|--input-tokens|--keep|--latency-ms|--limit|--look|--map|--margin|--migration-guide|--model|--name|--not-after|--outcome|--output|--output-tokens|--override|--provider|--provider-model-id|--reason|--region|--registry|--replacement|--scorer|--set|--severity|--since|--summary|--table|--tag|--to|--ts|--unset|--until|--version|--weight|--where|--window|-C|-f|-n|-o) (( i++ )) ;;
      -*) ;;
      *) (( seen++ )) ;;
    esac
  done
  case "$command" in
    "") words="init demo completion help register update promote activate deactivate rollback deprecate retire block unblock adopt sweep schedule check policy approve reject withdraw approvals override record evaluate compare list show status diff history audit verify reconcile" ;;
      audit) words="log export verify report checkpoint archive restore-archive" ;;
      policy) words="list lint explain test" ;;
      schedule) words="list cancel" ;;
      override) words="list review" ;;
    "init") options="--help -h --name --with-defaults -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --actor --dry-run"; kind=dir; most=1 ;;
    "demo") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=dir; most=1 ;;
    "completion") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=choice; most=1 ;;
    "help") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=choice; most=99 ;;
    "register") options="--help -h -f --file --provider --provider-model-id --display-name --tag --set -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "update") options="--help -h --set --unset -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "promote") options="--help -h --to --weight -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "activate") options="--help -h --at --not-after -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "deactivate") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "rollback") options="--help -h --to -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=model; most=1 ;;
    "deprecate") options="--help -h --eol --grace-days --replacement --migration-guide --allow-new-deployments --no-new-deployments --cancel -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "retire") options="--help -h --yes -y --confirm -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "block") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "unblock") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "adopt") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run --override"; kind=ref; most=1 ;;
    "sweep") options="--help -h --as-of --exit-code --yes -y -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=none; most=0 ;;
    "schedule list") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=none; most=0 ;;
    "schedule cancel") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=none; most=1 ;;
    "check") options="--help -h --for --region -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary"; kind=ref; most=1 ;;
    "policy list") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=none; most=0 ;;
    "policy lint") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary"; kind=file; most=99 ;;
    "policy explain") options="--help -h --for --region -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=ref; most=1 ;;
    "policy test") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary"; kind=file; most=99 ;;
    "approve") options="--help -h --for --expires --sign -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run"; kind=ref; most=1 ;;
    "reject") options="--help -h --for --sign -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run"; kind=ref; most=1 ;;
    "withdraw") options="--help -h --sign -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --expect --dry-run"; kind=none; most=2 ;;
    "approvals") options="--help -h --for -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=ref; most=1 ;;
    "override list") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=none; most=0 ;;
    "override review") options="--help -h --sign -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=none; most=1 ;;
    "record") options="--help -h --latency-ms --failed --confidence --input-tokens --output-tokens --cost --error --region --ts --sync -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=ref; most=1 ;;
    "evaluate") options="--help -h --from --dataset --scorer --window --baseline --baseline-from --margin --look --recheck -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary --reason --actor --expect --dry-run --format --map --since --until --where --engine --connect --table"; kind=ref; most=1 ;;
    "compare") options="--help -h --from --baseline-from --margin --look -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary --format --map --since --until --where --engine --connect --table"; kind=ref; most=2 ;;
    "list") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=model; most=1 ;;
    "show") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=ref; most=1 ;;
    "status") options="--help -h --at -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=model; most=1 ;;
    "diff") options="--help -h --exit-code -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=ref; most=2 ;;
    "history") options="--help -h --at --limit -n -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=ref; most=1 ;;
    "audit log") options="--help -h --model --version --action --severity --outcome --actor --region --since --until --at --limit -n --follow -f -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=none; most=0 ;;
    "audit export") options="--help -h --model --version --action --severity --outcome --actor --region --since --until --at -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=none; most=0 ;;
    "audit verify") options="--help -h --against --file -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary"; kind=none; most=0 ;;
    "audit report") options="--help -h --since --until --model --framework --against -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input"; kind=none; most=0 ;;
    "audit checkpoint") options="--help -h --sign --no-sign -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=none; most=0 ;;
    "audit archive") options="--help -h --to --check --yes -y -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=none; most=0 ;;
    "audit restore-archive") options="--help -h -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run"; kind=dir; most=1 ;;
    "verify") options="--help -h --against -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --summary"; kind=none; most=0 ;;
    "reconcile") options="--help -h --keep --yes -y -C --registry -o --output --fields -q --quiet -v --verbose --color --no-input --reason --actor --dry-run --override"; kind=model; most=1 ;;
  esac
  case "$command $prev" in
    "init -o") words="text json" ;;
    "init --output") words="text json" ;;
    "init --color") words="auto always never" ;;
    "demo -o") words="text" ;;
    "demo --output") words="text" ;;
    "demo --color") words="auto always never" ;;
    "completion -o") words="text" ;;
    "completion --output") words="text" ;;
    "completion --color") words="auto always never" ;;
    "help -o") words="text" ;;
    "help --output") words="text" ;;
    "help --color") words="auto always never" ;;
    "register -o") words="text json" ;;
    "register --output") words="text json" ;;
    "register --color") words="auto always never" ;;
    "register -f") value=file ;;
    "register --file") value=file ;;
    "update -o") words="text json" ;;
    "update --output") words="text json" ;;
    "update --color") words="auto always never" ;;
    "promote --to") words="testing canary active" ;;
    "promote -o") words="text json" ;;
    "promote --output") words="text json" ;;
    "promote --color") words="auto always never" ;;
    "activate -o") words="text json" ;;
    "activate --output") words="text json" ;;
    "activate --color") words="auto always never" ;;
    "deactivate -o") words="text json" ;;
    "deactivate --output") words="text json" ;;
    "deactivate --color") words="auto always never" ;;
    "rollback -o") words="text json" ;;
    "rollback --output") words="text json" ;;
    "rollback --color") words="auto always never" ;;
    "deprecate -o") words="text json" ;;
    "deprecate --output") words="text json" ;;
    "deprecate --color") words="auto always never" ;;
    "deprecate --replacement") value=ref ;;
    "retire -o") words="text json" ;;
    "retire --output") words="text json" ;;
    "retire --color") words="auto always never" ;;
    "retire --confirm") value=ref ;;
    "block -o") words="text json" ;;
    "block --output") words="text json" ;;
    "block --color") words="auto always never" ;;
    "unblock -o") words="text json" ;;
    "unblock --output") words="text json" ;;
    "unblock --color") words="auto always never" ;;
    "adopt -o") words="text json" ;;
    "adopt --output") words="text json" ;;
    "adopt --color") words="auto always never" ;;
    "sweep -o") words="text json" ;;
    "sweep --output") words="text json" ;;
    "sweep --color") words="auto always never" ;;
    "schedule list -o") words="text json ndjson csv plain" ;;
    "schedule list --output") words="text json ndjson csv plain" ;;
    "schedule list --color") words="auto always never" ;;
    "schedule cancel -o") words="text json" ;;
    "schedule cancel --output") words="text json" ;;
    "schedule cancel --color") words="auto always never" ;;
    "check --for") words="register update adopt testing canary activate deactivate rollback deprecate retire block unblock reconcile import" ;;
    "check -o") words="text json github junit sarif gitlab markdown" ;;
    "check --output") words="text json github junit sarif gitlab markdown" ;;
    "check --color") words="auto always never" ;;
    "check --summary") value=file ;;
    "policy list -o") words="text json" ;;
    "policy list --output") words="text json" ;;
    "policy list --color") words="auto always never" ;;
    "policy lint -o") words="text json github junit sarif gitlab markdown" ;;
    "policy lint --output") words="text json github junit sarif gitlab markdown" ;;
    "policy lint --color") words="auto always never" ;;
    "policy lint --summary") value=file ;;
    "policy explain --for") words="register update adopt testing canary activate deactivate rollback deprecate retire block unblock reconcile import" ;;
    "policy explain -o") words="text json" ;;
    "policy explain --output") words="text json" ;;
    "policy explain --color") words="auto always never" ;;
    "policy test -o") words="text json github junit sarif gitlab markdown" ;;
    "policy test --output") words="text json github junit sarif gitlab markdown" ;;
    "policy test --color") words="auto always never" ;;
    "policy test --summary") value=file ;;
    "approve --for") words="register update adopt testing canary activate deactivate rollback deprecate retire block unblock reconcile import" ;;
    "approve -o") words="text json" ;;
    "approve --output") words="text json" ;;
    "approve --color") words="auto always never" ;;
    "reject --for") words="register update adopt testing canary activate deactivate rollback deprecate retire block unblock reconcile import" ;;
    "reject -o") words="text json" ;;
    "reject --output") words="text json" ;;
    "reject --color") words="auto always never" ;;
    "withdraw -o") words="text json" ;;
    "withdraw --output") words="text json" ;;
    "withdraw --color") words="auto always never" ;;
    "approvals --for") words="register update adopt testing canary activate deactivate rollback deprecate retire block unblock reconcile import" ;;
    "approvals -o") words="text json ndjson csv plain" ;;
    "approvals --output") words="text json ndjson csv plain" ;;
    "approvals --color") words="auto always never" ;;
    "override list -o") words="text json ndjson csv plain" ;;
    "override list --output") words="text json ndjson csv plain" ;;
    "override list --color") words="auto always never" ;;
    "override review -o") words="text json" ;;
    "override review --output") words="text json" ;;
    "override review --color") words="auto always never" ;;
    "record -o") words="text json" ;;
    "record --output") words="text json" ;;
    "record --color") words="auto always never" ;;
    "evaluate -o") words="text json csv github junit sarif gitlab markdown" ;;
    "evaluate --output") words="text json csv github junit sarif gitlab markdown" ;;
    "evaluate --color") words="auto always never" ;;
    "evaluate --format") words="native parquet otlp otel-metrics litellm langfuse openai-batch promptfoo inspect lm-eval dataset json csv" ;;
    "evaluate --engine") words="python duckdb ibis prometheus" ;;
    "evaluate --from") value=file ;;
    "evaluate --dataset") value=file ;;
    "evaluate --baseline") value=ref ;;
    "evaluate --baseline-from") value=file ;;
    "evaluate --summary") value=file ;;
    "compare -o") words="text json csv github junit sarif gitlab markdown" ;;
    "compare --output") words="text json csv github junit sarif gitlab markdown" ;;
    "compare --color") words="auto always never" ;;
    "compare --format") words="native parquet otlp otel-metrics litellm langfuse openai-batch promptfoo inspect lm-eval dataset json csv" ;;
    "compare --engine") words="python duckdb ibis prometheus" ;;
    "compare --from") value=file ;;
    "compare --baseline-from") value=file ;;
    "compare --summary") value=file ;;
    "list -o") words="text json ndjson csv plain" ;;
    "list --output") words="text json ndjson csv plain" ;;
    "list --color") words="auto always never" ;;
    "show -o") words="text json" ;;
    "show --output") words="text json" ;;
    "show --color") words="auto always never" ;;
    "status -o") words="text json ndjson csv plain" ;;
    "status --output") words="text json ndjson csv plain" ;;
    "status --color") words="auto always never" ;;
    "diff -o") words="text json ndjson csv plain" ;;
    "diff --output") words="text json ndjson csv plain" ;;
    "diff --color") words="auto always never" ;;
    "history -o") words="text json ndjson csv plain" ;;
    "history --output") words="text json ndjson csv plain" ;;
    "history --color") words="auto always never" ;;
    "audit log --action") words="registry.initialized registry.restored registry.reconciled config.updated policy.updated thresholds.updated version.registered version.updated version.adopted version.promoted version.activated version.deactivated version.deprecated version.retired version.rolled_back version.blocked version.unblocked canary.started canary.ended deployment.denied deployment.failed deployment.scheduled deployment.expired approval.granted approval.rejected approval.withdrawn override.used override.reviewed evaluation.completed evaluation.failed metrics.updated threshold.violated quality.degraded eol.warned catalogue.imported backup.created audit.archived audit.checkpointed notification.failed" ;;
    "audit log --severity") words="debug info warning error critical" ;;
    "audit log --outcome") words="success denied failed" ;;
    "audit log -o") words="text json ndjson csv plain" ;;
    "audit log --output") words="text json ndjson csv plain" ;;
    "audit log --color") words="auto always never" ;;
    "audit log --model") value=model ;;
    "audit export --action") words="registry.initialized registry.restored registry.reconciled config.updated policy.updated thresholds.updated version.registered version.updated version.adopted version.promoted version.activated version.deactivated version.deprecated version.retired version.rolled_back version.blocked version.unblocked canary.started canary.ended deployment.denied deployment.failed deployment.scheduled deployment.expired approval.granted approval.rejected approval.withdrawn override.used override.reviewed evaluation.completed evaluation.failed metrics.updated threshold.violated quality.degraded eol.warned catalogue.imported backup.created audit.archived audit.checkpointed notification.failed" ;;
    "audit export --severity") words="debug info warning error critical" ;;
    "audit export --outcome") words="success denied failed" ;;
    "audit export -o") words="ndjson json csv ecs ocsf cloudevents" ;;
    "audit export --output") words="ndjson json csv ecs ocsf cloudevents" ;;
    "audit export --color") words="auto always never" ;;
    "audit export --model") value=model ;;
    "audit verify -o") words="text json github junit sarif gitlab markdown" ;;
    "audit verify --output") words="text json github junit sarif gitlab markdown" ;;
    "audit verify --color") words="auto always never" ;;
    "audit verify --file") value=file ;;
    "audit verify --summary") value=file ;;
    "audit report --framework") words="soc2 iso42001 eu-ai-act nist-ai-rmf" ;;
    "audit report -o") words="text json markdown html" ;;
    "audit report --output") words="text json markdown html" ;;
    "audit report --color") words="auto always never" ;;
    "audit report --model") value=model ;;
    "audit checkpoint -o") words="text json" ;;
    "audit checkpoint --output") words="text json" ;;
    "audit checkpoint --color") words="auto always never" ;;
    "audit archive -o") words="text json" ;;
    "audit archive --output") words="text json" ;;
    "audit archive --color") words="auto always never" ;;
    "audit archive --to") value=dir ;;
    "audit restore-archive -o") words="text json" ;;
    "audit restore-archive --output") words="text json" ;;
    "audit restore-archive --color") words="auto always never" ;;
    "verify -o") words="text json github junit sarif gitlab markdown" ;;
    "verify --output") words="text json github junit sarif gitlab markdown" ;;
    "verify --color") words="auto always never" ;;
    "verify --summary") value=file ;;
    "reconcile -o") words="text json" ;;
    "reconcile --output") words="text json" ;;
    "reconcile --color") words="auto always never" ;;
    "reconcile --keep") value=ref ;;
    *" -C"|*" --registry") value=dir ;;
    *)
      if [[ "$cur" == -* ]]; then words="$options"
      elif [[ "$prev" == -* && "|--action|--actor|--against|--as-of|--at|--baseline|--baseline-from|--color|--confidence|--confirm|--connect|--cost|--dataset|--display-name|--engine|--eol|--error|--expect|--expires|--fields|--file|--for|--format|--framework|--from|--grace-days|--input-tokens|--keep|--latency-ms|--limit|--look|--map|--margin|--migration-guide|--model|--name|--not-after|--outcome|--output|--output-tokens|--override|--provider|--provider-model-id|--reason|--region|--registry|--replacement|--scorer|--set|--severity|--since|--summary|--table|--tag|--to|--ts|--unset|--until|--version|--weight|--where|--window|-C|-f|-n|-o|" == *"|$prev|"* ]]; then return
      elif (( seen < most )); then value=$kind
      fi ;;
  esac
  COMPREPLY=()
  case "$value" in
    ref) words="$(_helixctl_refs)" ;;
    model) words="$(_helixctl_models)" ;;
    dir|file)
      compopt -o filenames 2>/dev/null
      while IFS= read -r offer; do COMPREPLY+=("$offer"); done < <(compgen "-${value:0:1}" -- "$cur")
      return ;;
    choice)
      case "$command" in
        "completion") words="bash zsh fish powershell" ;;
        "help") words="init demo completion help register update promote activate deactivate rollback deprecate retire block unblock adopt sweep schedule check policy approve reject withdraw approvals override record evaluate compare list show status diff history audit verify reconcile HX101 HX201 HX202 HX203 HX401 HX501 HX502 HX503 HX504 HX505 HX506 HX601 HX602 HX603 HX801 HX802 HX901" ;;
      esac ;;
  esac
  read -r -d '' -a offers <<< "$words"  # not by compgen -W, which obeys what words may hold
  for offer in "${offers[@]}"; do [[ "$offer" == "$cur"* ]] && COMPREPLY+=("$offer"); done
  local cut="${cur%"${cur##*[@:=]}"}"
  if [[ -n "$cut" && "$COMP_WORDBREAKS" == *"${cut: -1}"* ]]; then
    shopt -q hostcomplete && cut="${cut%@}"  # readline then replaces the @ with what follows it
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
  fi
  [[ "$word" == --*=* && "$COMP_WORDBREAKS" != *=* ]] && COMPREPLY=("${COMPREPLY[@]/#/"${word%%=*}="}")
  [[ "${COMPREPLY[*]}" == *[@/] ]] && compopt -o nospace 2>/dev/null
}
complete -F _helixctl helixctl
