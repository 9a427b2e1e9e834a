/**
 * The machine that kernels are booted on: QEMU's, in software, since that works everywhere.
 *
 * @module
 */

/**
 * What guards against other tenants of a real processor only costs time here. The kernel never uses CMPXCHG16B:
 * QEMU 7.2 leaves wrong flags behind it, and its allocator made 6.12 crash in 6 of 9 boots.
 *
 * Source: admin-guide/kernel-parameters, "clearcpuid=", @ v6.12; by name since v5.19.
 */
const KERNEL = "quiet oops=panic panic=-1 mitigations=off nokaslr clearcpuid=cx16";

/** What a kernel is booted with. */
export interface Boot {
  /** The kernel's image. */
  readonly kernel: string;
  /** Its first root. */
  readonly initrd: string;
  /** Its command line, after what every boot has. */
  readonly append?: string;
  /** Units: MiB. */
  readonly memory: number;
  /** Whether programs have CMPXCHG16B; not unless they need it, for what QEMU makes of it. */
  readonly cx16?: boolean;
  /** More of QEMU's own words: disks, serial lines. */
  readonly devices: readonly string[];
}

/** The command that boots a kernel, with its console on the first serial line. */
export function qemuCommand(boot: Boot): [string, ...string[]] {
  // Else all that QEMU can emulate.
  const cpu = `max,la57=off,cx16=${boot.cx16 ? "on" : "off"}`;
  return [
    "qemu-system-x86_64",
    ...["-accel", "tcg,thread=multi", "-cpu", cpu, "-smp", "2", "-m", String(boot.memory)],
    ...["-nodefaults", "-display", "none", "-no-reboot"],
    ...["-kernel", boot.kernel, "-initrd", boot.initrd],
    ...["-append", `console=ttyS0 ${KERNEL} ${boot.append ?? ""}`.trim()],
    ...boot.devices,
  ];
}
