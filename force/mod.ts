/**
 * What is to be forced, by which method, and how is it done?
 *
 * @module
 */

export { startCommand } from "./apply.ts";
export { type Choice, type Method, METHODS, type Reach } from "./choose.ts";
export {
  type CommandFacts,
  type CommandPlan,
  type CommandRequest,
  explainCommand,
  planCommand,
  type VariableChange,
} from "./command.ts";
