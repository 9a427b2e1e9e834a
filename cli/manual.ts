/**
 * The manual page, made from the table of commands.
 *
 * @module
 */

import { COMMANDS, type CommandSpec, type FlagSpec } from "./commands.ts";

/** A text for roff: its own characters escaped, hyphens kept as they are typed. */
function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("…", "...");
  return escaped.replace(/^[.']/gm, "\\&$&");
}

/** A text with what is between backticks in bold. */
function prose(text: string): string {
  return roff(text).replace(/`([^`]*)`/g, "\\fB$1\\fR");
}

function flagLines(flag: FlagSpec): string[] {
  const name = flag.value === undefined ? "" : `\\fI${roff(flag.value)}\\fR`;
  const value = name === "" ? "" : flag.optional ? `[=${name}]` : ` ${name}`;
  const short = flag.short === undefined ? "" : `\\fB\\-${flag.short}\\fR, `;
  const choices = flag.choices === undefined ? "" : ` (${flag.choices.join(", ")})`;
  return [
    ".TP",
    `${short}\\fB${roff(`--${flag.name}`)}\\fR${value}`,
    prose(flag.help + choices),
  ];
}

function commandLines(command: CommandSpec): string[] {
  const operands = command.operands === "" ? "" : ` ${roff(command.operands)}`;
  return [
    `.SS "mptcpize ${command.name} [FLAG...]${operands}"`,
    prose(`${command.summary}.`),
    ...command.description.flatMap((paragraph) => [".PP", prose(paragraph)]),
    ...command.flags.flatMap(flagLines),
    ".PP",
    "Examples:",
    ...command.examples.flatMap(([words, meaning]) => [
      ".TP",
      `\\fB${roff(words)}\\fR`,
      prose(meaning),
    ]),
  ];
}

/** The manual page in section 1, for man(7). */
export function manualPage(version: string): string {
  return [
    `.TH MPTCPIZE 1 "" "mptcpize ${version}" "User Commands"`,
    ".SH NAME",
    roff("mptcpize - make programs that only know TCP use Multipath TCP, and prove that they do"),
    ".SH SYNOPSIS",
    "\\fBmptcpize\\fR \\fICOMMAND\\fR [\\fIFLAG\\fR...] [\\fIOPERAND\\fR...]",
    ".SH COMMANDS",
    ...COMMANDS.flatMap(commandLines),
    ".SH ENVIRONMENT",
    ".TP",
    "\\fBMPTCPIZE_DEBUG\\fR=1",
    roff("The preload library names on stderr what it does; `run -d` sets it.").replaceAll("`", ""),
    ".TP",
    "\\fBMPTCPIZE_STRICT\\fR=1",
    roff("The preload library leaves socket options alone; `run --strict` sets it.").replaceAll(
      "`",
      "",
    ),
    ".TP",
    "\\fBNO_COLOR\\fR",
    "Output has no colour.",
    ".SH SEE ALSO",
    "\\fBip\\-mptcp\\fR(8), \\fBss\\fR(8), \\fBld.so\\fR(8)",
    "",
  ].join("\n");
}
