/**
 * One change in a process of its own, which a test may end: `act.ts BPFFS FORCE attach|detach SPECS`.
 *
 * @module
 */

import { attachAt, detachAt } from "../../bpf/attach.ts";

const [bpffs = "", force, verb, specs = ""] = Deno.args;
const place = { bpffs, force: force === "true" };
const act = verb === "attach" ? attachAt : detachAt;
try {
  const result = act(place, JSON.parse(specs));
  console.log(JSON.stringify(result, (_, value) => typeof value === "bigint" ? `${value}` : value));
} catch (error) {
  console.log(JSON.stringify(error));
  Deno.exit(1);
}
