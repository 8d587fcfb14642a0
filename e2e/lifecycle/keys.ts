import assert from 'node:assert/strict';

import { waitUntil } from '../../hack/lab/runner/wait-until.ts';
import type { LifecycleMesh } from './mesh.ts';

/** Waits until the agent of a node has replaced Child SAs so often, of its own accord. */
export async function childSasRekeyed(mesh: LifecycleMesh, name: string, times: number): Promise<void> {
  await loggedOften(mesh, name, ['"Child SA rekeyed"', '"by":"us"'], times);
}

/** The same for IKE SAs. */
export async function ikeSasRekeyed(mesh: LifecycleMesh, name: string, times: number): Promise<void> {
  await loggedOften(mesh, name, ['"IKE SA rekeyed"', '"role":"initiator"'], times);
}

/** Waits until the IKE SAs of the first node have given way to new ones so often, whoever began them. */
export async function ikeSasReplaced(mesh: LifecycleMesh, times: number): Promise<void> {
  const [first = ''] = mesh.names;
  const seen = new Set<number>();
  await waitUntil(
    `${times} new IKE SAs`,
    async () => {
      for (const { ikeSas } of await mesh.peers(first)) {
        for (const { number, state } of ikeSas) if (state === 'established') seen.add(number);
      }
      return seen.size > times;
    },
    { timeoutMs: 30_000 * times, intervalMs: 250 },
  );
}

/** While IKE packets suffer by netem, and until several rekeys of both kinds have come through all the same. */
export async function rekeyedOverBadPath(mesh: LifecycleMesh, netem: readonly string[]): Promise<void> {
  for (const name of mesh.names) await mesh.wire.impairIke(name, netem);
  const before = new Map(mesh.names.map((name) => [name, rekeys(mesh, name)]));
  await waitUntil(
    'rekeys of IKE SAs and Child SAs by way of the bad path',
    () => {
      const counts = mesh.names.map((name) =>
        rekeys(mesh, name).map((count, index) => count - (before.get(name)?.[index] ?? 0)),
      );
      return [0, 1].every((kind) => counts.reduce((sum, each) => sum + (each[kind] ?? 0), 0) >= BAD_PATH_REKEYS);
    },
    { timeoutMs: 120_000, intervalMs: 500 },
  );
  for (const name of mesh.names) await mesh.wire.impairIke(name, []);
  for (const name of mesh.names) await mesh.change(name, { defaults: {} });
  await mesh.settled(1, 90_000);
}

/** Each node in turn gets a new certificate with a new key, which it proves to all others. */
export async function certificatesRenewed(mesh: LifecycleMesh): Promise<void> {
  for (const name of mesh.names) {
    mesh.lab.step(`${name} gets a new certificate`);
    const before = await serialsOf(mesh, name);
    mesh.writeCertificate(name);
    await waitUntil(
      `the new certificate of ${name} to be proven to all others`,
      async () => (await serialsOf(mesh, name)).every((serial) => serial !== undefined && !before.includes(serial)),
      { timeoutMs: 60_000, intervalMs: 250 },
    );
  }
  await mesh.settled();
}

/** All nodes trust the old and the new authority, then get certificates of the new one, then trust that alone. */
export async function authorityRolled(mesh: LifecycleMesh): Promise<void> {
  const { old, young } = mesh.rollAuthority();
  mesh.lab.step('both authorities are trusted');
  for (const name of mesh.names) mesh.writeBundle(name, [old, young]);
  await bundlesTaken(mesh, 2);
  await certificatesRenewed(mesh);
  mesh.lab.step('the old authority is trusted no more');
  for (const name of mesh.names) mesh.writeBundle(name, [young]);
  await bundlesTaken(mesh, 1);
  await mesh.settled();
}

/** What the others know a node's certificate by. */
async function serialsOf(mesh: LifecycleMesh, name: string): Promise<readonly (string | undefined)[]> {
  const reports = await Promise.all(mesh.others(name).map((other) => mesh.peers(other)));
  return reports.map((peers) => peers.find((peer) => peer.name === name)?.certificate?.serial);
}

/** Waits until all nodes trust so many authorities. */
async function bundlesTaken(mesh: LifecycleMesh, count: number): Promise<void> {
  for (const name of mesh.names) {
    await waitUntil(`${name} to trust ${count} authorities`, async () => {
      const { certificates, heldBack } = await mesh.agent(name).status();
      assert.deepEqual(heldBack, []);
      return certificates.filter(({ file }) => file.endsWith('-ca.crt')).length === count;
    });
  }
}

async function loggedOften(mesh: LifecycleMesh, name: string, words: readonly string[], times: number): Promise<void> {
  await waitUntil(`${name} to log ${words.join(' ')} ${times} times`, () => logged(mesh, name, words) >= times, {
    timeoutMs: 30_000 * times,
    intervalMs: 250,
  });
}

function rekeys(mesh: LifecycleMesh, name: string): readonly [number, number] {
  return [
    logged(mesh, name, ['"Child SA rekeyed"', '"by":"us"']),
    logged(mesh, name, ['"IKE SA rekeyed"', '"role":"initiator"']),
  ];
}

function logged(mesh: LifecycleMesh, name: string, words: readonly string[]): number {
  const lines = mesh.agent(name).log().split('\n');
  return lines.filter((line) => words.every((word) => line.includes(word))).length;
}

const BAD_PATH_REKEYS = 3;
