import { deepStrictEqual, match, strictEqual } from "node:assert";
import { skipUnless } from "../tests/skip.ts";
import { COMMANDS } from "./commands.ts";
import { completionScript } from "./completions.ts";

/** Lists as the real one does, writes down what it was asked, and complains where nobody is to see it. */
const SYSTEMCTL = `#!/bin/sh
echo "$*" >>"$ASKED"
echo "Failed to connect to bus" >&2
case " $* " in
  *" list-unit-files "*) printf '%s\\n' 'nginx.service enabled enabled' \\
    'nginx-old.service masked enabled' 'getty@.service enabled enabled' 'my\\x2dunit.service static -' ;;
  *) printf '%s\\n' 'nginx.service loaded active running A server' \\
    'gone.service not-found inactive dead gone' 'getty@tty1.service loaded active running Getty' ;;
esac
`;

const UNITS = ["getty@.service", "getty@tty1.service", "my\\x2dunit.service", "nginx.service"];

function find(program: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/local/bin"].map((folder) => `${folder}/${program}`)
    .find((path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    });
}

/** Runs a script behind the completions of a shell, with a systemctl of ours or with none. */
function complete(
  shell: "bash" | "zsh" | "fish",
  script: string,
  hasSystemctl = true,
): { readonly lines: string[]; readonly asked: string[] } {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/asked`, "");
    if (hasSystemctl) Deno.writeTextFileSync(`${folder}/systemctl`, SYSTEMCTL, { mode: 0o755 });
    // Where zsh completes, its own functions are loaded.
    const before = shell === "zsh" ? "compdef() { }\n" : "";
    const clean = { bash: ["--norc", "--noprofile"], zsh: ["-f"], fish: ["--no-config"] }[shell];
    const { code, stdout, stderr } = new Deno.Command(find(shell)!, {
      args: [...clean, "-c", `${before}${completionScript(shell)}\n${script}`],
      clearEnv: true,
      env: { PATH: folder, HOME: folder, ASKED: `${folder}/asked` },
    }).outputSync();
    const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");
    strictEqual(new TextDecoder().decode(stderr), "");
    strictEqual(code, 0);
    return {
      lines: linesOf(new TextDecoder().decode(stdout)),
      asked: linesOf(Deno.readTextFileSync(`${folder}/asked`)),
    };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What a real bash completes the last word of a line to. */
function completeInBash(line: string, hasSystemctl = true): ReturnType<typeof complete> {
  // As in an interactive one, whose words end at an @ too.
  const parts = line.split(" ").flatMap((word) => word.split(/(?<=@)|(?=@)/));
  const typed = parts.at(-1) === "@" ? "" : parts.at(-1);
  return complete(
    "bash",
    `COMP_WORDS=(${parts.map((part) => `'${part}'`).join(" ")})
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)) COMP_LINE='${line}' COMP_POINT=${line.length}
    _mptcpize mptcpize '${typed}' "\${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`,
    hasSystemctl,
  );
}

const BASH = skipUnless("bash", find("bash") !== undefined);

Deno.test({
  name: "completionScript() completes units in bash, by asking systemctl",
  ...BASH,
  fn() {
    for (
      const line of [
        ...COMMANDS.filter(({ units }) => units !== undefined)
          .map(({ name }) => `mptcpize ${name} `),
        "mptcpize sockets --unit ",
        "mptcpize explain -u ",
        "mptcpize enable --method preload nginx ",
      ]
    ) {
      const { lines, asked } = completeInBash(line);
      deepStrictEqual([...new Set(lines)].sort(), UNITS, line);
      strictEqual(asked.length, 2, line);
      for (const words of asked) match(words, /^--system .* --type=service,[a-z,]+ list-unit/);
    }
    const own = completeInBash("mptcpize enable --user ng");
    match(own.asked[0] ?? "", /^--user .* list-unit-files -- ng\*$/);
    // Behind an @, what bash takes for the word alone is replaced.
    const { lines, asked } = completeInBash("mptcpize enable getty@tt");
    match(asked[0] ?? "", / -- getty@tt\*$/);
    deepStrictEqual(lines, ["tty1.service"]);
  },
});

Deno.test({
  name: "completionScript() completes flags and values in bash, each command its own",
  ...BASH,
  fn() {
    for (
      const [line, words] of [
        ["mptcpize en", ["enable"]],
        ["mptcpize enable --method ", ["auto", "preload", "godebug", "bpf"]],
        ["mptcpize run --method pa", ["patch"]],
        ["mptcpize enable --no", ["--now"]],
        ["mptcpize completions z", ["zsh"]],
        ["mptcpize sockets --pid ", []],
        ["mptcpize sockets ", []],
        ["mptcpize explain curl ", []],
      ] as const
    ) {
      const { lines, asked } = completeInBash(line);
      deepStrictEqual([lines, asked], [words, []], line);
    }
  },
});

Deno.test({
  name: "completionScript() gives nothing and says nothing in bash where systemctl is missing",
  ...BASH,
  fn() {
    for (const line of ["mptcpize enable ng", "mptcpize sockets --unit "]) {
      deepStrictEqual(completeInBash(line, false).lines, []);
    }
  },
});

/** Others, where they are installed; of zsh a function alone, since a line takes a terminal. */
const OTHERS = {
  fish: "complete -C 'mptcpize enable '",
  zsh: `setopt extendedglob; _wanted() { print -rl -- $units }
    words=(enable ''); _mptcpize_units service,socket || true`,
} as const;

for (const shell of ["fish", "zsh"] as const) {
  if (find(shell) === undefined) continue;
  Deno.test(`completionScript() completes units in ${shell}, and is silent without systemctl`, () => {
    const { lines, asked } = complete(shell, OTHERS[shell]);
    deepStrictEqual([...new Set(lines)].sort(), UNITS);
    strictEqual(asked.length, 2);
    deepStrictEqual(complete(shell, OTHERS[shell], false).lines, []);
  });
}
