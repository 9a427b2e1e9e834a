/**
 * `mptcpize completions`: scripts for shells, made from the table of commands.
 *
 * @module
 */

import { UsageError } from "../mod.ts";
import { COMMANDS, type CommandSpec, type FlagSpec } from "./commands.ts";
import type { Env } from "./env.ts";

/** A flag's names as they are written: the long one, then the short one. */
function flagNames(flag: FlagSpec): string[] {
  return [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
}

/** The names of flags whose value is the next word. */
function valueNames(commands: readonly CommandSpec[]): string[] {
  const flags = commands.flatMap((command) => command.flags)
    .filter((flag) => flag.value && !flag.optional);
  return [...new Set(flags.flatMap(flagNames))];
}

/** Commands whose first operand is a command of the system. */
const TAKERS = COMMANDS.filter((command) => command.takesCommand);

/** The words for systemctl that list units, as its own completions do; the types come behind. */
const LIST_UNITS = "--full --no-legend --no-pager --plain";

function bash(): string {
  const flags = COMMANDS.map((command) =>
    `    ${command.name}) flags="${command.flags.flatMap(flagNames).join(" ")}" ;;`
  );
  const values = COMMANDS.flatMap((command) =>
    command.flags.filter((flag) => flag.value && !flag.optional).map((flag) => {
      const names = flagNames(flag).map((name) => `"${command.name} ${name}"`).join("|");
      const words = flag.units !== undefined
        ? `_mptcpize_units ${flag.units} "$2"; `
        : flag.choices !== undefined
        ? `COMPREPLY=($(compgen -W "${flag.choices.join(" ")}" -- "$2")); `
        : "";
      return `    ${names}) ${words}return ;;`;
    })
  );
  const operands = [
    `${TAKERS.map(({ name }) => name).join("|")}) COMPREPLY=($(compgen -c -- "$2")) ;;`,
    'completions) COMPREPLY=($(compgen -W "bash zsh fish" -- "$2")) ;;',
    ...COMMANDS.filter(({ units }) => units !== undefined)
      .map(({ name, units }) => `${name}) _mptcpize_units ${units} "$2" ;;`),
  ];
  return `# bash completion of mptcpize: source <(mptcpize completions bash)
_mptcpize_units() {
  type -P systemctl >/dev/null || return
  # An @ may be the end of a word to bash, and is not to systemd.
  local typed="\${COMP_LINE:0:COMP_POINT}" scope=--system name state
  typed="\${typed##*[[:blank:]]}"
  [[ " \${COMP_WORDS[*]} " == *" --user "* ]] && scope=--user
  while read -r name state _; do
    case "$state $name" in
      masked\\ *|not-found\\ *) ;;
      *\\ "$typed"*) COMPREPLY+=("\${name#"\${typed%"$2"}"}") ;;
    esac
  done < <({
    systemctl $scope ${LIST_UNITS} --type="$1" list-unit-files -- "$typed*"
    systemctl $scope ${LIST_UNITS} --all --type="$1" list-units -- "$typed*"
  } </dev/null 2>/dev/null)
  compopt -o filenames 2>/dev/null
}
_mptcpize() {
  local before="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}" flags="" index
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${
    COMMANDS.map((command) => command.name).join(" ")
  } --help --version" -- "$2"))
    return
  fi
  # Behind the first operand it is the other command's turn.
  case "$command" in ${TAKERS.map(({ name }) => name).join("|")})
    for ((index = 2; index < COMP_CWORD; index++)); do
      case "\${COMP_WORDS[index]}" in
        ${valueNames(TAKERS).join("|")}) ((index++)) ;;
        --) ((index++)); break ;;
        -*) ;;
        *) break ;;
      esac
    done
    if ((index < COMP_CWORD)); then
      if declare -F _command_offset >/dev/null; then _command_offset "$index"; fi
      return
    fi
    ;;
  esac
  case "$command $before" in
${values.join("\n")}
  esac
  case "$command" in
${flags.join("\n")}
  esac
  case "$2" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$2")) ;;
    *)
      case "$command" in
${operands.map((line) => `        ${line}`).join("\n")}
      esac
      ;;
  esac
}
complete -o default -F _mptcpize mptcpize
`;
}

function zshQuote(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
}

function zsh(): string {
  const argumentsOf = (command: CommandSpec) =>
    command.flags.flatMap((flag) => {
      const action = flag.units !== undefined
        ? ` _mptcpize_units ${flag.units}`
        : flag.choices === undefined
        ? ""
        : `(${flag.choices.join(" ")})`;
      const value = flag.value === undefined || flag.optional ? "" : `:${flag.value}:${action}`;
      return flagNames(flag).map((name) => `'${name}[${zshQuote(flag.help)}]${value}'`);
    }).concat(
      command.units === undefined ? [] : [`'*:unit: _mptcpize_units ${command.units}'`],
      command.takesCommand ? ["'(-):command:_command_names -e'", "'*::arguments:_normal'"] : [],
      command.name === "completions" ? ["':shell:(bash zsh fish)'"] : [],
    ).join(" \\\n        ");
  return `#compdef mptcpize
# zsh completion of mptcpize: source <(mptcpize completions zsh)
_mptcpize_units() {
  ((\${+commands[systemctl]})) || return 1
  local scope=--system expl
  ((\${words[(I)--user]})) && scope=--user
  local -a lines=(\${(f)"$({
    systemctl $scope ${LIST_UNITS} --type=$1 list-unit-files
    systemctl $scope ${LIST_UNITS} --all --type=$1 list-units
  } </dev/null 2>/dev/null)"})
  lines=(\${lines:#[^ ]## ##(masked|not-found) *})
  local -aU units=(\${lines%% *})
  _wanted units expl unit compadd -a units
}
_mptcpize() {
  local -a commands=(
${COMMANDS.map((command) => `    '${command.name}:${zshQuote(command.summary)}'`).join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${
    COMMANDS.map((command) =>
      `    ${command.name})\n      _arguments -S \\\n        ${argumentsOf(command)}\n      ;;`
    ).join("\n")
  }
  esac
}
# Autoloaded from a folder of completions it is called, sourced it is named.
if [[ $funcstack[1] == _mptcpize ]]; then
  _mptcpize "$@"
else
  compdef _mptcpize mptcpize
fi
`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fish(): string {
  const lines = [
    "# fish completion of mptcpize: mptcpize completions fish | source",
    "function __mptcpize_command",
    "    set -l words (commandline -opc)",
    "    set -e words[1..2]",
    "    while set -q words[1]; and string match -q -- '-*' $words[1]",
    `        contains -- $words[1] ${valueNames(TAKERS).join(" ")}; and set -e words[1]`,
    "        set -e words[1]",
    "    end",
    '    complete -C (string join " " -- (string escape -- $words) (commandline -ct))',
    "end",
    "function __mptcpize_units",
    "    command -sq systemctl; or return",
    "    set -l scope --system",
    "    contains -- --user (commandline -opc); and set scope --user",
    "    begin",
    `        systemctl $scope ${LIST_UNITS} --type=$argv[1] list-unit-files`,
    `        systemctl $scope ${LIST_UNITS} --all --type=$argv[1] list-units`,
    "    end </dev/null 2>/dev/null | string match -rv '^\\S+\\s+(masked|not-found)\\s' |",
    "        string replace -r '\\s.*' ''",
    "end",
  ];
  for (const command of COMMANDS) {
    lines.push(
      `complete -c mptcpize -n __fish_use_subcommand -f -a ${command.name} -d ${
        fishQuote(command.summary)
      }`,
    );
    const seen = `-n '__fish_seen_subcommand_from ${command.name}'`;
    for (const flag of command.flags) {
      const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
      const value = flag.value === undefined || flag.optional
        ? ""
        : flag.units !== undefined
        ? ` -x -a '(__mptcpize_units ${flag.units})'`
        : flag.choices
        ? ` -x -a ${fishQuote(flag.choices.join(" "))}`
        : " -x";
      lines.push(
        `complete -c mptcpize ${seen} -l ${flag.name}${short}${value} -d ${fishQuote(flag.help)}`,
      );
    }
    if (command.takesCommand) {
      lines.push(`complete -c mptcpize ${seen} -f -a '(__mptcpize_command)'`);
    }
    if (command.units !== undefined) {
      // Others take the path of a cgroup, too.
      const only = command.operands === "UNIT…" ? " -f" : "";
      lines.push(`complete -c mptcpize ${seen}${only} -a '(__mptcpize_units ${command.units})'`);
    }
    if (command.name === "completions") {
      lines.push(`complete -c mptcpize ${seen} -f -a 'bash zsh fish'`);
    }
  }
  return lines.join("\n") + "\n";
}

const SHELLS: Readonly<Record<string, () => string>> = { bash, zsh, fish };

/** The completion script of a shell. */
export function completionScript(shell: "bash" | "zsh" | "fish"): string {
  return SHELLS[shell]!();
}

/**
 * Prints the completion script of a shell.
 *
 * @throws {UsageError} for a shell that there is none for
 */
export function completions(env: Env, operands: readonly string[]): void {
  const [shell, extra] = operands;
  if (shell === undefined || extra !== undefined || !Object.hasOwn(SHELLS, shell)) {
    throw new UsageError(
      `Cannot print completions: ${
        operands.length === 0 ? "no shell is given" : `${operands.join(" ")} is no shell known here`
      }`,
      { hint: `\`mptcpize completions ${Object.keys(SHELLS).join("|")}\`` },
    );
  }
  env.out(SHELLS[shell]!());
}
