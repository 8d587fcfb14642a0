import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { IpsecNodeConfig } from '../../operator/api/ipsec-node-config.ts';
import { accessOf } from '../../operator/nodeconfig/access.ts';
import { grantAgents } from '../../operator/reconcile/agent-grants.ts';
import { joinNode } from '../../operator/testing/cluster-nodes.ts';
import { type AnyObject, OperatorCluster, PLACES, PREFIX } from '../../operator/testing/operator-cluster.ts';
import { opensslProvider } from '../crypto/openssl/openssl-provider.ts';
import { MemoryDataplane } from '../dataplane/memory.ts';
import { keyPem, pem, TestAuthority } from '../pki/testing/authority.ts';
import { ok } from '../result.ts';
import { systemClock } from '../runtime/clock-system.ts';
import { createLog } from '../runtime/log/logger.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import { ApiClient } from './api-client.ts';
import type { ApiServer } from './cluster-access.ts';
import { NodeToken } from './node-token.ts';
import { runInCluster } from './run-in-cluster.ts';

const { nodesNamespace, ownNamespace, agentAccount } = PLACES;
const DAY = 86_400_000;
const root = TestAuthority.root('Mesh CA', 'ecdsaP256', {
  notBeforeMs: Date.now() - DAY,
  notAfterMs: Date.now() + 30 * DAY,
});

let cluster: OperatorCluster;
let server: ApiServer;
let nodes: readonly string[];
const podUids: string[] = [];

beforeAll(async () => {
  cluster = await OperatorCluster.start({});
  const { url, authority } = cluster.controlPlane.server;
  const { hostname, port } = new URL(url);
  server = { host: hostname, port: Number(port), authority: async () => ok(authority) };
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: agentAccount, namespace: ownNamespace },
  });
  for (const number of [1, 2]) podUids.push(await joinNode(cluster, number));
  nodes = (await cluster.list<AnyObject>('Node')).map(({ metadata }) => metadata.name).sort();
  await grant();
  for (const node of nodes) await prepareNode(node);
});
afterAll(() => cluster?.close());

/** What the operator does, once the policy is in force: some time after it was accepted. */
async function grant(): Promise<void> {
  const granting = async (): Promise<true | undefined> => {
    const outcome = await grantAgents(cluster.admin, PLACES, PREFIX, AbortSignal.timeout(10_000));
    return outcome === 'granted' ? true : undefined;
  };
  await until(granting, 'the policy in force');
}

function peering(node: string, more = {}): object {
  return {
    name: 'cluster',
    priority: 0,
    addresses: [addressOf(node)],
    remote: { mesh: {} },
    traffic: { scope: 'Nodes', mode: 'Auto' },
    enforcement: { outbound: 'Required', inbound: 'Optional' },
    authentication: { certificate: { secretName: `ike-${node}` } },
    lifetimes: {},
    liveness: {},
    natTraversal: 'Auto',
    initiation: 'Always',
    ...more,
  };
}

function addressOf(node: string): string {
  return `192.0.2.${nodes.indexOf(node) + 1}`;
}

async function writeNodeConfig(node: string, peerings: readonly object[]): Promise<IpsecNodeConfig> {
  const found = await cluster.find<AnyObject>('Node', node);
  await cluster.apply({
    apiVersion: 'ikemesh.io/v1alpha1',
    kind: 'IPsecNodeConfig',
    metadata: { name: node },
    spec: { nodeUID: found?.metadata.uid, identity: { fqdn: `${node}.mesh.internal` }, peerings },
  });
  return nodeConfig(node);
}

/** As `helm uninstall` does it; an apply with an empty list would leave the field out. */
async function emptyNodeConfig(node: string): Promise<IpsecNodeConfig> {
  await cluster.admin.ask({
    method: 'PATCH',
    path: `/apis/ikemesh.io/v1alpha1/ipsecnodeconfigs/${node}`,
    contentType: 'application/merge-patch+json',
    body: { spec: { peerings: [] } },
  });
  return nodeConfig(node);
}

