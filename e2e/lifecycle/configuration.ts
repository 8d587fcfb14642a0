import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';

import { isBypassPolicy, isOurIndex } from '../../agent/dataplane/ownership.ts';
import { waitUntil } from '../../hack/lab/runner/wait-until.ts';
import { dumpPolicies } from '../../hack/lab/xfrm/xfrm-dump.ts';
import { ikeSasReplaced } from './keys.ts';
import type { LifecycleMesh } from './mesh.ts';
import type { NodeSettings } from './node-settings.ts';

/** Each node in turn is given other algorithms, which are in use in the end. */
export async function proposalsChanged(mesh: LifecycleMesh): Promise<void> {
  const both = { ike: ['aes256gcm16-prfsha384-ecp384', OTHER_IKE], esp: ['aes256gcm16-esn', OTHER_ESP] };
  const other = { ike: [OTHER_IKE], esp: [OTHER_ESP] };
  // A node that knows both is understood by one that knows either.
  for (const proposals of [both, other]) {
    for (const name of mesh.names) await mesh.change(name, { defaults: { proposals } });
  }
  await mesh.settled();
  for (const name of mesh.names) {
    for (const { ikeSas } of await mesh.peers(name)) {
      assert.deepEqual([ikeSas[0]?.suite, ikeSas[0]?.children[0]?.suite], [OTHER_IKE, OTHER_ESP], `suites of ${name}`);
    }
  }
}

/** Lifetimes become short, and the IKE SAs that are there end by them. */
export async function lifetimesChanged(mesh: LifecycleMesh): Promise<void> {
  for (const name of mesh.names) await mesh.change(name, { defaults: { lifetimes: { child: '10s', ike: '20s' } } });
  await ikeSasReplaced(mesh, 2);
  for (const name of mesh.names) await mesh.change(name, { defaults: {} });
  await mesh.settled();
}

/** More is encrypted than before at both ends, and then as much as before. */
export async function scopeChanged(mesh: LifecycleMesh): Promise<void> {
  for (const networksToo of [true, false]) {
    mesh.lab.step(networksToo ? 'nodes and networks' : 'as before');
    for (const name of mesh.names) await mesh.change(name, { networksToo });
    await mesh.settled(networksToo ? 2 : 1);
  }
}

/** One network more is encrypted at both ends, then another one in its place, and then as much as before. */
export async function networksChanged(mesh: LifecycleMesh): Promise<void> {
  const steps: readonly NonNullable<NodeSettings['furtherNetworks']>[] = [[], [0], [1], [0, 1], []];
  for (const furtherNetworks of steps) {
    mesh.lab.step(`${furtherNetworks.length} networks more: ${furtherNetworks.join(' and ') || 'none'}`);
    for (const name of mesh.names) await mesh.change(name, { networksToo: true, furtherNetworks });
    for (const name of mesh.names) await networksReached(mesh, name, furtherNetworks);
    await mesh.settled(2);
  }
}

async function networksReached(
  mesh: LifecycleMesh,
  name: string,
  further: NonNullable<NodeSettings['furtherNetworks']>,
): Promise<void> {
  const { network, further: others } = mesh.placeOf(name);
  const expected = [network, ...further.map((which) => others[which])].toSorted();
  await waitUntil(`all peers of ${name} to have agreed to ${expected.join(' and ')}`, async () => {
    const children = (await mesh.peers(name)).map(({ ikeSas }) => ikeSas[0]?.children.find(isOfNetworks));
    return children.every((child) => isDeepStrictEqual(child?.localSelectors.toSorted(), expected));
  });
}

function isOfNetworks({ name, state }: { readonly name: string; readonly state: string }): boolean {
  return name === 'networks' && state === 'installed';
}

/** Encryption becomes required and is not required any more, at one node after the other. */
export async function enforcementChanged(mesh: LifecycleMesh): Promise<void> {
  for (const enforcement of ['Required', 'Permissive']) {
    mesh.lab.step(enforcement);
    for (const name of mesh.names) await mesh.change(name, { defaults: { enforcement } });
    const level = enforcement === 'Required' ? 'required' : 'use';
    for (const name of mesh.names) await levelReached(mesh, name, level);
    await mesh.settled();
  }
}

/** No node has peers any more, one after the other; and then all have them again. */
export async function peeringRecreated(mesh: LifecycleMesh): Promise<void> {
  await mesh.unencrypted(async () => {
    mesh.lab.step('the peering is deleted');
    for (const name of mesh.names) await mesh.change(name, { alone: true });
    for (const name of mesh.names) {
      await waitUntil(
        `nothing of the peering to be left on ${name}`,
        async () => (await ownLevels(mesh, name)).length === 0,
      );
    }
    mesh.lab.step('it is created again');
    for (const name of mesh.names) await mesh.change(name, { alone: false });
    await mesh.settled();
  });
}

async function levelReached(mesh: LifecycleMesh, name: string, level: string): Promise<void> {
  await waitUntil(`the policies of ${name} to be of level ${level}`, async () => {
    // Kernels from 6.4 on refuse an optional tunnel on the way out: while there is an SA it is required there anyway.
    const levels = await ownLevels(mesh, name, level === 'use' ? ['in', 'fwd'] : ['in', 'fwd', 'out']);
    return levels.length > 0 && levels.every((each) => each === level);
  });
}

/** The levels of the templates in the policies of an agent's peers; what is never encrypted is of none. */
async function ownLevels(
  mesh: LifecycleMesh,
  name: string,
  directions: readonly string[] = ['in', 'fwd', 'out'],
): Promise<readonly string[]> {
  const policies = await dumpPolicies(mesh.node(name));
  const own = policies.filter(({ index, priority, direction }) => {
    return isOurIndex(index) && !isBypassPolicy({ index, priority }) && directions.includes(direction);
  });
  return own.flatMap(({ templates }) => templates.map(({ level }) => level));
}

const OTHER_IKE = 'aes128gcm16-prfsha256-ecp256';
const OTHER_ESP = 'aes128gcm16-esn';
