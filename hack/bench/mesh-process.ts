import { readMemory } from './memory-reading.ts';
import type { MeshReadings } from './mesh.ts';
import { MeshNode } from './mesh-node.ts';

/*
 * The process that the mesh bench reads: `node --expose-gc mesh-process.ts NODES` writes its readings as JSON.
 */

function readings(nodes: number): MeshReadings {
  warmUp();
  const peers = nodes - 1;
  const before = readMemory();
  const node = new MeshNode(peers);
  let read = 0;
  const phase = (work: () => void): number => {
    work();
    const seconds = node.meter.seconds - read;
    read = node.meter.seconds;
    return seconds;
  };
  const establishing = phase(() => node.advance(ESTABLISHING_MS));
  expectCount('IKE SAs', node.count('ikeSaEstablished'), peers);
  const longestTurn = node.longestTurnSeconds;
  const established = readMemory();
  const resting = phase(() => node.advance(REST_MS));
  const livenessChecks = node.count('livenessChecked');
  const rekeyingChildSas = phase(() => {
    node.expireChildSas(REKEY_SPREAD_MS);
    node.advance(REKEY_REST_MS);
  });
  expectCount('rekeyed Child SAs', node.count('childSaRekeyed'), peers);
  const rekeyingIkeSas = phase(() => {
    node.rekeyIkeSas(REKEY_SPREAD_MS);
    node.advance(REKEY_REST_MS);
  });
  expectCount('rekeyed IKE SAs', node.count('ikeSaRekeyed'), peers);
  return {
    before,
    established,
    cpuSeconds: { establishing, resting, rekeyingChildSas, rekeyingIkeSas },
    longestTurnSeconds: longestTurn,
    livenessChecks,
  };
}

/** The engine compiles what is hot. */
function warmUp(): void {
  const node = new MeshNode(WARM_UP_PEERS);
  node.advance(ESTABLISHING_MS + 120_000);
  node.expireChildSas(REKEY_SPREAD_MS);
  node.rekeyIkeSas(REKEY_SPREAD_MS);
}

function expectCount(what: string, found: number, expected: number): void {
  if (found !== expected) throw new Error(`${found} ${what} in place of ${expected}`);
}

const ESTABLISHING_MS = 30_000;
const REST_MS = 3_600_000;
const REKEY_SPREAD_MS = 60_000;
/** Until what was replaced is gone. */
const REKEY_REST_MS = 20_000;
const WARM_UP_PEERS = 400;

process.stdout.write(JSON.stringify(readings(Number(process.argv[2]))));