async function nodeConfig(node: string): Promise<IpsecNodeConfig> {
  const found = await cluster.find<IpsecNodeConfig>('IPsecNodeConfig', node);
  if (found === undefined) throw new Error('there is no IPsecNodeConfig');
  return found;
}

/** A Secret as cert-manager writes it; answers the serial number. */
async function writeSecret(node: string): Promise<bigint> {
  const serial = BigInt(Math.floor(Math.random() * 1e9) + 1e6);
  const times = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + DAY };
  const { der, key } = root.node(`${node}.mesh.internal`, { serial, ...times });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `ike-${node}`, namespace: nodesNamespace },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': base64(pem('CERTIFICATE', der)),
      'tls.key': base64(keyPem(key)),
      'ca.crt': base64(pem('CERTIFICATE', root.der)),
    },
  });
  return serial;
}

/** NodeConfig, Secret and the identity by which its agent reads it. */
async function prepareNode(node: string): Promise<void> {
  const config = await writeNodeConfig(node, [peering(node)]);
  await writeSecret(node);
  const known = { name: node, uid: config.spec.nodeUID, config } as unknown as Parameters<typeof accessOf>[0];
  const settings = { namespace: nodesNamespace, trustDomain: 'mesh.internal' } as unknown as Parameters<
    typeof accessOf
  >[2];
  await cluster.apply(...(accessOf(known, config.spec.peerings, settings) as unknown as readonly AnyObject[]));
}

