import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ApiClient as AgentClient } from '../../agent/kube/api-client.ts';
import { type OpenMetrics, openMetrics } from '../../agent/metrics/open-metrics.ts';
import { ok } from '../../agent/result.ts';
import { createLog } from '../../agent/runtime/log/logger.ts';
import { Authority } from '../../hack/cluster/control-plane/authority.ts';
import { type ControlPlane, startControlPlane } from '../../hack/cluster/control-plane/control-plane.ts';
import { freePorts } from '../../hack/cluster/control-plane/free-ports.ts';
import { waitUntil } from '../../hack/lab/runner/wait-until.ts';
import { ScrapeGate } from '../../operator/api/scrape-gate.ts';
import { ApiClient as OperatorClient } from '../../operator/kube/api-client.ts';
import { connectionFrom } from '../../operator/kube/connection.ts';
import { serveMetrics } from '../../operator/metrics/metrics-server.ts';
import { OperatorMetrics } from '../../operator/metrics/operator-metrics.ts';

const NAME = 'metrics.test.internal';

/** Both servers, with an API server that knows tokens and rights. */
describe('metrics that not everybody may read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ikemesh-metrics-'));
  const authority = Authority.create('metrics CA');
  const tokens = new Map<string, string>();
  const ports = new Map<string, number>();
  const told: string[] = [];
  let controlPlane: ControlPlane;
  let agent: OpenMetrics;
  let closeOperator = () => {};

  beforeAll(async () => {
    controlPlane = await startControlPlane();
    await apply(OBJECTS);
    for (const name of ['reader', 'viewer', 'other', 'ikemesh'])
      tokens.set(name, (await kubectl('create', 'token', name, '--namespace=default')).trim());
    layDown();
    const [agentPort = 0, operatorPort = 0] = await freePorts(2, '127.0.0.1');
    const { hostname, port } = new URL(controlPlane.server.url);
    const server = { host: hostname, port: Number(port), authority: async () => ok(controlPlane.server.authority) };
    const client = new AgentClient(server, async () => ok(tokens.get('ikemesh') ?? ''));
    agent = openMetrics(
      {
        listen: { address: '127.0.0.1', port: agentPort },
        withPeers: true,
        tlsFolder: folder,
        authenticates: true,
        statusPage: true,
      },
      {
        log: createLog('json', 'info', { write: (line) => void told.push(line) }, false),
        cryptoProvider: 'openssl',
        report: () => undefined,
        post: async (path, body) => {
          const answer = await client.ask({ method: 'POST', path, body });
          return answer.ok ? answer.value : undefined;
        },
      },
    );
    const user = { name: 'system:serviceaccount:default:ikemesh', groups: ['system:serviceaccounts'] };
    const operatorClient = new OperatorClient(connectionFrom(await controlPlane.kubeconfigOf(user)));
    const gate = new ScrapeGate({
      post: async (path, body) => {
        const answer = await operatorClient.ask({ method: 'POST', path, body });
        return answer.ok ? answer.value : undefined;
      },
      fingerprint: (text) => text,
      nowMs: () => performance.now(),
    });
    const nothing = { leads: false, unready: undefined, queueLength: 0, watching: new Map(), peerings: [] };
    const metrics = new OperatorMetrics('1.2.3', () => nothing);
    const judge = (header: string | undefined, path: string) => gate.judge(header, path);
    const operator = await serveMetrics(metrics, { port: operatorPort, host: '127.0.0.1', tlsFolder: folder, judge });
    closeOperator = () => void operator.close();
    ports.set('agent', agentPort).set('operator', operatorPort);
    const isServing = () => told.some((line) => line.includes('a certificate for metrics is in use'));
    await waitUntil('the agent to serve metrics', isServing);
  });
  afterAll(async () => {
    agent?.close();
    closeOperator();
    await controlPlane?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function kubectl(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await controlPlane.kubectl(words);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }

  async function apply(items: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const { code, stderr } = await controlPlane.kubectl(['apply', '--filename=-'], { input });
    if (code !== 0) throw new Error(stderr);
  }

  /** A new certificate and key, where the servers look for them. */
  function layDown(): string {
    const { certificate, key } = authority.server(NAME, [NAME]);
    writeFileSync(join(folder, 'tls.crt'), certificate);
    writeFileSync(join(folder, 'tls.key'), key);
    return certificate;
  }

  function ask(who: string, token?: string): Promise<Answer> {
    return get(who, '/metrics', token === undefined ? {} : { authorization: `Bearer ${token}` });
  }

  function get(who: string, path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port: ports.get(who), path, servername: NAME };
      const sent = request({ ...where, ca: authority.certificate, agent: false, headers }, (answer) => {
        let text = '';
        const socket = answer.socket as unknown as { getPeerCertificate(): { readonly serialNumber: string } };
        const { serialNumber: serial } = socket.getPeerCertificate();
        answer.on('data', (piece: Buffer) => {
          text += piece.toString();
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, serial }));
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  describe.each(['agent', 'operator'])('of the %s', (who) => {
    it('are kept from whoever has no token, or none of this cluster', async () => {
      expect(await ask(who)).toMatchObject({ status: 401, text: expect.stringContaining('token') });
      expect(await ask(who, 'made-up')).toMatchObject({ status: 401 });
    });

    it('are kept from whom RBAC does not let read them', async () => {
      expect(await ask(who, tokens.get('other'))).toMatchObject({
        status: 403,
        text: expect.stringContaining('nonResourceURL'),
      });
    });

    it('are told to whom RBAC lets read them', async () => {
      const { status, text } = await ask(who, tokens.get('reader'));
      expect(status).toBe(200);
      expect(text).toMatch(/^# HELP ikemesh_(operator_)?build_info/m);
    });

    it('are served by the certificate that came last, without a restart', async () => {
      const { serial } = await ask(who);
      layDown();
      const end = performance.now() + 30_000;
      while ((await ask(who)).serial === serial && performance.now() < end) await delay(500);
      expect((await ask(who)).serial).not.toBe(serial);
    });
  });

  it('is a right of its own to see the status page of the agent, by TLS with a token as password', async () => {
    for (const path of ['/status/', '/status/overview.json']) {
      expect(await get('agent', path, {}), path).toMatchObject({ status: 401 });
      expect(await get('agent', path, byPassword('made-up')), path).toMatchObject({ status: 401 });
      // Who may read the metrics may not see more for that reason.
      expect(await get('agent', path, byPassword(tokens.get('reader'))), path).toMatchObject({ status: 403 });
      expect(await get('agent', path, byPassword(tokens.get('viewer'))), path).toMatchObject({ status: 200 });
    }
    expect(await ask('agent', tokens.get('viewer'))).toMatchObject({ status: 403 });
  });
});

/** As a browser asks, which has a name and a password. */
function byPassword(token: string | undefined): Readonly<Record<string, string>> {
  return { authorization: `Basic ${btoa(`anybody:${token}`)}` };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly serial: string;
}

const account = (name: string) => ({ kind: 'ServiceAccount', name, namespace: 'default' });
const role = (name: string, rule: object) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name },
  rules: [rule],
});
const binding = (name: string, subject: string) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
  subjects: [account(subject)],
});
/** What the chart gives operator and agents, and what its README says that Prometheus needs. */
const OBJECTS = [
  ...['reader', 'viewer', 'other', 'ikemesh'].map((name) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: 'default' },
  })),
  role('metrics-reader', { nonResourceURLs: ['/metrics'], verbs: ['get'] }),
  binding('metrics-reader', 'reader'),
  role('ikemesh-status-page', { nonResourceURLs: ['/status'], verbs: ['get'] }),
  binding('ikemesh-status-page', 'viewer'),
  role('asks-who', { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] }),
  binding('asks-who', 'ikemesh'),
  role('asks-whether', {
    apiGroups: ['authorization.k8s.io'],
    resources: ['subjectaccessreviews'],
    verbs: ['create'],
  }),
  binding('asks-whether', 'ikemesh'),
];
