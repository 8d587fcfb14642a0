import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { waitUntil } from '../hack/lab/runner/wait-until.ts';
import { dumpStates } from '../hack/lab/xfrm/xfrm-dump.ts';
import { isLongForm } from '../hack/test/long-form.ts';
import type { IpsecNodeConfig } from '../operator/api/ipsec-node-config.ts';
import type { IpsecPeerSlice } from '../operator/api/ipsec-peer-slice.ts';
import { PLACES } from '../operator/testing/operator-cluster.ts';
import type { InstalledCluster } from './installed-cluster.ts';
import { pairsOf } from './mesh-streams.ts';
import { whileTrafficFlows } from './mesh-traffic.ts';
import { startPodAnew } from './pod-streams.ts';
import { allPairsEncrypt, hasSasWith, knows } from './sas.ts';

/** Nodes join, are registered, booted and made again, and leave, while traffic flows between the others. */
export function nodesComeAndGo(mesh: () => InstalledCluster): void {
  /** Addresses of a node that was deleted. */
  let gone: readonly string[] = [];
  const nodes = () => [...mesh().cluster.nodes.values()];
  const allBut = (name: string) => nodes().filter((node) => node.name !== name);
  const config = (name: string) => mesh().read<IpsecNodeConfig>('ipsecnodeconfig', name);
  const certificateOf = async (name: string) => {
    const { spec, status } = await config(name);
    const secret = spec.peerings[0]?.authentication.certificate?.secretName ?? '';
    const used = status?.peerings?.[0]?.certificate;
    return { secret, serial: used?.secretName === secret ? used.serialNumber : undefined };
  };
  const peers = async () => (await mesh().list<IpsecPeerSlice>('ipsecpeerslices')).flatMap((slice) => slice.peers);
  const uidOf = async (name: string) =>
    (await mesh().read<{ readonly metadata: { readonly uid: string } }>('node', name)).metadata.uid;

  /** Waits until a node has SAs with all others, and says when it had the first and the last; after how many seconds that was. */
  async function encrypts(name: string, since: number): Promise<number> {
    const node = mesh().cluster.node(name);
    const reached = async () => {
      const states = await dumpStates(node);
      return allBut(name).filter((peer) => hasSasWith(states, peer)).length;
    };
    const wait = { timeoutMs: 120_000, intervalMs: 250 };
    await waitUntil(`${name} to have SAs with somebody`, async () => (await reached()) > 0, wait);
    say(`${name} has its first SAs ${seconds(since)} s after that`);
    await waitUntil(`${name} to have SAs with all`, async () => (await reached()) === allBut(name).length, wait);
    await allPairsEncrypt(nodes());
    const last = seconds(since);
    say(`${name} has its last SAs ${last} s after that`);
    const runs = async () => (await node.run(['pgrep', '-f', '^/traffic serve'])).code === 0;
    await waitUntil(`the pod that ends streams on ${name}`, runs, wait);
    return Number(last);
  }

  it('takes in a node that joins, while the others lose nothing', async () => {
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: nodes() },
      async () => {
        await mesh().cluster.addNode('d');
        await encrypts('d', performance.now());
      },
      { event: 'cluster-node-joined' },
    );
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, () => delay(WATCHED_MS));
  }, 600_000);

  it('loses nothing to a live node whose Node object is deleted and registered again', async () => {
    const before = { uid: await uidOf('d'), ...(await certificateOf('d')) };
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: nodes() },
      async () => {
        await mesh().kubectl('delete', 'node', 'd');
        await mesh().cluster.node('d').restartKubelet();
        const isKnown = async () => (await peers()).some(({ name, uid }) => name === 'd' && uid !== before.uid);
        await waitUntil('d to be a peer as the Node that it is now', isKnown, { timeoutMs: 240_000, intervalMs: 500 });
        // Until whatever was replaced has gone.
        await delay(8_000);
      },
      { event: 'cluster-node-registered-again' },
    ).finally(() => startPodAnew(mesh().cluster, 'd'));
    const after = await certificateOf('d');
    expect(after.secret).not.toBe(before.secret);
    expect(after.serial).toBeDefined();
    expect(await readableBy('d')).toEqual([after.secret]);
  }, 600_000);

  it('encrypts again with a node that was rebooted, while the others lose nothing', async () => {
    const rebooted = performance.now();
    let recoverySeconds: number | undefined;
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: allBut('c') },
      async () => {
        await mesh().cluster.reboot('c');
        say(`c is Ready again ${seconds(rebooted)} s after it was told to reboot`);
        recoverySeconds = await encrypts('c', performance.now());
      },
      { event: 'cluster-node-rebooted', recoverySeconds: () => recoverySeconds },
    );
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, () => delay(WATCHED_MS));
  }, 600_000);

  it('takes a node that is made again under its name for another one, while the others lose nothing', async () => {
    const old = mesh().cluster.node('c').addresses;
    const before = await certificateOf('c');
    const token = await tokenOf('c');
    expect(await isAccepted(token)).toBe(true);
    let recoverySeconds: number | undefined;
    await whileTrafficFlows(
      { cluster: mesh().cluster, nodes: allBut('c') },
      async () => {
        await mesh().cluster.removeNode('c');
        await mesh().cluster.addNode('c');
        recoverySeconds = await encrypts('c', performance.now());
      },
      { event: 'cluster-node-replaced', recoverySeconds: () => recoverySeconds },
    );
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, () => delay(WATCHED_MS));
    const after = await certificateOf('c');
    expect(after.secret).not.toBe(before.secret);
    expect(after.serial).toMatch(/^[0-9a-f]+$/);
    expect(after.serial).not.toBe(before.serial);
    expect(mesh().cluster.node('c').addresses).not.toEqual(old);
    // Neither by its address, nor by its key, nor by its token.
    const forgotten = async () => !(await Promise.all(allBut('c').map((node) => knows(node, old)))).includes(true);
    await waitUntil('the others to know nothing of the old addresses', forgotten, { timeoutMs: 60_000 });
    expect(await readableBy('c')).toEqual([after.secret]);
    expect(await isAccepted(token)).toBe(false);
  }, 600_000);

  it('keeps what it has of a node that is drained and deleted, for as long as it may come back', async () => {
    await whileTrafficFlows({ cluster: mesh().cluster, nodes: allBut('d') }, async () => {
      await mesh().kubectl('drain', 'd', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=60s');
      await mesh().kubectl('delete', 'node', 'd');
      gone = mesh().cluster.node('d').addresses;
      await mesh().cluster.removeNode('d');
      // Until its peers have noticed.
      await delay(30_000);
    });
    expect((await config('d')).metadata.name).toBe('d');
    expect(await mesh().readyTunnels(3)).toEqual({ expected: 3, established: 3, encrypting: 3 });
    expect(pairsOf(nodes())).toHaveLength(3);
  }, 600_000);

  if (isLongForm())
    it('takes away what was of nodes that are gone, when they were for five minutes', async () => {
      const uids = new Set([...(await Promise.all(nodes().map(({ name }) => uidOf(name))))]);
      const left = async () => {
        const kinds = 'secrets,certificates,serviceaccounts,roles,rolebindings';
        const where = [`--namespace=${PLACES.nodesNamespace}`, '--selector=ikemesh.io/node-uid'];
        return (await mesh().list<Labelled>(kinds, ...where)).filter(
          ({ metadata }) => !uids.has(metadata.labels['ikemesh.io/node-uid']),
        );
      };
      expect((await left()).length).toBeGreaterThan(0);
      const wait = { timeoutMs: 420_000, intervalMs: 5_000 };
      await whileTrafficFlows({ cluster: mesh().cluster, nodes: nodes() }, async () => {
        await waitUntil('their objects to be gone', async () => (await left()).length === 0, wait);
        const known = async () => Promise.all(nodes().map((node) => knows(node, gone)));
        await waitUntil('their peers to drop them', async () => !(await known()).includes(true), wait);
      });
      expect((await mesh().kubectl('get', 'ipsecnodeconfigs', '--output=name')).trim().split('\n')).toHaveLength(3);
      expect((await peers()).map(({ name }) => name).sort()).toEqual(['a', 'b', 'c']);
    }, 600_000);

  /** Names of the Secrets that the agent of a node may read. */
  async function readableBy(node: string): Promise<readonly string[]> {
    const where = [`node-${node}`, `--namespace=${PLACES.nodesNamespace}`] as const;
    const role = await mesh().read<Role>('role', ...where);
    return role.rules.flatMap(({ resourceNames }) => resourceNames);
  }

  /** A token as the agent of a node has one. */
  async function tokenOf(node: string): Promise<string> {
    const bound = ['--bound-object-kind=Node', `--bound-object-name=${node}`];
    const words = ['create', 'token', `node-${node}`, `--namespace=${PLACES.nodesNamespace}`, ...bound];
    return (await mesh().kubectl(...words)).trim();
  }

  /** Whether the API server takes a token. */
  async function isAccepted(token: string): Promise<boolean> {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { stdout } = await mesh().cluster.controlPlane.kubectl(['create', '--filename=-', '--output=json'], {
      input: JSON.stringify(review),
    });
    return (
      (JSON.parse(stdout) as { readonly status: { readonly authenticated?: boolean } }).status.authenticated === true
    );
  }
}

interface Labelled {
  readonly metadata: { readonly labels: { readonly 'ikemesh.io/node-uid': string } };
}

interface Role {
  readonly rules: readonly { readonly resourceNames: readonly string[] }[];
}

function say(line: string): void {
  process.stdout.write(`    ${line}\n`);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}

/** Streams between all pods of four nodes take a second to begin on two processors. */
const WATCHED_MS = 3_000;
