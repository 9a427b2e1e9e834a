/**
 * How much memory a started process has, and how much of it is its own.
 *
 * @module
 */

import { type Chapter, type Group, takeTurns } from "./group.ts";
import type { Parts } from "./parts.ts";

/** Waits until a process is asleep in a program. */
async function settle(pid: number, program: string): Promise<void> {
  for (let round = 0; round < 2000; round++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    try {
      const asleep = /^State:\tS/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
      if (!asleep || Deno.readLinkSync(`/proc/${pid}/exe`) !== program) continue;
      // x86-64's and arm64's pause(2), clock_nanosleep(2) and nanosleep(2): it has come to its end.
      const [call] = Deno.readTextFileSync(`/proc/${pid}/syscall`).split(" ");
      if (["35", "230", "34", "115", "101"].includes(call!)) return;
    } catch {
      // It is being executed.
    }
  }
  throw new Error(`Cannot measure: ${program} does not come to sleep`);
}

/** The kB of a process once it sleeps, by the name of /proc/PID/smaps_rollup. */
async function measure(words: readonly string[], program: string, name: string): Promise<number> {
  const child = new Deno.Command(words[0]!, {
    args: [...words.slice(1)],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await settle(child.pid, program);
    const text = Deno.readTextFileSync(`/proc/${child.pid}/smaps_rollup`);
    return [...text.matchAll(new RegExp(`^(?:${name}): +(\\d+) kB$`, "gm"))]
      .reduce((sum, [, size]) => sum + Number(size), 0);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** What a started process holds. */
export async function measureMemory(parts: Parts, scale: number): Promise<Chapter> {
  const sleep = Deno.realPathSync("/bin/sleep");
  const busybox = Deno.realPathSync("/bin/busybox");
  const rounds = Math.max(3, Math.round(7 * scale));
  const ways = {
    "dynamic, sleep": [sleep, {
      "bare": [sleep, "60"],
      "mptcpize run": [parts.launcher, "run", sleep, "60"],
      "C mptcpize run": [parts.peer, "run", sleep, "60"],
    }],
    "static, busybox sleep": [busybox, {
      "bare": [busybox, "sleep", "60"],
      "patched": parts.patched(busybox, "sleep", "60"),
    }],
  } as const;
  const groups: Group[] = [];
  for (const [title, [program, list]] of Object.entries(ways)) {
    for (const [what, name] of [["resident", "Rss"], ["its own", "Private_Clean|Private_Dirty"]]) {
      const measured = Object.entries(list).map(([way, words]) =>
        [way, () => measure(words, program, name!)] as const
      );
      groups.push({
        title: `${title}, ${what}`,
        kind: "more",
        unit: "kB",
        reference: "bare",
        ways: await takeTurns(rounds, Object.fromEntries(measured)),
      });
    }
  }
  return {
    title: "Memory",
    about:
      "Of the process once it sleeps, from /proc/PID/smaps_rollup: all pages that are there, and " +
      "those that no other process shares. There is no other process: nothing of ours runs beside it.",
    groups,
  };
}
