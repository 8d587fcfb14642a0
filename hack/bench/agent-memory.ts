import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { FakeApiServer, type Received } from '../../agent/kube/testing/fake-api-server.ts';
import { keyPem, pem, TestAuthority } from '../../agent/pki/testing/authority.ts';
import { bundle } from '../build/bundle.ts';
import { mallocSettings } from '../image/build-image.ts';
import type { Bench, BenchResult } from './bench.ts';

/** What an idle agent in a cluster keeps resident, as the image runs it: one file, with nothing but its own code. */
export const agentMemoryBench: Bench = {
  name: 'agent-memory',
  summary:
    'resident memory of an idle agent in a cluster, with 3 and with 100 peers that do not answer, scraped or not',
  run: async (_extent, progress) => {
    const folder = mkdtempSync(join(tmpdir(), 'ikemesh-bench-'));
    try {
      const program = join(folder, 'agent.js');
      await bundle(new URL('./agent-memory-process.ts', import.meta.url).pathname, program);
      symlinkSync(new URL('../../node_modules', import.meta.url).pathname, join(folder, 'node_modules'));
      const results: BenchResult[] = [];
      for (const peers of [3, 100]) {
        for (const scraped of [false, true]) {
          const seconds = SETTLING_SECONDS + READ_SECONDS;
          progress(`an agent with ${peers} peers, ${scraped ? '' : 'not '}scraped, for ${seconds} s`);
          results.push(await measured(folder, program, peers, scraped));
        }
      }
      return results;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

async function measured(folder: string, program: string, peers: number, scraped: boolean): Promise<BenchResult> {
  const server = await FakeApiServer.start();
  const run = mkdtempSync(join(folder, 'run-'));
  try {
    const authority = await server.access.authority();
    if (!authority.ok) throw new Error(authority.error);
    writeFileSync(join(run, 'ca.crt'), authority.value);
    const objects = clusterOf(peers);
    server.answer = (received, response) => answer(received, response, objects);
    const agent = spawn(process.execPath, [...AGENT_FLAGS, program, run, String(server.access.port)], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...mallocSettings },
    });
    try {
      const { started, metricsPort } = await startLines(agent);
      if (!started.includes(`"peers":${peers}`)) throw new Error(`the agent did not start with its peers: ${started}`);
      const scrape = scraped
        ? () => fetch(`http://127.0.0.1:${metricsPort}/metrics`).then((answer) => answer.text())
        : undefined;
      const rssBytes = await highestAtRest(agent, scrape);
      return {
        bench: 'agent-memory',
        parameters: { provider: 'openssl', peers, scraped: scraped ? 'yes' : 'no' },
        figures: { rssBytes, peakRssBytes: statusBytes(agent, 'VmHWM') },
        targets: [
          { figure: 'rssBytes', bound: 'atMost', limit: 90_000_000, aim: 70_000_000 },
          { figure: 'peakRssBytes', bound: 'atMost', limit: 90_000_000 },
        ],
      };
    } finally {
      agent.kill('SIGTERM');
      if (agent.exitCode === null) await new Promise((resolve) => agent.once('exit', resolve));
    }
  } finally {
    await server.close();
  }
}

/** The log line that tells of the start, and where metrics are served. */
function startLines(agent: ChildProcess): Promise<{ readonly started: string; readonly metricsPort: string }> {
  return new Promise((resolve, reject) => {
    let text = '';
    agent.stderr?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      const lines = text.split('\n').slice(0, -1);
      const started = lines.find((each) => each.includes('agent started'));
      const metricsPort = /"port":(\d+)/.exec(lines.find((each) => each.includes('metrics are served')) ?? '')?.[1];
      if (started !== undefined && metricsPort !== undefined) resolve({ started, metricsPort });
    });
    agent.once('exit', () => reject(new Error(`the agent ended: ${text}`)));
  });
}

