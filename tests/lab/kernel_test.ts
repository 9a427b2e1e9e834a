import { ok } from "node:assert";
Deno.test("x", () => ok(true));
