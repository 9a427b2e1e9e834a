/**
 * The help texts, made from the table of commands.
 *
 * @module
 */

import { COMMANDS, type CommandSpec, type FlagSpec } from "./commands.ts";
import { table, wrap } from "./render.ts";

function flagNames(flag: FlagSpec): string {
  const value = flag.value === undefined
    ? ""
    : flag.optional
    ? `[=${flag.value}]`
    : ` ${flag.value}`;
  const long = `--${flag.name}${value}`;
  return flag.short === undefined ? `    ${long}` : `-${flag.short}, ${long}`;
}

/** The help of the whole program. */
export function programHelp(): string {
  return [
    "Make programs that only know TCP use Multipath TCP, and prove that they do",
    "",
    "Usage: mptcpize COMMAND [FLAG…] [OPERAND…]",
    "",
    "Commands:",
    table(COMMANDS.map((command) => [command.name, command.summary]), 2),
    "",
    "Flags:",
    table([["-h, --help", "show this help, or that of a command"], [
      "    --version",
      "show the version",
    ]], 2),
    "",
    "Try `mptcpize demo`, then `mptcpize run COMMAND`",
    "",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(command: CommandSpec): string {
  const flags = command.flags.map((flag) => {
    const choices = flag.choices === undefined ? "" : ` (${flag.choices.join(", ")})`;
    return [flagNames(flag), flag.choices === undefined ? flag.help : flag.help + choices];
  });
  const width = Math.max(...flags.map(([names]) => names!.length)) + 4;
  return [
    command.summary,
    "",
    `Usage: mptcpize ${command.name} [FLAG…]${command.operands && ` ${command.operands}`}`,
    "",
    ...command.description.flatMap((paragraph) => [wrap(paragraph), ""]),
    "Flags:",
    ...flags.map(([names, help]) =>
      `  ${names!.padEnd(width - 2)}${wrap(help!, width).trimStart()}`
    ),
    "",
    "Examples:",
    table(command.examples.map(([words, meaning]) => [words, meaning]), 2),
    "",
  ].join("\n");
}
