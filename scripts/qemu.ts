/**
 * The machine that kernels are booted on: QEMU's, in software, since that works everywhere.
 *
 * @module
 */

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
  /** More of QEMU's own words: disks, serial lines. */
  readonly devices: readonly string[];
}

/** The command that boots a kernel, with its console on the first serial line. */
export function qemuCommand(boot: Boot): [string, ...string[]] {
  return [
    "qemu-system-x86_64",
    ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", String(boot.memory)],
    ...["-nodefaults", "-display", "none", "-no-reboot"],
    ...["-kernel", boot.kernel, "-initrd", boot.initrd],
    // What guards against other tenants of a real processor only costs time here.
    "-append",
    `console=ttyS0 quiet panic=-1 mitigations=off nokaslr ${boot.append ?? ""}`.trim(),
    ...boot.devices,
  ];
}
