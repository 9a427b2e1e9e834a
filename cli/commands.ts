/**
 * The one table of commands and flags: parser, help and completions are made from it.
 *
 * @module
 */

/** One flag of a command. */
export interface FlagSpec {
  /** The long name without dashes. */
  readonly name: string;
  /** The one-letter name without its dash. */
  readonly short?: string;
  /** The name of its value in the help; absent for a switch. */
  readonly value?: string;
  /** Whether it may stand without its value; the value then stands behind `=`. */
  readonly optional?: boolean;
  /** The values that it takes, where they are few. */
  readonly choices?: readonly string[];
  /** The types of systemd's units that it names, for completions. */
  readonly units?: string;
  readonly help: string;
}

/** One command. */
export interface CommandSpec {
  readonly name: string;
  /** Its operands as in a usage line. */
  readonly operands: string;
  /** One line, without a final period. */
  readonly summary: string;
  /** Paragraphs for `--help`. */
  readonly description: readonly string[];
  readonly flags: readonly FlagSpec[];
  /** Whether the first operand is a command of the system, for completions. */
  readonly takesCommand?: boolean;
  /** The types of systemd's units that its operands may name, for completions. */
  readonly units?: string;
  readonly examples: readonly (readonly [words: string, meaning: string])[];
}

/** What `enable` reaches, and what has processes. */
const [ENABLED_UNITS, RUNNING_UNITS] = ["service,socket", "service,slice,scope"] as const;

const HELP: FlagSpec = { name: "help", short: "h", help: "show this help" };
const JSON_OUTPUT: FlagSpec = { name: "json", help: "print one JSON document" };

const DRY_RUN: FlagSpec = { name: "dry-run", help: "print what would be done, and do nothing" };

const PLACE_FLAGS: readonly FlagSpec[] = [
  { name: "prefix", value: "PREFIX", help: "the folder above bin and share" },
  { name: "user", help: "for this user only: below ~/.local" },
];

const FORCE_FLAGS: readonly FlagSpec[] = [
  {
    name: "method",
    value: "METHOD",
    choices: ["auto", "preload", "godebug", "bpf", "patch"],
    help: "auto (the default) takes what reaches the command, or refuses; another insists",
  },
  {
    name: "allow-patch",
    help: "let auto patch a static program in memory, where nothing else reaches it",
  },
];

const TARGET_FLAGS: readonly FlagSpec[] = [
  {
    name: "pid",
    short: "p",
    value: "PID",
    help: "the cgroup of a process, with all that is in it",
  },
  {
    name: "container",
    value: "ID",
    help:
      "a container of podman, Docker, CRI-O or containerd: its id, or the first 6 digits or more",
  },
  {
    name: "comm",
    value: "NAME",
    help: "programs of a name of 15 bytes at most, wherever they run",
  },
  { name: "all", short: "a", help: "all of this machine, containers too" },
];