/** The token that kubelet gives to the pod of an agent. */
async function podToken(node: string): Promise<string> {
  const name = `agent-${node}`;
  const answer = await cluster.admin.ask({
    method: 'POST',
    path: `/api/v1/namespaces/${ownNamespace}/serviceaccounts/${agentAccount}/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name } },
    },
  });
  if (!answer.ok) throw new Error(answer.error.message);
  return (answer.value as { readonly status: { readonly token: string } }).status.token;
}

async function clientOf(node: string): Promise<ApiClient> {
  const token = await podToken(node);
  return new ApiClient(server, async () => ok(token));
}

async function until<T>(look: () => Promise<T | undefined> | T | undefined, what: string): Promise<T> {
  for (let tries = 0; tries < 400; tries += 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(100);
  }
  throw new Error(`waited in vain: ${what}`);
}

describe('the token of an agent', () => {
  const secretPath = (node: string): string => `/api/v1/namespaces/${nodesNamespace}/secrets/ike-${node}`;
  const exchanged = async (client: ApiClient, nodeName: string): Promise<NodeToken> =>
    new NodeToken({ client, nodeName, namespace: nodesNamespace, monotonicMs: () => performance.now() });

  it('is exchanged for one that reads the Secret of its own node and of no other', async () => {
    const [own = '', other = ''] = nodes;
    const client = await clientOf(own);
    expect(await client.ask({ method: 'GET', path: secretPath(own) })).toMatchObject({
      ok: false,
      error: { status: 403 },
    });
    const token = await exchanged(client, own);
    const nodeClient = new ApiClient(server, () => token.token());
    expect(await nodeClient.ask({ method: 'GET', path: secretPath(own) })).toMatchObject({ ok: true });
    expect(await nodeClient.ask({ method: 'GET', path: secretPath(other) })).toMatchObject({
      ok: false,
      error: { status: 403 },
    });
    const all = `/api/v1/namespaces/${nodesNamespace}/secrets`;
    expect(await nodeClient.ask({ method: 'GET', path: all })).toMatchObject({ ok: false, error: { status: 403 } });
    client.close();
    nodeClient.close();
  });

  it('is not exchanged for that of another node', async () => {
    const [own = '', other = ''] = nodes;
    const client = await clientOf(own);
    const token = await (await exchanged(client, other)).token();
    expect(token.ok ? '' : token.error).toMatch(/ValidatingAdmissionPolicy/);
    client.close();
  });

  it('is needed: with none, and with one of no pod, there is no other', async () => {
    const [own = ''] = nodes;
    const without = new ApiClient(server, async () => ok('none'));
    expect(await (await exchanged(without, own)).token()).toMatchObject({
      ok: false,
      error: expect.stringContaining('401'),
    });
    const answer = await cluster.admin.ask({
      method: 'POST',
      path: `/api/v1/namespaces/${ownNamespace}/serviceaccounts/${agentAccount}/token`,
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
    });
    if (!answer.ok) throw new Error(answer.error.message);
    const { token } = (answer.value as { readonly status: { readonly token: string } }).status;
    const ofNoPod = new ApiClient(server, async () => ok(token));
    const refused = await (await exchanged(ofNoPod, own)).token();
    expect(refused.ok ? '' : refused.error).toMatch(/ValidatingAdmissionPolicy/);
    without.close();
    ofNoPod.close();
  });

  it('writes no status but that of its own node', async () => {
    const [own = '', other = ''] = nodes;
    const client = await clientOf(own);
    const write = (node: string) =>
      client.ask({
        method: 'PATCH',
        path: `/apis/ikemesh.io/v1alpha1/ipsecnodeconfigs/${node}/status`,
        contentType: 'application/merge-patch+json',
        body: { status: { observedGeneration: 1 } },
      });
    expect(await write(own)).toMatchObject({ ok: true });
    expect(await write(other)).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/ValidatingAdmissionPolicy/) },
    });
    client.close();
  });
});

describe('an agent in a cluster', () => {
  const folders: string[] = [];
  const running: AgentProcess[] = [];

  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  /** A node's kernel and disk, which outlive its agents. */
  class NodeMachine {
    readonly folder = mkdtempSync(join(tmpdir(), 'ikemesh-node-'));
    readonly kernel = new MemoryDataplane({ clock: systemClock });
    readonly log: string[] = [];
    readonly #node: string;

    constructor(node: string) {
      this.#node = node;
      folders.push(this.folder);
    }

    policies(): readonly string[] {
      const dumped = this.kernel.dump();
      if (!dumped.ok) throw new Error(dumped.error.message);
      return dumped.value.policies
        .filter(({ selector: { source, destination } }) => source.length === 32 && destination.length === 32)
        .map(({ direction, template, action }) => `${direction} ${template?.level ?? action}`)
        .sort();
    }

    async start(token?: string): Promise<AgentProcess> {
      const signals = new EventEmitter();
      const given = token ?? (await podToken(this.#node));
      const ended = runInCluster({
        nodeName: this.#node,
        namespace: nodesNamespace,
        podUid: podUids[nodes.indexOf(this.#node)] ?? '',
        stateFolder: join(this.folder, 'state'),
        socket: join(this.folder, 'run', 'agent.sock'),
        server,
        token: async () => ok(given),
        signals,
        provider: opensslProvider,
        log: createLog('json', 'debug', { write: (line) => void this.log.push(line) }, false),
        createTransport: () => new TestWorld().transport(),
        openDataplane: () => ok(new Proxy(this.kernel, { get: memberOf })),
      });
      const agent = {
        stop: async () => {
          signals.emit('SIGTERM');
          await ended;
        },
      };
      running.push(agent);
      return agent;
    }
  }

  it('does what its IPsecNodeConfig says, tells it, and goes on with it whatever goes away', async () => {
    const [own = '', other = ''] = nodes;
    await cluster.apply({
      apiVersion: 'ikemesh.io/v1alpha1',
      kind: 'IPsecPeerSlice',
      metadata: { name: 'cluster-0', labels: { 'ikemesh.io/peering': 'cluster' } },
      peering: 'cluster',
      peers: await Promise.all(nodes.map(slicePeer)),
    });
    const machine = new NodeMachine(own);
    const first = await machine.start();
    const told = await until(
      async () => {
        const { status, metadata } = await nodeConfig(own);
        return status?.agent !== undefined && status.observedGeneration === metadata.generation ? status : undefined;
      },
      `a status; ${machine.log.join('')}`,
    );
    expect(told.agent?.podUID).toBe(podUids[nodes.indexOf(own)]);
    expect(told.conditions?.map(({ type, status }) => `${type} ${status}`)).toEqual([
      'Ready True',
      'Programmed True',
      'CertificatesLoaded True',
    ]);
    expect(told.peerings).toMatchObject([
      {
        name: 'cluster',
        enforcement: { outbound: 'Required', inbound: 'Optional' },
        certificate: { secretName: `ike-${own}` },
        tunnels: { expected: 0, pending: 1 },
      },
    ]);
    expect(machine.policies()).toEqual(['in optional', 'out required']);

    const serial = await writeSecret(own);
    await until(
      async () =>
        (await nodeConfig(own)).status?.peerings?.[0]?.certificate?.serialNumber.replace(/^0+/, '') ===
          serial.toString(16) || undefined,
      'the new certificate in use',
    );
    expect(await secretsIn(machine.folder)).toBe(false);

    await cluster.remove('IPsecPeerSlice', 'cluster-0');
    await cluster.remove('IPsecNodeConfig', own);
    // That nothing happens has no sign of its own: the watches have told the agent long before.
    await sleep(2_000);
    expect(machine.policies()).toEqual(['in optional', 'out required']);

    await first.stop();
    expect(machine.policies()).toEqual(['in optional', 'out required']);
    const second = await machine.start('a token that is good for nothing');
    await until(
      () => machine.log.some((line) => line.includes('beginning with what was kept')) || undefined,
      'a start without the API server',
    );
    await until(
      () => machine.log.filter((line) => line.includes('agent started')).length === 2 || undefined,
      machine.log.slice(-10).join(''),
    );
    expect(machine.policies()).toEqual(['in optional', 'out required']);
    await second.stop();
    expect(other).not.toBe('');
  });

  it('takes everything out of the kernel when an IPsecNodeConfig lists nothing any more', async () => {
    const [, own = ''] = nodes;
    await cluster.apply({
      apiVersion: 'ikemesh.io/v1alpha1',
      kind: 'IPsecPeerSlice',
      metadata: { name: 'cluster-1', labels: { 'ikemesh.io/peering': 'cluster' } },
      peering: 'cluster',
      peers: await Promise.all(nodes.map(slicePeer)),
    });
    const machine = new NodeMachine(own);
    await machine.start();
    await until(() => machine.policies().length === 2 || undefined, `policies; ${machine.log.join('')}`);
    const emptied = await emptyNodeConfig(own);
    const status = await until(
      async () => {
        const { status: said } = await nodeConfig(own);
        return said?.observedGeneration === emptied.metadata.generation ? said : undefined;
      },
      `the end; ${machine.log.slice(-5).join('')}`,
    );
    expect(status.peerings ?? []).toEqual([]);
    const dumped = machine.kernel.dump();
    expect(dumped.ok ? dumped.value.policies : undefined).toEqual([]);
  });
});

interface AgentProcess {
  stop(): Promise<void>;
}

async function slicePeer(node: string): Promise<object> {
  const found = await cluster.find<AnyObject>('Node', node);
  return {
    uid: found?.metadata.uid,
    name: node,
    addresses: [addressOf(node)],
    identity: { fqdn: `${node}.mesh.internal` },
  };
}

/** A kernel that stays when an agent lets go of it. */
function memberOf(kernel: MemoryDataplane, name: string | symbol): unknown {
  if (name === 'close') return () => {};
  const member = Reflect.get(kernel, name, kernel);
  return typeof member === 'function' ? member.bind(kernel) : member;
}

/** Whether a private key is in the folder that outlives the pod. */
async function secretsIn(folder: string): Promise<boolean> {
  const state = join(folder, 'state');
  if (!existsSync(state)) return false;
  return readdirSync(state).some(
    (name) => name.endsWith('.json') && readFileSync(join(state, name), 'utf8').includes('PRIVATE KEY'),
  );
}
