/**
 * A folder as it was, to be compared with what it is: names, modes and bytes.
 *
 * @module
 */

/** Every entry below a folder, by its path: kind, permission bits and content. */
export function readTree(folder: string): Record<string, string> {
  const tree: Record<string, string> = {};
  const walk = (path: string) => {
    const info = Deno.lstatSync(path);
    const mode = ((info.mode ?? 0) & 0o7777).toString(8);
    const name = path.slice(folder.length);
    if (info.isSymlink) tree[name] = `link ${Deno.readLinkSync(path)}`;
    else if (info.isDirectory) {
      tree[name] = `folder ${mode}`;
      for (const entry of Deno.readDirSync(path)) walk(`${path}/${entry.name}`);
    } else tree[name] = `file ${mode} ${content(path, info.size)}`;
  };
  walk(folder);
  return tree;
}

/** The bytes of a small file; of a large one its size has to do. */
function content(path: string, size: number): string {
  return size > 1_000_000 ? `${size} bytes` : Deno.readFileSync(path).toHex();
}

/** A file of a small installation, below its folder or its prefix. */
export interface SmallFile {
  readonly name: string;
  readonly text: string;
  readonly mode?: number;
}

/** Two versions of a small installation: changed, unchanged, new, gone, and another mode. */
export const VERSIONS: Readonly<Record<string, readonly SmallFile[]>> = {
  "1": [
    { name: "lib/mptcpize/deno", text: "deno", mode: 0o755 },
    { name: "lib/mptcpize/lib/x/library", text: "library 1" },
    { name: "lib/mptcpize/old/only", text: "only in 1" },
    { name: "share/man/page", text: "page 1" },
    { name: "share/old/page", text: "an old page" },
    { name: "bin/mptcpize", text: "launcher 1", mode: 0o755 },
  ],
  "2": [
    { name: "lib/mptcpize/deno", text: "deno", mode: 0o755 },
    { name: "lib/mptcpize/lib/x/library", text: "library 2" },
    { name: "lib/mptcpize/lib/y/library", text: "library of y" },
    { name: "share/man/page", text: "page 1", mode: 0o600 },
    { name: "bin/mptcpize", text: "launcher 2", mode: 0o755 },
  ],
};
