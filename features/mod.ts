/**
 * What can this machine do? Answered by trying, never by kernel version.
 *
 * @module
 */

export { type Feature, probeMptcp, probeMptcpOver } from "./mptcp.ts";
