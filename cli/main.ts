/**
 * The command line: words to a command, its errors to words and an exit status.
 *
 * @module
 */

import { MptcpizeError, UsageError } from "../mod.ts";
import { attachCommand, detachCommand } from "./attach.ts";
import { COMMANDS, type CommandSpec, findCommandSpec } from "./commands.ts";
import { completions } from "./completions.ts";
import { demo } from "./demo.ts";
import { disable, enable } from "./enable.ts";
import { ClosedPipe, type Env } from "./env.ts";
import { exitStatus } from "./exit_code.ts";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import { nearest, parseFlags } from "./flags.ts";
import { commandHelp, programHelp } from "./help.ts";
import { install, uninstall } from "./install.ts";
import { probe } from "./probe.ts";
import { shellWord } from "./render.ts";
import { run } from "./run.ts";
import { sockets } from "./sockets.ts";
import { status } from "./status.ts";
import manifest from "../deno.json" with { type: "json" };

/** Runs the command of a table entry and gives its exit status. */
async function dispatch(command: CommandSpec, env: Env): Promise<number> {
  const flags = parseFlags(command, env.words.slice(1));
  if (flags.has("help")) {
    env.out(commandHelp(command));
    return 0;
  }
  const { operands } = flags;
  const words = env.wordBytes.slice(flags.operandsAt + 1);
  switch (command.name) {
    case "run":
      return await run(env, flags, words);
    case "explain":
      return await explain(env, flags, words) ? 0 : 1;
    case "status":
      return await status(env, flags, operands) ? 0 : 1;
    case "attach":
      await attachCommand(env, flags);
      return 0;
    case "detach":
      await detachCommand(env, flags);
      return 0;
    case "probe":
      return await probe(env, flags, operands) ? 0 : 1;
    case "enable":
      return await enable(env, flags, operands) ? 0 : 1;
    case "disable":
      return await disable(env, flags, operands) ? 0 : 1;
    case "completions":
      completions(env, operands);
      return 0;
  }
  if (operands[0] !== undefined) {
    throw new UsageError(
      `Cannot parse ${operands[0]}: \`mptcpize ${command.name}\` takes no operand`,
      { hint: `\`mptcpize ${command.name} --help\`` },
    );
  }
  switch (command.name) {
    case "sockets":
      return await sockets(env, flags);
    case "doctor":
      return await doctor(env, flags) ? 0 : 1;
    case "install":
      await install(env, flags);
      return 0;
    case "uninstall":
      return await uninstall(env, flags) ? 0 : 1;
    default:
      return await demo(env, flags) ? 0 : 1;
  }
}

function unknownCommand(word: string): UsageError {
  const names = [...COMMANDS.map((command) => command.name), "--version", "--help"];
  const meant = nearest(word, names);
  const what = word.startsWith("-") ? "flag" : "command";
  return new UsageError(`Cannot parse ${shellWord(word)}: mptcpize has no such ${what}`, {
    hint: meant === undefined
      ? "`mptcpize --help` lists the commands; `mptcpize run COMMAND` starts one of the system"
      : `did you mean \`mptcpize ${meant}\`?`,
  });
}

function errorText(error: unknown, json: boolean): string {
  if (!(error instanceof MptcpizeError)) {
    const detail = error instanceof Error ? error.stack ?? error.message : String(error);
    return `mptcpize: Cannot go on: ${detail}\n\nhint: this is a defect of mptcpize: report it\n`;
  }
  if (json) return JSON.stringify(error) + "\n";
  const hint = error.hint === undefined ? "" : `\n\nhint: ${error.hint}`;
  return `mptcpize: ${error.message}${hint}\n`;
}

/** Whether the words ask for JSON, as far as they can be understood. */
function wantsJson(command: CommandSpec | undefined, env: Env): boolean {
  if (command === undefined) return false;
  try {
    return parseFlags(command, env.words.slice(1)).has("json");
  } catch {
    return false;
  }
}

/**
 * Runs the command line and gives its exit status.
 *
 * Never returns when `run` succeeds: the process is the command then.
 */
export async function main(env: Env): Promise<number> {
  const [word] = env.words;
  const command = word === undefined ? undefined : findCommandSpec(word);
  try {
    if (word === undefined) {
      env.err(programHelp());
      return 2;
    }
    if (word === "--version") {
      env.out(`mptcpize ${manifest.version}\n`);
      return 0;
    }
    if (word === "--help" || word === "-h" || word === "help") {
      const about = env.words[1] === undefined ? undefined : findCommandSpec(env.words[1]);
      if (env.words[1] !== undefined && about === undefined) throw unknownCommand(env.words[1]);
      env.out(about === undefined ? programHelp() : commandHelp(about));
      return 0;
    }
    if (command === undefined) throw unknownCommand(word);
    return await dispatch(command, env);
  } catch (error) {
    if (error instanceof ClosedPipe) return 0;
    try {
      env.err(errorText(error, wantsJson(command, env)));
    } catch (closed) {
      if (!(closed instanceof ClosedPipe)) throw closed;
    }
    return exitStatus(command?.name, error);
  }
}
