import type { Pair } from './view.ts';

/** Whether the agent of the node has found that packets get through to the peer and back, by all connections. */
export function isProven({ connections = [] }: Pair): boolean {
  return connections.length > 0 && connections.every(({ reason = '' }) => PROVEN.has(reason));
}

/** Whether the agent of the node finds nothing wrong with the peer; agents tell one another what they count. */
export function isWell({ connections = [] }: Pair): boolean {
  return (
    connections.length > 0 &&
    connections.every(({ state, reason }) => (reason === undefined ? state === 'encrypting' : WELL.has(reason)))
  );
}

const PROVEN: ReadonlySet<string> = new Set(['Proven', 'FellBackToUDP']);
/** With some there was no traffic yet. */
const WELL: ReadonlySet<string> = new Set([...PROVEN, 'Unproven', 'WaitingForTraffic']);
