/**
 * `mptcpize probe`: does that server, across this network, speak MPTCP?
 *
 * @module
 */

import { type AddressProbe, probeServer, UsageError } from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { count, painter, paragraphWidth, shellWord, wrap } from "./render.ts";
import { addressText } from "./sockets_text.ts";

const DEFAULT_PORT = 443;
const MAX_TIMEOUT_S = 600;

/** What of a URL can be probed: the port that goes without saying there is not the one that does here. */
function targetOf({ protocol, host, hostname }: URL): string {
  return protocol === "http:" && host === hostname ? `${hostname}:80` : host;
}

/** Parses `HOST`, `HOST:PORT`, `[IPV6]:PORT` and a bare IPv6 address. */
export function parseTarget(text: string): { readonly host: string; readonly port: number } {
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text);
  const plain = /^([^:]+)(?::([^:]*))?$/.exec(text);
  const bare = URL.canParse(`http://[${text.replace(/%\w+$/, "")}]/`) ? [text, text] : undefined;
  const isUrl = text.includes("://") && URL.canParse(text);
  const [, host, port] = isUrl ? [] : bracketed ?? plain ?? bare ?? [];
  if (host === undefined) {
    const url = isUrl ? targetOf(new URL(text)) : "";
    throw new UsageError(`Cannot parse ${shellWord(text)}: it is no HOST or HOST:PORT`, {
      hint: url !== ""
        ? `\`mptcpize probe ${url}\``
        : text.includes("::")
        ? "an IPv6 address with a port is written [2001:db8::1]:443"
        : "`mptcpize probe example.org:443`",
    });
  }
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (port !== undefined && (!/^\d+$/.test(port) || number < 1 || number > 65535)) {
    throw new UsageError(`Cannot parse ${text}: ${port || "nothing"} is no port`, {
      hint: "a port is a whole number from 1 to 65535",
    });
  }
  return { host, port: number };
}

function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds <= 0 || seconds > MAX_TIMEOUT_S) {
    throw new UsageError(`Cannot parse --timeout ${text}: it is no number of seconds`, {
      hint: `a number above 0 and up to ${MAX_TIMEOUT_S}, such as 2.5`,
    });
  }
  return 1000 * seconds;
}

/** What to call each outcome in a word; all else than yes is no, or not to be told. */
const ANSWERS: Readonly<Record<AddressProbe["outcome"], string>> = {
  "mptcp": "yes",
  "answers-as-tcp": "no",
  "syn-dropped": "no",
  "syn-refused": "no",
  "stripped-later": "no",
  "not-asked": "unknown",
  "unavailable": "unknown",
  "closed": "closed",
  "unreachable": "unreachable",
  "timeout": "no answer",
  "failed": "unknown",
};

function probeText(env: Env, probe: AddressProbe): string {
  const { outcome, words, evidence, hint, announced, announcedCount } = probe;
  const paragraph = (text: string) => wrap(text, 2, paragraphWidth(env));
  const style = outcome === "mptcp" ? "green" : ANSWERS[outcome] === "no" ? "red" : "yellow";
  const answer = painter(env.color)(style, ANSWERS[outcome]);
  const others = announced.length > 0
    ? announced.map((address) => address.port === 0 ? address.address : addressText(address)).join(
      ", ",
    )
    : announcedCount > 0
    ? count(announcedCount, "address", "addresses")
    : "";
  return [
    `${addressText(probe)}  ${answer}`,
    paragraph(words),
    paragraph(`(${evidence.join("; ")})`),
    ...(others === "" ? [] : [paragraph(`it announced ${others} for more subflows`)]),
    ...(hint === undefined ? [] : [paragraph(`hint: ${hint}`)]),
  ].join("\n");
}

/**
 * Probes a server.
 *
 * @returns whether it speaks MPTCP
 * @throws {UsageError} when the words make no sense
 * @throws {NotFoundError} when the name has no address
 */
export async function probe(
  env: Env,
  flags: ParsedFlags,
  operands: readonly string[],
): Promise<boolean> {
  const [target, extra] = operands;
  if (target === undefined || extra !== undefined) {
    throw new UsageError(
      target === undefined
        ? "Cannot probe a server: none is given"
        : `Cannot parse ${extra}: \`mptcpize probe\` takes one server`,
      { hint: "`mptcpize probe example.org:443`" },
    );
  }
  const { host, port } = parseTarget(target);
  const timeoutMs = parseTimeout(flags.value("timeout"));
  const report = await probeServer(host, port, timeoutMs === undefined ? {} : { timeoutMs });
  if (flags.has("json")) {
    env.out(JSON.stringify(report, null, 2) + "\n");
  } else {
    const isName = report.addresses.every(({ address }) => address !== host);
    const name = isName ? `${painter(env.color)("bold", `${host}:${port}`)}\n\n` : "";
    env.out(
      name + report.addresses.map((address) => probeText(env, address)).join("\n\n") + "\n",
    );
  }
  return report.mptcp;
}
