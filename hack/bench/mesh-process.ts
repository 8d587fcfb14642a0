import type { Fact } from '../../agent/ike/fact.ts';
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
  const meshes = Array.from({ length: Math.max(1, Math.round(LEAST_PEERS / peers)) }, () => new MeshNode(peers));
  const each = (work: (node: MeshNode) => void): number => {
    const read = total(meshes, ({ meter }) => meter.seconds);
    for (const node of meshes) work(node);
    return total(meshes, ({ meter }) => meter.seconds) - read;
  };
  const expectCount = (what: Fact['kind']): void => {
    const found = total(meshes, (node) => node.count(what));
    if (found !== meshes.length * peers) throw new Error(`${found} ${what} in place of ${meshes.length * peers}`);
  };
  const establishing = each((node) => node.advance(ESTABLISHING_MS));
  expectCount('ikeSaEstablished');
  const longestTurnSeconds = Math.max(...meshes.map((node) => node.longestTurnSeconds));
  const established = readMemory();
  const resting = each((node) => node.advance(REST_MS));
  const livenessChecks = total(meshes, (node) => node.count('livenessChecked'));
  const rekeyingChildSas = each((node) => {
    node.expireChildSas(REKEY_SPREAD_MS);
    node.advance(REKEY_REST_MS);
  });
  expectCount('childSaRekeyed');
  const rekeyingIkeSas = each((node) => {
    node.rekeyIkeSas(REKEY_SPREAD_MS);
    node.advance(REKEY_REST_MS);
  });
  expectCount('ikeSaRekeyed');
  return {
    meshes: meshes.length,
    before,
    established,
    cpuSeconds: { establishing, resting, rekeyingChildSas, rekeyingIkeSas },
    longestTurnSeconds,
    livenessChecks,
  };
}

/** The engine compiles what is hot: as much of everything as is measured at least, but for the hour at rest. */
function warmUp(): void {
  const node = new MeshNode(LEAST_PEERS);
  node.advance(ESTABLISHING_MS + WARM_UP_REST_MS);
  node.expireChildSas(REKEY_SPREAD_MS);
  node.advance(REKEY_REST_MS);
  node.rekeyIkeSas(REKEY_SPREAD_MS);
  node.advance(REKEY_REST_MS);
}

function total(meshes: readonly MeshNode[], figure: (node: MeshNode) => number): number {
  return meshes.reduce((sum, node) => sum + figure(node), 0);
}

const ESTABLISHING_MS = 30_000;
const REST_MS = 3_600_000;
const REKEY_SPREAD_MS = 60_000;
/** Until what was replaced is gone. */
const REKEY_REST_MS = 20_000;
const WARM_UP_REST_MS = 300_000;
/** So many small meshes are measured that together they have as many peers: a few peers are over before they can be read. */
const LEAST_PEERS = 1_000;

process.stdout.write(JSON.stringify(readings(Number(process.argv[2]))));
