/**
 * The files that an installation is made of: from a checkout, or from another installation.
 *
 * @module
 */

import { ConflictError, NotSupportedError } from "../errors.ts";
import type { InstallFile } from "./apply.ts";
import { indexOfBytes, LAUNCHER_MARK } from "../program/mod.ts";
import { bundle } from "./bundle.ts";
import type { InstallPlaces } from "./places.ts";

/** The machines that there are native files for. */
const MACHINES = ["x86_64", "aarch64"];
const FOLDER_ROOM = 1024;

/** What reports in the programs of a run, and what is beside it in this one. */
const REPORT_LIBRARIES = { "libmptcpize-report.so": "preload", "libmptcpize-child.so": "ffi" };

/** Where the files of this very program lie. */
interface Source {
  /** Undefined in a checkout, whose command line is not one file yet. */
  readonly cli: string | undefined;
  readonly library: (machine: string) => string;
  /** One of those that `run --report` needs. */
  readonly reportLibrary: (machine: string, name: keyof typeof REPORT_LIBRARIES) => string;
  readonly launcher: (machine: string) => string;
  readonly patcher: (machine: string) => string;
  readonly bpf: string;
}

function findSource(): Source {
  const url = new URL(import.meta.url);
  if (url.protocol !== "file:") {
    throw new NotSupportedError(`Cannot install: ${url} is no file`, {
      hint: "use a checkout or an installed copy of mptcpize",
    });
  }
  const own = decodeURIComponent(url.pathname);
  const folder = own.slice(0, own.lastIndexOf("/"));
  if (!own.endsWith(".ts")) {
    return {
      cli: own,
      library: (machine) => `${folder}/lib/${machine}/libmptcpize.so`,
      reportLibrary: (machine, name) => `${folder}/lib/${machine}/${name}`,
      launcher: (machine) => `${folder}/launcher/${machine}/mptcpize`,
      patcher: (machine) => `${folder}/bin/${machine}/mptcpize-patch`,
      bpf: `${folder}/lib/mptcpify.bpf.o`,
    };
  }
  const root = folder.slice(0, folder.lastIndexOf("/"));
  return {
    cli: undefined,
    library: (machine) => `${root}/preload/lib/${machine}/libmptcpize.so`,
    reportLibrary: (machine, name) => `${root}/${REPORT_LIBRARIES[name]}/lib/${machine}/${name}`,
    launcher: (machine) => `${root}/launcher/bin/${machine}/mptcpize`,
    patcher: (machine) => `${root}/patch/bin/${machine}/mptcpize-patch`,
    bpf: `${root}/bpf/lib/mptcpify.bpf.o`,
  };
}

/** The folder of the installation that this program runs from; undefined in a checkout. */
export function ownFolder(): string | undefined {
  const own = decodeURIComponent(new URL(import.meta.url).pathname);
  return own.endsWith(".ts") ? undefined : Deno.realPathSync(own.slice(0, own.lastIndexOf("/")));
}

/**
 * A launcher that knows its folder: its copy of the path is written behind the mark.
 *
 * Layout: 24 bytes of mark, NUL included, then 1024 bytes of path with a NUL behind it.
 *
 * @throws {ConflictError} when the file is no launcher of this version
 */
export function fillLauncher(
  launcher: Uint8Array<ArrayBuffer>,
  folder: string,
): Uint8Array<ArrayBuffer> {
  const mark = LAUNCHER_MARK;
  const path = new TextEncoder().encode(folder);
  const at = indexOfBytes(launcher, mark);
  if (at === -1 || indexOfBytes(launcher, mark, at + 1) !== -1 || path.length >= FOLDER_ROOM) {
    throw new ConflictError("Cannot prepare the launcher: it has no place for its folder", {
      hint: "`deno task build` makes it",
    });
  }
  const filled = launcher.slice();
  filled.fill(0, at + mark.length, at + mark.length + FOLDER_ROOM);
  filled.set(path, at + mark.length);
  return filled;
}

/** A text that comes with an installation, by its path below the prefix. */
export type InstallTexts = Readonly<Record<string, string>>;

/**
 * All files of an installation.
 *
 * @throws {MptcpizeError} when the command line cannot be bundled
 * @throws {NotSupportedError} when a native file is missing
 */
export async function collectFiles(
  places: InstallPlaces,
  texts: InstallTexts,
): Promise<InstallFile[]> {
  const { prefix, folder } = places;
  const source = findSource();
  const read = (path: string): Uint8Array<ArrayBuffer> => {
    try {
      return Deno.readFileSync(path);
    } catch (cause) {
      throw new NotSupportedError(`Cannot install: ${path} cannot be read`, {
        cause,
        hint: "`deno task build` makes it",
      });
    }
  };
  const cli = source.cli === undefined ? await bundle() : read(source.cli);
  const files: InstallFile[] = [
    { path: `${folder}/deno`, mode: 0o755, content: { copyOf: Deno.execPath() } },
    { path: `${folder}/mptcpize.js`, mode: 0o644, content: cli },
  ];
  for (const machine of MACHINES) {
    files.push(
      {
        path: `${folder}/lib/${machine}/libmptcpize.so`,
        mode: 0o644,
        content: read(source.library(machine)),
      },
      ...(["libmptcpize-report.so", "libmptcpize-child.so"] as const).map((name) => ({
        path: `${folder}/lib/${machine}/${name}`,
        mode: 0o644,
        content: read(source.reportLibrary(machine, name)),
      })),
      {
        path: `${folder}/launcher/${machine}/mptcpize`,
        mode: 0o755,
        content: read(source.launcher(machine)),
      },
      {
        // Where patch/patcher.ts looks beside the command line.
        path: `${folder}/bin/${machine}/mptcpize-patch`,
        mode: 0o755,
        content: read(source.patcher(machine)),
      },
    );
  }
  // Where bpf/object.ts looks beside the command line.
  files.push({ path: `${folder}/lib/mptcpify.bpf.o`, mode: 0o644, content: read(source.bpf) });
  for (const [path, text] of Object.entries(texts)) {
    const content = new TextEncoder().encode(text);
    files.push({ path: `${prefix}/${path}`, mode: 0o644, content });
  }
  // Last: who finds it finds all the rest.
  files.push({
    path: `${prefix}/bin/mptcpize`,
    mode: 0o755,
    content: fillLauncher(read(source.launcher(Deno.build.arch)), folder),
  });
  return files;
}