/** The highest of what it has resident, once it has settled; `scrape` is called as often as Prometheus does. */
async function highestAtRest(agent: ChildProcess, scrape: (() => Promise<unknown>) | undefined): Promise<number> {
  let highest = 0;
  for (let second = 0; second < SETTLING_SECONDS + READ_SECONDS; second += 1) {
    if (second % SCRAPE_EVERY_SECONDS === 0) await scrape?.();
    if (second >= SETTLING_SECONDS) highest = Math.max(highest, statusBytes(agent, 'VmRSS'));
    await sleep(1_000);
  }
  return highest;
}

/** Of what the kernel says: what is resident, or has been at most. */
function statusBytes({ pid }: ChildProcess, field: 'VmRSS' | 'VmHWM'): number {
  const status = `/proc/${pid}/status`;
  if (!existsSync(status)) throw new Error('the agent has ended');
  const kilobytes = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(status, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Everything that an agent asks for, by the last part of the path. */
function clusterOf(peers: number): Readonly<Record<string, object>> {
  const apiVersion = 'ikemesh.io/v1alpha1';
  const root = TestAuthority.root('Mesh', 'ecdsaP256', {
    notBeforeMs: Date.now() - HOUR_MS,
    notAfterMs: Date.now() + HOUR_MS,
  });
  const { der, key } = root.node('node-a.mesh.internal', {
    notBeforeMs: Date.now() - HOUR_MS,
    notAfterMs: Date.now() + HOUR_MS,
  });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const nodeUID = uid(0);
  return {
    ipsecnodeconfigs: {
      apiVersion,
      kind: 'IPsecNodeConfig',
      metadata: { name: 'node-a', generation: 1 },
      spec: {
        nodeUID,
        identity: { fqdn: 'node-a.mesh.internal' },
        peerings: [
          {
            name: 'cluster',
            priority: 0,
            addresses: ['10.0.0.1'],
            remote: { mesh: {} },
            traffic: {},
            enforcement: { outbound: 'Required', inbound: 'Required' },
            authentication: { certificate: { secretName: 'ike-a' } },
          },
        ],
      },
    },
    ipsecpeerslices: {
      apiVersion,
      kind: 'IPsecPeerSlice',
      metadata: { name: 'cluster-0' },
      peering: 'cluster',
      peers: Array.from({ length: peers }, (_, index) => ({
        uid: uid(index + 1),
        name: `node-${index}`,
        addresses: [`10.0.1.${index + 1}`],
        identity: { fqdn: `node-${index}.mesh.internal` },
      })),
    },
    secrets: {
      metadata: { name: 'ike-a' },
      type: 'kubernetes.io/tls',
      data: {
        'tls.crt': base64(pem('CERTIFICATE', der)),
        'tls.key': base64(keyPem(key)),
        'ca.crt': base64(pem('CERTIFICATE', root.der)),
      },
    },
  };
}

/** Lists have the one object; watches stay open and say nothing. */
function answer(
  { method, path, query }: Received,
  response: ServerResponse,
  objects: Readonly<Record<string, object>>,
): void {
  if (method === 'POST') {
    response.end(JSON.stringify({ spec: { expirationSeconds: 3_600 }, status: { token: 'node token' } }));
  } else if (method === 'PATCH') response.end('{}');
  else if (query.has('watch')) response.flushHeaders();
  else {
    const found = objects[path.split('/').at(-1) ?? ''];
    response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: found === undefined ? [] : [found] }));
  }
}

function uid(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

const HOUR_MS = 3_600_000;
/** What the chart starts an agent with. */
const AGENT_FLAGS = ['--max-semi-space-size=2'];
/** Long enough for first attempts to have been made, and for what they leave to be collected. */
const SETTLING_SECONDS = 45;
const READ_SECONDS = 30;
/** The interval that most have; not the default of Prometheus, which is longer. */
const SCRAPE_EVERY_SECONDS = 15;
