/**
 * Carrying a plan for units out: each change with its undo, and systemd is asked whether it took effect.
 *
 * @module
 */

import { ConflictError, MptcpizeError, NotPermittedError, NotSupportedError } from "../errors.ts";
import {
  type DropInStep,
  lockDropIns,
  removeDropIn,
  SOCKET_PROTOCOL_SINCE,
  type UnitManager,
  writeDropIn,
} from "../systemd/mod.ts";
import { detachGone } from "./unit_bpf.ts";
import { holds, type UnitAction, type UnitExpectation, type UnitPlan } from "./unit_plan.ts";
import { awaitRunning, readListening } from "./unit_restart.ts";
import type { UnitSocket } from "./unit_sockets.ts";

/** A unit that was restarted, and its sockets behind that. */
export interface RestartedUnit {
  /** Its name. */
  readonly unit: string;
  /** Those that its processes hold, or that systemd made for it; listeners first. */
  readonly sockets: readonly UnitSocket[];
}

/** What came of a plan. */
export interface UnitOutcome {
  /** In the order of their restarts. */
  readonly restarted: readonly RestartedUnit[];
}

/** How a plan is carried out. */
export interface ApplyUnitOptions {
  /** For tests: called with a name before each change. */
  readonly step?: DropInStep;
  /** Ends it, and undoes what was done. */
  readonly signal?: AbortSignal;
  /** Told before what takes long. */
  readonly progress?: (text: string) => void;
}

const LOG_LINES = 8;

type Restart = Extract<UnitAction, { readonly kind: "restart" }>;

