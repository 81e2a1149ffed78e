"""Completion scripts for four shells, made from the command tree; references are asked of `helixctl __complete`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from helixctl.cli import app, menu
from helixctl.errors import leaves

TOPICS = (*menu.COMMANDS, *(one.code for one in leaves()))
"""What `helixctl help` explains."""
KINDS = {
    **dict.fromkeys(("REF", "CANDIDATE", "BASELINE"), "ref"),
    **dict.fromkeys(("FILE", "SOURCE"), "file"),
    "MODEL": "model",
    "DIR": "dir",
}
"""What an argument, or the value of an option, is by what help calls it; a model is a reference without a version."""
REGISTRY = ("-C", "--registry")
MANY = 99
"""So many arguments are as many as one likes."""


@dataclass(frozen=True, slots=True)
class Words:
    """A command as a shell sees it: its words, purpose, options, what each option takes, its arguments' kind and number.

    `kinds` has that of options, but for REGISTRY.
    """

    path: tuple[str, ...]
    summary: str
    options: tuple[tuple[str, str], ...]
    choices: dict[str, tuple[str, ...]]
    takes_value: frozenset[str]
    kinds: dict[str, str]
    argument: str
    arguments: int

    @property
    def name(self) -> str:
        """The words joined by a space."""
        return " ".join(self.path)


def words() -> list[Words]:
    """Return every command of the tree."""
    return list(_walk((), menu.COMMANDS))


def _walk(path: tuple[str, ...], table: dict[str, menu.Entry]) -> Iterator[Words]:
    for name, entry in table.items():
        if name in menu.GROUPS and not path:
            yield from _walk((name,), menu.GROUPS[name])
        else:
            yield _words((*path, name), entry, app.command(name, entry))


def _words(path: tuple[str, ...], entry: menu.Entry, command: Any) -> Words:
    options = [("--help", "Show the help."), ("-h", "Show the help.")]
    choices: dict[str, tuple[str, ...]] = {}
    takes_value, kinds = set[str](), dict[str, str]()
    argument, arguments = "none", 0
    for param in command.params:
        if param.param_type_name == "argument":
            argument, arguments = _argument(param), arguments + (1 if param.nargs == 1 else MANY)
            if argument == "choice":
                choices["argument"] = tuple(map(str, getattr(param.type, "choices", TOPICS)))
            continue
        names = [*param.opts, *param.secondary_opts]
        options += [(name, param.help or "") for name in names]
        if not param.is_flag:
            takes_value.update(names)
            kinds |= {name: KINDS[param.metavar] for name in names if param.metavar in KINDS and name not in REGISTRY}
            offered = _choices(param, entry)
            choices |= dict.fromkeys(names, offered) if offered else {}
    return Words(path, entry.summary, tuple(options), choices, frozenset(takes_value), kinds, argument, arguments)


def _argument(param: Any) -> str:
    metavar = (param.metavar or "").strip("[].")
    is_choice = hasattr(param.type, "choices") or metavar == "COMMAND|CODE"
    return "choice" if is_choice else KINDS.get(metavar, "none")


def _choices(param: Any, entry: menu.Entry) -> tuple[str, ...]:
    from helixctl.core.audit import ACTIONS, OUTCOMES, SEVERITIES
    from helixctl.core.frameworks import FRAMEWORKS
    from helixctl.core.lifecycle import Action
    from helixctl.engines import ENGINES
    from helixctl.engines.readers import READERS

    known: dict[str, tuple[str, ...]] = {
        "output": entry.formats,
        "color": ("auto", "always", "never"),
        "severity": SEVERITIES,
        "outcome": OUTCOMES,
        "engine": tuple(ENGINES),
        "format": tuple(READERS),
        "framework": tuple(FRAMEWORKS),
    }
    known["action"] = tuple(ACTIONS) if "--action" in param.opts else tuple(Action)
    if hasattr(param.type, "choices"):
        return tuple(map(str, param.type.choices))
    return known.get(param.name, ())


def script(shell: str) -> str:
    """Return the completion script of bash, zsh, fish or powershell."""
    return _SCRIPTS[shell](words())


def _tops() -> dict[str, str]:
    return {name: entry.summary for name, entry in menu.COMMANDS.items()}


def _bash(commands: list[Words]) -> str:
    cases, values, arguments = [], [], []
    for one in commands:
        options = " ".join(name for name, _ in one.options)
        cases.append(f'    "{one.name}") options="{options}"; kind={one.argument}; most={one.arguments} ;;')
        for name, offered in one.choices.items():
            words = f'words="{" ".join(offered)}" ;;'
            if name == "argument":
                arguments.append(f'        "{one.name}") {words}')
            else:
                values.append(f'    "{one.name} {name}") {words}')
        values += [f'    "{one.name} {name}") value={kind} ;;' for name, kind in one.kinds.items()]
    return _BASH.format(
        tops=" ".join(_tops()),
        groups="|".join(menu.GROUPS),
        subs="\n".join(f'      {name}) words="{" ".join(table)}" ;;' for name, table in menu.GROUPS.items()),
        cases="\n".join(cases),
        values="\n".join(values),
        arguments="\n".join(arguments),
        valued="|".join(sorted({name for one in commands for name in one.takes_value})),
    )


_BASH = """\
# bash completion for helixctl; made by: helixctl completion bash
_helixctl_refs() {{ helixctl __complete "${{registry[@]}}" "$cur" 2>/dev/null; }}
_helixctl_models() {{ _helixctl_refs | grep -v @; }}
_helixctl() {{
  local cur="${{COMP_LINE:0:COMP_POINT}}" line=() words="" options="" kind=none most=0 command="" prev="" value="" registry=() typed offers offer word
  read -a typed <<< "$cur"; [[ "$cur" == *[^\\\\]" " ]] && typed+=("")  # without -r, for \\ before a space
  for word in "${{typed[@]}}"; do
    if [[ "$word" == --*=* ]]; then line+=("${{word%%=*}}" "${{word#*=}}"); else line+=("$word"); fi
  done
  cur="${{line[${{#line[@]}}-1]}}"; (( ${{#line[@]}} > 1 )) && prev="${{line[${{#line[@]}}-2]}}"
  local i=1 count=${{#line[@]}} seen=0
  (( count > 2 )) && {{ command="${{line[1]}}"; i=2; }}
  case "$command" in
    {groups}) (( count > 3 )) && {{ command+=" ${{line[2]}}"; i=3; }} ;;
  esac
  for (( ; i < count - 1; i++ )); do
    case "${{line[i]}}" in
      -C|--registry) registry=(-C "${{line[i+1]/#~\\//$HOME/}}"); (( i++ )) ;;
      {valued}) (( i++ )) ;;
      -*) ;;
      *) (( seen++ )) ;;
    esac
  done
  case "$command" in
    "") words="{tops}" ;;
{subs}
{cases}
  esac
  case "$command $prev" in
{values}
    *" -C"|*" --registry") value=dir ;;
    *)
      if [[ "$cur" == -* ]]; then words="$options"
      elif [[ "$prev" == -* && "|{valued}|" == *"|$prev|"* ]]; then return
      elif (( seen < most )); then value=$kind
      fi ;;
  esac
  COMPREPLY=()
  case "$value" in
    ref) words="$(_helixctl_refs)" ;;
    model) words="$(_helixctl_models)" ;;
    dir|file)
      compopt -o filenames 2>/dev/null
      while IFS= read -r offer; do COMPREPLY+=("$offer"); done < <(compgen "-${{value:0:1}}" -- "$cur")
      return ;;
    choice)
      case "$command" in
{arguments}
      esac ;;
  esac
  read -r -d '' -a offers <<< "$words"  # not by compgen -W, which obeys what words may hold
  for offer in "${{offers[@]}}"; do [[ "$offer" == "$cur"* ]] && COMPREPLY+=("$offer"); done
  local cut="${{cur%"${{cur##*[@:=]}}"}}"
  if [[ -n "$cut" && "$COMP_WORDBREAKS" == *"${{cut: -1}}"* ]]; then
    shopt -q hostcomplete && cut="${{cut%@}}"  # readline then replaces the @ with what follows it
    COMPREPLY=("${{COMPREPLY[@]#"$cut"}}")
  fi
  [[ "$word" == --*=* && "$COMP_WORDBREAKS" != *=* ]] && COMPREPLY=("${{COMPREPLY[@]/#/"${{word%%=*}}="}}")
  [[ "${{COMPREPLY[*]}}" == *[@/] ]] && compopt -o nospace 2>/dev/null
}}
complete -F _helixctl helixctl
"""


def _zsh(commands: list[Words]) -> str:
    cases = []
    for one in commands:
        rows = [f"        {_quoted(_zsh_option(one, name, text))}" for name, text in one.options]
        offers = f"{one.argument}:{_ZSH_KINDS[one.argument]}" if one.argument in _ZSH_KINDS else ""
        if one.argument == "choice":
            offers = f"choice:({' '.join(one.choices['argument'])})"
        places = ["*"] if one.arguments >= MANY else range(1, one.arguments + 1)
        rows += [f"        {_quoted(f'{at}:{offers}')}" for at in places if offers]
        cases.append(f"      {_quoted(one.name)}) _arguments -s \\\n" + " \\\n".join(rows) + " ;;")
    return _ZSH.format(
        tops="\n".join(f"    {_quoted(f'{name}:{text}')}" for name, text in _tops().items()),
        groups="|".join(menu.GROUPS),
        subs="\n".join(f"    {name}) subs=({' '.join(table)}) ;;" for name, table in menu.GROUPS.items()),
        cases="\n".join(cases),
    )


_ZSH_KINDS = {"ref": "_helixctl_refs", "model": "_helixctl_models", "dir": "_files -/", "file": "_files"}


def _zsh_option(one: Words, name: str, text: str) -> str:
    plain = text.replace("[", "(").replace("]", ")").replace(":", ";")
    if name not in one.takes_value:
        return f"{name}[{plain}]"
    kind = "dir" if name in REGISTRY else one.kinds.get(name, "none")
    offered = f"({' '.join(one.choices[name])})" if name in one.choices else _ZSH_KINDS.get(kind, "")
    joined = "=" if name.startswith("--") else ""
    return f"*{name}{joined}[{plain}]:value:{offered}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_ZSH = """\