const QUIET: FlagSpec = {
  name: "quiet",
  short: "q",
  help: "print nothing but errors and warnings",
};

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    name: "run",
    operands: "[--] COMMAND [ARG…]",
    summary: "Start a command, forced onto MPTCP",
    description: [
      "Becomes COMMAND, in the same process: its TCP sockets, and those of what it starts, ask for " +
      "MPTCP, and are TCP where that is refused. Flags end at the first operand.",
      "Exit status: that of COMMAND; 125 if mptcpize failed, 126 if COMMAND cannot be executed, 127 if it " +
      "is not found.",
    ],
    flags: [
      { name: "debug", short: "d", help: "name each forced socket and softened option on stderr" },
      ...FORCE_FLAGS,
      {
        name: "strict",
        help:
          "leave socket options alone: what MPTCP refuses is refused; what cannot be patched fails",
      },
      {
        name: "report",
        value: "json|FILE",
        optional: true,
        help: "stay as its parent, and say afterwards on stderr what became of its sockets; " +
          "=json says that as JSON, =FILE writes it to a file",
      },
      DRY_RUN,
      {
        name: "json",
        help: "with --dry-run: print one JSON document; else errors, and the report",
      },
      HELP,
    ],
    takesCommand: true,
    examples: [
      ["mptcpize run curl https://example.org/", "a client"],
      ["mptcpize run -d nginx -g 'daemon off;'", "a server, telling what is forced"],
      ["mptcpize run --report rsync -a DIR HOST:", "and how it went, afterwards"],
      ["mptcpize run --method patch busybox httpd", "a static program"],
      ["mptcpize run --dry-run ssh host", "what would be done"],
    ],
  },
  {
    name: "enable",
    operands: "UNIT…",
    units: ENABLED_UNITS,
    summary: "Force services onto MPTCP at their starts; not `systemctl enable`",
    description: [
      "Starts nothing at boot: what UNIT starts, whenever systemd is asked to start it, is forced onto MPTCP, by a " +
      "drop-in beside its unit file, which is never touched. UNIT is a service, a template, an instance, or a " +
      "socket (systemd 257); without a suffix, a service.",
      "Asks systemd whether it took effect, and undoes it if not. With several units, all or none. What is " +
      "in the environment already is kept.",
    ],
    flags: [
      {
        name: "method",
        value: "METHOD",
        choices: ["auto", "preload", "godebug", "bpf"],
        help: "auto (the default) takes what reaches the service, or refuses; another insists",
      },
      {
        name: "now",
        help: "restart what runs, check its sockets, and put all back if it does not come up",
      },
      { name: "with-sockets", help: "enable the sockets that start UNIT too" },
      {
        name: "install",
        help: "where mptcpize is not installed, do that first, as `mptcpize install` does",
      },
      { name: "user", help: "services of the user who calls" },
      { name: "runtime", help: "until the next boot only" },
      DRY_RUN,
      JSON_OUTPUT,
      HELP,
    ],
    examples: [
      ["mptcpize enable --now nginx", "a server, restarted and checked"],
      ["mptcpize enable --dry-run nginx", "what would be written"],
      ["mptcpize enable --with-sockets cockpit", "a service and its socket"],
      ["mptcpize enable --install --now nginx", "from a checkout, in one step"],
      ["mptcpize enable --user syncthing", "a service of your own"],
    ],
  },
  {
    name: "disable",
    operands: "UNIT…",
    units: ENABLED_UNITS,
    summary: "End `mptcpize enable`; not `systemctl disable`",
    description: [
      "Removes the drop-in that `mptcpize enable` wrote, and nothing else. What runs keeps its MPTCP until it is " +
      "restarted.",
    ],
    flags: [
      { name: "now", help: "restart what runs" },
      { name: "user", help: "services of the user who calls" },
      DRY_RUN,
      JSON_OUTPUT,
      HELP,
    ],
    examples: [["mptcpize disable --now nginx", "a server, back to TCP"]],
  },
  {
    name: "attach",
    operands: "[TARGET…]",
    units: RUNNING_UNITS,
    summary: "Have the kernel force all that runs in a cgroup",
    description: [
      "From now on each TCP socket that a program in a target asks for is an MPTCP socket, whatever the " +
      "program is: static, set-user-ID, Go of any age, in a container. Not those of io_uring, those passed in " +
      "by systemd, and those that are there already. TARGET is a unit (nginx, machine.slice), or the path of a " +
      "cgroup of version 2, absolute or below where those are mounted (/system.slice/nginx.service); flags " +
      "name others, and may be repeated. What is below a cgroup belongs to it.",
      "All targets are attached or none. What is attached already stays so. It ends with `mptcpize detach`, " +
      "when the cgroup is removed, and with the next boot; --persist has systemd attach it anew. Needs root " +
      "and Linux 6.6; no daemon.",
    ],
    flags: [
      ...TARGET_FLAGS,
      { name: "strict", help: "leave socket options alone: what MPTCP refuses is refused" },
      {
        name: "persist",
        help: "a service: at each of its starts; slices, --comm and --all: at boot",
      },
      DRY_RUN,
      QUIET,
      JSON_OUTPUT,
      HELP,
    ],
    examples: [
      ["mptcpize attach --persist nginx", "a service, now and at each start"],
      ["mptcpize attach machine.slice", "all containers of podman, as root"],
      ["mptcpize attach --container 3f1c9a77b2d0", "one container"],
      ["mptcpize attach --pid $$", "the session of this shell"],
    ],
  },
  {
    name: "detach",
    operands: "[TARGET…]",
    units: RUNNING_UNITS,
    summary: "End what `mptcpize attach` has begun",
    description: [
      "Takes the words of attach. New sockets are TCP again; those that are there stay what they are. What " +
      "--persist has set up is undone too. With the last target, program and maps leave the kernel. --all is " +
      "the target of `attach --all`, not each target.",
      "Exit status: 0 also for what is not attached, which is told.",
    ],
    flags: [...TARGET_FLAGS, DRY_RUN, QUIET, JSON_OUTPUT, HELP],
    examples: [
      ["mptcpize detach nginx", "a service"],
      ["mptcpize detach --comm java --all", "both of these targets"],
    ],
  },
  {
    name: "explain",
    operands: "[--] COMMAND [ARG…] | UNIT",
    summary: "Tell which methods reach a command or a unit, and why",
    description: [
      "Reads the file of COMMAND and starts nothing. Of UNIT, all that `mptcpize enable` would find: the " +
      "programs that it starts, what stands in the way, and the drop-in that would be written. A word that ends " +
      "in .service, .socket or another suffix of systemd's is a unit, and what --unit names; all else is a " +
      "command.",
      "Exit status: 0 if a method reaches it, 1 if none does or there is no such command or unit.",
    ],
    flags: [
      ...FORCE_FLAGS,
      {
        name: "unit",
        short: "u",
        value: "UNIT",
        units: ENABLED_UNITS,
        help: "explain a unit, such as nginx",
      },
      { name: "user", help: "a unit of this user's own manager" },
      JSON_OUTPUT,
      HELP,
    ],
    takesCommand: true,
    examples: [
      ["mptcpize explain curl", "what the file is, and what would be set"],
      ["mptcpize explain nginx.service", "a unit: what `enable` would find and write"],
      ["mptcpize explain --json busybox", "the same for a program to read"],
    ],
  },
  {
    name: "status",
    operands: "[PID|UNIT|CGROUP…]",
    units: RUNNING_UNITS,
    summary: "Show what is forced, by which method, and whether it works",
    description: [
      "Joins what was asked for (units that are enabled, targets of the BPF program, processes that were " +
      "started with the library, GODEBUG or `patch`) with what the kernel says about their sockets. A socket " +
      "counts for each row that it belongs to.",
      "With operands: each of them in detail, and why those of its sockets are TCP that are. Digits are a " +
      "process, what has a slash in it is a cgroup (v2), all else is a systemd unit.",
      "Exit status: 0 if something is forced, of operands if all of them are; 1 if not, or if there is no " +
      "such thing.",
    ],
    flags: [
      { name: "user", help: "units are those of this user's own manager" },
      JSON_OUTPUT,
      HELP,
    ],
    examples: [
      ["mptcpize status", "all that is forced on this machine"],
      ["mptcpize status nginx", "a service: enabled, restarted since, and its sockets"],
      ["mptcpize status 1234", "whether and by what a process is forced"],
    ],
  },
  {
    name: "sockets",
    operands: "",
    summary: "List TCP sockets: MPTCP, fallen back and why, or TCP and why",
    description: [
      "Asks the kernel about each socket in scope, by its list of sockets (sock_diag) and, where their " +
      "process may be traced, by a copy of the descriptor (MPTCP_INFO). An MPTCP connection is shown with its " +
      "subflows; one that is not, with the reason and what it rests on. Where several reasons fit, the most " +
      "likely comes first.",
      "As an ordinary user it shows what it may, and says what it could not see. TIME_WAIT is no socket any " +
      "more, and is left out.",
    ],
    flags: [
      { name: "pid", short: "p", value: "PID", help: "those that a process holds" },
      {
        name: "unit",
        short: "u",
        value: "UNIT",
        units: RUNNING_UNITS,
        help: "those of a systemd unit that runs, such as nginx or system.slice",
      },
      { name: "user", help: "with --unit: a unit of this user's own manager" },
      {
        name: "cgroup",
        value: "PATH",
        help: "those made in a cgroup (v2) or below it, such as /system.slice/nginx.service",
      },
      { name: "all", short: "a", help: "those of this network namespace" },
      { name: "listen", short: "l", help: "listeners only" },
      {
        name: "watch",
        short: "w",
        help: "refresh in place each second until ^C; with --json, one document a line",
      },
      JSON_OUTPUT,
      HELP,
    ],
    examples: [
      ["mptcpize sockets --pid 1234", "each socket of a process, with its subflows"],
      ["mptcpize sockets --unit nginx", "all sockets of a service"],
      ["mptcpize sockets --all --listen", "which servers here take MPTCP"],
      ["mptcpize sockets --all --watch", "what goes on"],
    ],
  },
  {
    name: "probe",
    operands: "HOST[:PORT]",
    summary: "Tell whether a server, across this network, speaks MPTCP",
    description: [
      "Connects with TCP and with MPTCP, over IPv4 and over IPv6, sends nothing but the end of the stream, and " +
      "tells a server without MPTCP from a network that drops or removes it. The port is 443 if none is given.",
      "A SYN with MPTCP that gets no answer is given up before the kernel would stop asking for MPTCP.",
      "Exit status: 0 if it speaks MPTCP wherever it can be reached, 1 if not.",
    ],
    flags: [
      { name: "timeout", short: "t", value: "SECONDS", help: "for one connection; 5 by default" },
      JSON_OUTPUT,
      HELP,
    ],
    examples: [
      ["mptcpize probe example.org", "port 443"],
      ["mptcpize probe [2001:db8::1]:80", "an IPv6 address with a port"],
      ["mptcpize probe -t 1 host && echo yes", "in a script"],
    ],
  },
  {
    name: "doctor",
    operands: "",
    summary: "Tell what this machine can do with MPTCP, and what mends it",
    description: [
      "Tries sockets, the preload library on a real program, and a connection over loopback; reads settings, " +
      "endpoints, limits, routes and counters of this network namespace. Each trouble comes with one command " +
      "that mends it; none is run.",
      "Exit status: 0 if MPTCP can be used here, 1 if not.",
    ],
    flags: [
      {
        name: "fix-hints",
        help:
          "print only the commands that mend, one a line, to be looked at and given to a root shell",
      },
      JSON_OUTPUT,
      HELP,
    ],
    examples: [
      ["mptcpize doctor", "one screen"],
      ["mptcpize doctor --fix-hints | sudo sh -x", "once you have read it"],
    ],
  },
  {
    name: "demo",
    operands: "",
    summary: "Force a real server and client over loopback, and show the proof",
    description: [
      "Needs no root, no network and no compiler: takes the HTTP server and client that it finds (python3, " +
      "node or Deno; curl, python3, node or Deno), neither of which knows MPTCP.",
      "Exit status: 0 if both ends used MPTCP when forced, 1 if not.",
    ],
    flags: [JSON_OUTPUT, HELP],
    examples: [["mptcpize demo", "about two seconds"]],
  },
  {
    name: "install",
    operands: "",
    summary: "Install mptcpize as a program of this machine",
    description: [
      "Puts the launcher into PREFIX/bin, the libraries with Deno and all else that it needs into one folder, " +
      "and manual and completions below PREFIX/share. Without flags: PREFIX is /usr/local and the folder " +
      "/usr/lib/mptcpize; elsewhere the folder is PREFIX/lib/mptcpize.",
      "Whole or not at all: it never replaces a file that it did not install, and programs that run keep " +
      "the library that they have. Over an older version it is an upgrade.",
    ],
    flags: [...PLACE_FLAGS, DRY_RUN, JSON_OUTPUT, HELP],
    examples: [
      ["mptcpize install", "for all users, as root"],
      ["mptcpize install --user", "into ~/.local, for one user"],
      ["mptcpize install --dry-run", "what would be put where"],
    ],
  },
  {
    name: "uninstall",
    operands: "",
    summary: "Remove what `mptcpize install` has put on this machine",
    description: [
      "Removes the files that its manifest lists, as far as they are unchanged, and the folders that were " +
      "made for them. Without flags: the installation that it is started from, else the one below " +
      "/usr/local.",
      "Exit status: 0 if all is gone, 1 if a changed file was left.",
    ],
    flags: [...PLACE_FLAGS, DRY_RUN, JSON_OUTPUT, HELP],
    examples: [["mptcpize uninstall", "the whole installation"]],
  },
  {
    name: "completions",
    operands: "bash|zsh|fish",
    summary: "Print a completion script for a shell",
    description: ["Load it with `source <(mptcpize completions bash)`, or its like."],
    flags: [HELP],
    examples: [["source <(mptcpize completions bash)", "for this shell"]],
  },
];

/** The command of a name, if there is one. */
export function findCommandSpec(name: string): CommandSpec | undefined {
  return COMMANDS.find((command) => command.name === name);
}