/** Says what went wrong when a file was changed, in the words of this library. */
function fileError(verb: string, path: string, error: unknown): Error {
  if (error instanceof MptcpizeError) return error;
  const said = error instanceof Error ? error.message.replace(/: .*? '\/.*$/, "") : String(error);
  const message = `Cannot ${verb} ${path}: ${said}`;
  if (error instanceof Deno.errors.PermissionDenied) {
    return new NotPermittedError(message, { cause: error, hint: "run it as root" });
  }
  const isReadOnly = said.startsWith("Read-only file system") && path.startsWith("/etc/");
  return new MptcpizeError(message, {
    cause: error,
    ...(isReadOnly ? { hint: "`--runtime` writes below /run, until the next boot" } : {}),
  });
}

function contentOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Carries the actions of one plan out. */
class Applier {
  readonly #plan: UnitPlan;
  readonly #manager: UnitManager;
  readonly #options: ApplyUnitOptions;
  readonly #changed: Extract<UnitAction, { readonly kind: "write" | "remove" }>[] = [];
  readonly #restarts: Restart[] = [];
  readonly restarted: RestartedUnit[] = [];
  #reloaded = false;

  constructor(plan: UnitPlan, manager: UnitManager, options: ApplyUnitOptions) {
    this.#plan = plan;
    this.#manager = manager;
    this.#options = options;
  }

  #checkSignal(): void {
    if (!this.#options.signal?.aborted) return;
    throw new MptcpizeError(`Cannot ${this.#plan.verb} MPTCP: it was interrupted`);
  }

  #step(name: string): void {
    this.#checkSignal();
    this.#options.step?.(name);
  }

  async do(action: UnitAction): Promise<void> {
    const step = (name: string) => this.#step(name);
    switch (action.kind) {
      case "write":
      case "remove": {
        const { path } = action;
        try {
          if ((contentOf(path) ?? "") !== (action.before ?? "")) {
            throw new ConflictError(
              `Cannot change ${path}: another process has changed it meanwhile`,
              {
                hint: "try again",
              },
            );
          }
          this.#changed.push(action);
          if (action.kind === "write") writeDropIn(path, action.text, step);
          else removeDropIn(path, this.#plan.folders, step);
        } catch (error) {
          throw fileError(action.kind, path, error);
        }
        break;
      }
      case "reload":
        step("reload systemd");
        this.#reloaded = true;
        await this.#manager.reload();
        break;
      case "expect":
        step(`ask for ${action.expectation.property} of ${action.expectation.unit}`);
        await this.#expect(action.expectation);
        break;
      case "restart":
        step(`restart ${action.unit}`);
        this.#options.progress?.(`restarting ${action.unit}`);
        await this.#restart(action);
    }
  }

  async #expect(expectation: UnitExpectation): Promise<void> {
    const { unit, property, has, lacks } = expectation;
    const properties = await this.#manager.show(unit, [
      property,
      "NeedDaemonReload",
      "DropInPaths",
    ]);
    if (holds(properties, expectation)) return;
    if (property === "SocketProtocol") {
      throw new NotSupportedError(
        `Cannot enable MPTCP for ${unit}: this systemd does not know SocketProtocol=mptcp, ${SOCKET_PROTOCOL_SINCE} or later is needed`,
        {
          hint:
            `let the service listen itself, where it can: \`${this.#manager.command} disable --now ${unit}\`, then \`mptcpize enable\` for the service`,
        },
      );
    }
    const state = has === undefined
      ? `${property} still has ${lacks}`
      : `systemd has no ${has} in its ${property}`;
    throw new ConflictError(
      `Cannot ${this.#plan.verb} MPTCP for ${unit}: ${state} after it has read its files again`,
      { hint: `\`${this.#manager.command} cat ${unit}\` shows what else sets it` },
    );
  }

  async #restart(action: Restart): Promise<void> {
    const { unit, first } = action;
    const listened = await readListening(this.#manager, unit);
    this.#restarts.push(action);
    const begin = new Date();
    try {
      await this.#restartAt(action, this.#options.signal);
      const look = () => this.#checkSignal();
      const sockets = await awaitRunning(this.#manager, unit, listened, look);
      this.restarted.push({ unit, sockets });
      if (first !== undefined) {
        const own = await awaitRunning(this.#manager, first, [], look);
        this.restarted.push({ unit: first, sockets: own });
      }
    } catch (error) {
      this.#checkSignal();
      const said = error instanceof Error
        ? error.message.replace(/^Cannot restart [^:]+: /, "")
        : "";
      const log = await this.#manager.lastLog(first ?? unit, LOG_LINES, begin);
      const lines = log.map((line) => `\n  ${line}`).join("");
      const how = this.#plan.verb === "enable" ? "with MPTCP" : "without MPTCP";
      throw new MptcpizeError(
        `Cannot restart ${unit} ${how}: ${said}${
          lines === "" ? "" : `\n\n  its last words:${lines}`
        }`,
        { cause: error },
      );
    }
  }

  async #restartAt({ unit, first }: Restart, signal?: AbortSignal): Promise<void> {
    if (first !== undefined) await this.#manager.stop(first);
    await this.#manager.restart(unit, signal);
    if (first !== undefined) await this.#manager.start(first, signal);
  }

  /** Puts all back as it was; gives what could not be. */
  async undo(): Promise<string[]> {
    const faults: string[] = [];
    const attempt = async (what: string, change: () => void | Promise<void>) => {
      try {
        await change();
      } catch (error) {
        faults.push(`${what}: ${error instanceof Error ? error.message : error}`);
      }
    };
    for (const action of this.#changed.toReversed()) {
      const { path, before } = action;
      await attempt(path, () => {
        if (before === undefined) removeDropIn(path, this.#plan.folders, () => {});
        else if (contentOf(path) !== before) writeDropIn(path, before, () => {});
      });
    }
    if (this.#reloaded) await attempt("systemctl daemon-reload", () => this.#manager.reload());
    for (const action of this.#restarts.toReversed()) {
      const { unit, first } = action;
      // It may have failed too often to be started: that counts for the change, not for what was.
      await this.#manager.resetFailed(unit).catch(() => {});
      if (first !== undefined) await this.#manager.resetFailed(first).catch(() => {});
      await attempt(`systemctl restart ${unit}`, () => this.#restartAt(action));
    }
    return faults;
  }

  /** The error with what became of the change. */
  failed(error: unknown, faults: readonly string[]): Error {
    if (!(error instanceof MptcpizeError)) return error as Error;
    const again = this.#restarts.length > 0 ? "; it was restarted as it was before" : "";
    const state = faults.length > 0
      ? `not all of it could be undone: ${faults.join("; ")}`
      : this.#changed.length > 0 || this.#reloaded
      ? `nothing is changed${again}`
      : "nothing was changed";
    const hint = error.hint === undefined ? state : `${state}; ${error.hint}`;
    const details = { hint, cause: error };
    for (const kind of [NotPermittedError, NotSupportedError, ConflictError]) {
      if (error instanceof kind) return new kind(error.message, details);
    }
    return new MptcpizeError(error.message, details);
  }
}

/**
 * Carries a plan out, whole or not at all: what was done is undone in reverse when a step fails.
 *
 * A process that is killed leaves what the next `enable` or `disable` of the unit finishes.
 *
 * @throws {NotPermittedError} when the files or units are not this user's to change
 * @throws {NotSupportedError} when systemd does not know what the drop-in sets
 * @throws {ConflictError} when it did not take effect, or another process was at it
 * @throws {MptcpizeError} for whatever else fails, such as a full disk or a service that does not come up;
 * its hint tells what became of the change
 */
export async function applyUnitPlan(
  plan: UnitPlan,
  manager: UnitManager,
  options: ApplyUnitOptions = {},
): Promise<UnitOutcome> {
  if (plan.actions.length === 0) return { restarted: [] };
  using _lock = await lockDropIns(plan.folders);
  const applier = new Applier(plan, manager, options);
  const byBpf = plan.units.filter(({ method }) => method === "bpf").map(({ unit }) => unit);
  try {
    for (const action of plan.actions) await applier.do(action);
  } catch (error) {
    const faults = await applier.undo();
    if (byBpf.length > 0) detachGone(byBpf);
    throw applier.failed(error, faults);
  }
  if (byBpf.length > 0 && plan.verb === "disable") detachGone(byBpf);
  return { restarted: applier.restarted };
}
