/**
 * The commands of a diagnosis that mend something, for a shell. Pure.
 *
 * @module
 */

import type { Check } from "./checks.ts";

/**
 * The commands that mend what is not as it should be, each once, in order, for a shell; one that has a place to
 * be filled in is a comment. What no command mends is not among them.
 */
export function fixCommands(checks: readonly Check[]): string[] {
  const commands = checks.filter(({ status }) => status !== "ok").flatMap(({ mend }) => {
    // All of them are for root.
    const command = /^`([^`]+)`(?: as root)?$/.exec(mend ?? "")?.[1];
    if (command === undefined) return [];
    const place = /\b[A-Z]{3,}\b/.exec(command)?.[0];
    return [place === undefined ? command : `# fill in ${place}: ${command}`];
  });
  return [...new Set(commands)];
}
