/**
 * `mptcpize completions`: scripts for shells, made from the table of commands.
 *
 * @module
 */

import { UsageError } from "../mod.ts";
import { COMMANDS, type CommandSpec, type FlagSpec } from "./commands.ts";
import type { Env } from "./env.ts";

function flagWords(command: CommandSpec): string[] {
  return command.flags.flatMap((flag) => [
    `--${flag.name}`,
    ...(flag.short === undefined ? [] : [`-${flag.short}`]),
  ]);
}

/** Flags that take a value, each once. */
function valueFlags(): FlagSpec[] {
  const flags = COMMANDS.flatMap((command) => command.flags)
    .filter((flag) => flag.value && !flag.optional);
  return flags.filter((flag, index) =>
    flags.findIndex((other) => other.name === flag.name) === index
  );
}

function bash(): string {
  const cases = COMMANDS.map((command) =>
    `    ${command.name}) flags="${flagWords(command).join(" ")}" ;;`
  );
  const values = valueFlags().map((flag) =>
    flag.choices
      ? `    --${flag.name}) COMPREPLY=($(compgen -W "${
        flag.choices.join(" ")
      }" -- "$word")); return ;;`
      : `    --${flag.name}) return ;;`
  );
  const takers = COMMANDS.filter((command) => command.takesCommand).map((command) => command.name);
  return `# bash completion of mptcpize: source <(mptcpize completions bash)
_mptcpize() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}"
  local command="\${COMP_WORDS[1]}" flags="" index
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${
    COMMANDS.map((command) => command.name).join(" ")
  } --help --version" -- "$word"))
    return
  fi
  # Behind the first operand it is the other command's turn.
  case "$command" in ${takers.join("|")})
    for ((index = 2; index < COMP_CWORD; index++)); do
      case "\${COMP_WORDS[index]}" in
        ${valueFlags().map((flag) => `--${flag.name}`).join("|")}) ((index++)) ;;
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
  case "$before" in
${values.join("\n")}
  esac
  case "$command" in
${cases.join("\n")}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *)
      case "$command" in
        ${takers.join("|")}) COMPREPLY=($(compgen -c -- "$word")) ;;
        completions) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")) ;;
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
      const value = flag.value === undefined || flag.optional
        ? ""
        : `:${flag.value}:${flag.choices ? `(${flag.choices.join(" ")})` : ""}`;
      const names = flag.short === undefined
        ? [`--${flag.name}`]
        : [`--${flag.name}`, `-${flag.short}`];
      return names.map((name) => `'${name}[${zshQuote(flag.help)}]${value}'`);
    }).concat(
      command.takesCommand ? ["'(-):command:_command_names -e'", "'*::arguments:_normal'"] : [],
      command.name === "completions" ? ["':shell:(bash zsh fish)'"] : [],
    ).join(" \\\n        ");
  return `#compdef mptcpize
# zsh completion of mptcpize: source <(mptcpize completions zsh)
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
    `        contains -- $words[1] ${
      valueFlags().map((flag) => `--${flag.name}`).join(" ")
    }; and set -e words[1]`,
    "        set -e words[1]",
    "    end",
    '    complete -C (string join " " -- (string escape -- $words) (commandline -ct))',
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