#compdef helixctl
# zsh completion for helixctl; made by: helixctl completion zsh
_helixctl_refs() {{
  local -a refs registry
  local at=${{words[(I)(-C|--registry)]}} joined=${{words[(I)--registry=*]}}
  (( at )) && registry=(-C "${{(Q)words[at+1]}}")
  (( joined )) && registry=(-C "${{(Q)words[joined]#--registry=}}")
  refs=("${{(@f)$(helixctl __complete $registry "$PREFIX" 2>/dev/null)}}")
  (( $# )) && refs=("${{(@)refs:#${{~1}}}}")
  compadd -S '' -a refs
}}
_helixctl_models() {{ _helixctl_refs '*@*'; }}
_helixctl() {{
  local -a commands subs
  commands=(
{tops}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command="${{words[2]}}"
  case "$command" in
{subs}
  esac
  if (( ${{#subs}} )); then
    if (( CURRENT == 3 )); then compadd -a subs; return; fi
    command="$command ${{words[3]}}"; shift words; (( CURRENT-- ))
  fi
  shift words; (( CURRENT-- ))
  case "$command" in
{cases}
  esac
}}
if [[ "${{funcstack[1]}}" == _helixctl ]]; then _helixctl "$@"; else compdef _helixctl helixctl; fi
"""


def _fish(commands: list[Words]) -> str:
    lines = ["# fish completion for helixctl; made by: helixctl completion fish", _FISH, "complete -c helixctl -f"]
    for name, text in _tops().items():
        lines.append(f"complete -c helixctl -n __fish_use_subcommand -a {name} -d {_fish_quoted(text)}")
    for name, table in menu.GROUPS.items():
        for sub, entry in table.items():
            unseen = f"__fish_seen_subcommand_from {name}; and not __fish_seen_subcommand_from {' '.join(table)}"
            lines.append(f"complete -c helixctl -n '{unseen}' -a {sub} -d {_fish_quoted(entry.summary)}")
    for one in commands:
        lines += _fish_command(one)
    return "\n".join(lines) + "\n"


_FISH_KINDS = {
    "ref": "-a '(__helixctl_refs)'",
    "model": "-a '(__helixctl_models)'",
    "dir": "-a '(__fish_complete_directories)'",
    "file": "-F",
}


def _fish_command(one: Words) -> Iterator[str]:
    seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in one.path)
    if len(one.path) == 1:
        seen += f"; and not __fish_seen_subcommand_from {' '.join(menu.GROUPS)}"
    if one.argument == "choice":
        yield f"complete -c helixctl -n '{seen}' -a '{' '.join(one.choices['argument'])}'"
    elif one.argument in _FISH_KINDS:
        yield f"complete -c helixctl -n '{seen}' {_FISH_KINDS[one.argument]}"
    for name, text in one.options:
        flag = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
        kind = "dir" if name in REGISTRY else one.kinds.get(name, "none")
        offered = f"-a '{' '.join(one.choices[name])}'" if name in one.choices else _FISH_KINDS.get(kind, "")
        value = f" {'-r' if kind == 'file' else '-x'} {offered}".rstrip() if name in one.takes_value else ""
        yield f"complete -c helixctl -n '{seen}' {flag}{value} -d {_fish_quoted(text)}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_FISH = """\
function __helixctl_refs
  set -l before
  set -l registry
  for token in (commandline -opc)
    contains -- "$before" -C --registry; and set registry -C $token
    string match -q -- '--registry=*' $token; and set registry -C (string replace -- --registry= '' $token)
    set before $token
  end
  helixctl __complete $registry (string replace -r -- '^--[a-z-]+=' '' (commandline -ct)) 2>/dev/null
end
function __helixctl_models
  __helixctl_refs | string match -v '*@*'
end"""


def _powershell(commands: list[Words]) -> str:
    rows = []
    for one in commands:
        options = ", ".join(_ps_quoted(name) for name, _ in one.options)
        values = "; ".join(f"{_ps_quoted(name)} = @({_ps_list(offered)})" for name, offered in one.choices.items())
        refs = "; ".join(f"{_ps_quoted(name)} = '{kind}'" for name, kind in one.kinds.items())
        rows.append(
            f"  {_ps_quoted(one.name)} = @{{ options = @({options}); kind = '{one.argument}'; "
            f"refs = @{{ {refs} }}; values = @{{ {values} }} }}"
        )
    groups = "; ".join(f"{_ps_quoted(name)} = @({_ps_list(tuple(table))})" for name, table in menu.GROUPS.items())
    return _POWERSHELL.format(tops=_ps_list(tuple(_tops())), groups=groups, commands="\n".join(rows))


def _ps_list(items: tuple[str, ...]) -> str:
    return ", ".join(_ps_quoted(item) for item in items)


def _ps_quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_POWERSHELL = """\
# PowerShell completion for helixctl; made by: helixctl completion powershell
$helixctlGroups = @{{ {groups} }}
$helixctlCommands = @{{
{commands}
}}
Register-ArgumentCompleter -Native -CommandName helixctl -ScriptBlock {{
  param($word, $ast, $position)
  $typed = @($ast.CommandElements | Where-Object {{ $_.Extent.EndOffset -lt $position }} | ForEach-Object {{ "$_" }})
  $name = if ($typed.Count -gt 1) {{ $typed[1] }} else {{ '' }}
  if (-not $name) {{ $offers = @({tops}) }}
  elseif ($helixctlGroups.ContainsKey($name) -and $typed.Count -lt 3) {{ $offers = $helixctlGroups[$name] }}
  else {{
    if ($helixctlGroups.ContainsKey($name)) {{ $name = "$name $($typed[2])" }}
    $command = $helixctlCommands[$name]
    $previous = $typed[-1]
    $kind = if ($command.refs.ContainsKey($previous)) {{ $command.refs[$previous] }} else {{ $command.kind }}
    $at = [Math]::Max([array]::IndexOf($typed, '-C'), [array]::IndexOf($typed, '--registry'))
    $registry = if ($at -ge 0 -and $at + 1 -lt $typed.Count) {{ @('-C', $typed[$at + 1]) }} else {{ @() }}
    if ($command.values.ContainsKey($previous)) {{ $offers = $command.values[$previous] }}
    elseif ($word -like '-*') {{ $offers = $command.options }}
    elseif ($kind -in 'ref', 'model') {{
      $offers = @(helixctl __complete @registry $word 2>$null | Where-Object {{ $kind -eq 'ref' -or $_ -notlike '*@*' }})
    }}
    elseif ($command.kind -eq 'choice') {{ $offers = $command.values['argument'] }}
    else {{ $offers = @() }}
  }}
  $offers | Where-Object {{ $_ -like "$word*" }} | ForEach-Object {{
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }}
}}
"""

_SCRIPTS: dict[str, Callable[[list[Words]], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
    "powershell": _powershell,
}
FILES = {"bash": "helixctl.bash", "zsh": "_helixctl", "fish": "helixctl.fish", "powershell": "helixctl.ps1"}
"""The file in `completions/` of each shell."""
