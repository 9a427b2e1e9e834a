/**
 * One change in a process of its own, which a test may end: `act.ts BPFFS FORCE attach|detach SPECS [OPTIONS]`.
 *
 * @module
 */

import { attachAt, detachAt } from "../../bpf/attach.ts";

const [bpffs = "", force, verb, specs = "", options = "{}"] = Deno.args;
const place = { bpffs, force: force === "true" };
try {
  const result = verb === "attach"
    ? attachAt(place, JSON.parse(specs), JSON.parse(options))
    : detachAt(place, JSON.parse(specs));
  console.log(JSON.stringify(result, (_, value) => typeof value === "bigint" ? `${value}` : value));
} catch (error) {
  console.log(JSON.stringify(error));
  Deno.exit(1);
}
