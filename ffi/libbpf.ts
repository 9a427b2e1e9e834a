/**
 * libbpf: opens a BPF object, fits it to the running kernel (CO-RE) and loads it.
 *
 * The library is opened on first use. Versions 1.1 (Debian 12) to 1.5 were tried; what is used of it
 * is the same in all of 1.x.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";
import { addressOf, cString } from "./libc.ts";

const SYMBOLS = {
  /** `libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t fn)` */
  libbpf_set_print: { parameters: ["pointer"], result: "pointer" },
  /** `struct bpf_object *bpf_object__open_mem(const void *, size_t, const struct bpf_object_open_opts *)` */
  bpf_object__open_mem: { parameters: ["buffer", "usize", "buffer"], result: "pointer" },
  /** `int bpf_object__load(struct bpf_object *)` */
  bpf_object__load: { parameters: ["pointer"], result: "i32" },
  /** `void bpf_object__close(struct bpf_object *)` */
  bpf_object__close: { parameters: ["pointer"], result: "void" },
  /** `struct bpf_program *bpf_object__find_program_by_name(const struct bpf_object *, const char *)` */
  bpf_object__find_program_by_name: { parameters: ["pointer", "buffer"], result: "pointer" },
  /** `int bpf_program__set_autoload(struct bpf_program *, bool)` */
  bpf_program__set_autoload: { parameters: ["pointer", "bool"], result: "i32" },
  /** `int bpf_program__fd(const struct bpf_program *)` */
  bpf_program__fd: { parameters: ["pointer"], result: "i32" },
  /** `struct bpf_map *bpf_object__find_map_by_name(const struct bpf_object *, const char *)` */
  bpf_object__find_map_by_name: { parameters: ["pointer", "buffer"], result: "pointer" },
  /** `int bpf_map__fd(const struct bpf_map *)` */
  bpf_map__fd: { parameters: ["pointer"], result: "i32" },
  /** `int bpf_map__reuse_fd(struct bpf_map *, int)`, which takes a copy of the descriptor */
  bpf_map__reuse_fd: { parameters: ["pointer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const SONAME = "libbpf.so.1";
let opened: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/**
 * Opens the library, if it is not open.
 *
 * @throws {NotFoundError} where there is none
 */
export function openLibbpf(): Deno.DynamicLibrary<typeof SYMBOLS> {
  if (opened) return opened;
  try {
    opened = Deno.dlopen(SONAME, SYMBOLS);
  } catch (cause) {
    throw new NotFoundError(
      `Cannot load a BPF program: ${SONAME} could not be loaded`,
      { cause, tried: [SONAME], hint: "`apt-get install libbpf1`, or libbpf of your distribution" },
    );
  }
  // It would print to stderr what the caller is told by errors.
  opened.symbols.libbpf_set_print(null);
  return opened;
}

const LOG_SIZE = 1 << 20;

/** What became of an attempt to load: 0, or the error number and what the verifier said. */
export interface BpfLoadResult {
  /** 0 when it is loaded. */
  readonly errno: number;
  /** The verifier's log; empty where it was not asked, or had nothing to say. */
  readonly log: string;
}

/** A BPF object; closed by `using`, with all of its programs and maps that are not pinned. */
export class BpfObject implements Disposable {
  #object: Deno.PointerValue;
  // What libbpf keeps pointers to.
  readonly #log = new Uint8Array(LOG_SIZE);
  readonly #name: Uint8Array<ArrayBuffer>;

  /**
   * Reads an object file; nothing is loaded yet.
   *
   * Layout: `struct bpf_object_open_opts` of libbpf 1.0 and newer: sz, object_name, relaxed_maps,
   * pin_root_path, 8 unused bytes, kconfig, btf_custom_path, kernel_log_buf, kernel_log_size,
   * kernel_log_level; 8 bytes each.
   *
   * @param name the object's, as maps of global variables are named after it
   * @throws {NotFoundError} where there is no libbpf
   * @throws {RangeError} when this is no BPF object
   */
  constructor(file: Uint8Array<ArrayBuffer>, name: string) {
    const { symbols } = openLibbpf();
    this.#name = cString(name);
    const options = new BigUint64Array(10);
    options[0] = BigInt(options.byteLength);
    options[1] = addressOf(this.#name);
    options[7] = addressOf(this.#log);
    options[8] = BigInt(LOG_SIZE);
    const bytes = new Uint8Array(options.buffer);
    this.#object = symbols.bpf_object__open_mem(file, BigInt(file.length), bytes);
    if (this.#object === null) throw new RangeError(`libbpf does not take ${name} for an object`);
  }

  #program(name: string): Deno.PointerValue {
    const found = openLibbpf().symbols
      .bpf_object__find_program_by_name(this.#object, cString(name));
    if (found === null) throw new RangeError(`the object has no program ${name}`);
    return found;
  }

  #map(name: string): Deno.PointerValue {
    const found = openLibbpf().symbols.bpf_object__find_map_by_name(this.#object, cString(name));
    if (found === null) throw new RangeError(`the object has no map ${name}`);
    return found;
  }

  /** Leaves a program out; before {@linkcode BpfObject.load}. */
  leaveOut(program: string): void {
    openLibbpf().symbols.bpf_program__set_autoload(this.#program(program), false);
  }

  /**
   * Takes a map that is there already in the place of a new one; before {@linkcode BpfObject.load}.
   *
   * @returns the error number, or 0
   */
  reuseMap(name: string, fd: number): number {
    return Math.abs(openLibbpf().symbols.bpf_map__reuse_fd(this.#map(name), fd));
  }

  /** Loads the programs and maps. */
  load(): BpfLoadResult {
    const { symbols } = openLibbpf();
    // In 1.x the result is -errno.
    const errno = Math.abs(symbols.bpf_object__load(this.#object));
    const end = this.#log.indexOf(0);
    return { errno, log: new TextDecoder().decode(this.#log.subarray(0, Math.max(end, 0))) };
  }

  /** The descriptor of a loaded program, which belongs to the object; negative for one left out. */
  programFd(name: string): number {
    return openLibbpf().symbols.bpf_program__fd(this.#program(name));
  }

  /** The descriptor of a loaded map, which belongs to the object. */
  mapFd(name: string): number {
    return openLibbpf().symbols.bpf_map__fd(this.#map(name));
  }

  /** Closes it; a second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#object === null) return;
    openLibbpf().symbols.bpf_object__close(this.#object);
    this.#object = null;
  }
}
