import type { Pair } from './view.ts';

/** Whether the agent of the node has found that packets get through to the peer and back, by all connections. */
export function isProven({ connections = [] }: Pair): boolean {
  return connections.length > 0 && connections.every(({ reason = '' }) => PROVEN.has(reason));
}

const PROVEN: ReadonlySet<string> = new Set(['Proven', 'FellBackToUDP']);
