import type { KernelSnapshot, SaSpec } from '../../agent/dataplane/types.ts';
import { decodePolicy, encodePolicy } from '../../agent/dataplane/xfrm/policy-codec.ts';
import { decodeSa, encodeNewSa } from '../../agent/dataplane/xfrm/sa-codec.ts';
import { AgentMetrics } from '../../agent/metrics/agent-metrics.ts';
import { StatusPage } from '../../agent/page/status-page.ts';
import { systemClock, systemTimers } from '../../agent/runtime/clock-system.ts';
import { type StatusReport, statusReport } from '../../agent/runtime/status/report.ts';
import { median } from './measure.ts';
import { MeshNode } from './mesh-node.ts';
import type { ScrapeReadings } from './scrape.ts';

/*
 * The process that the scrape bench reads: `node scrape-process.ts PEERS` is a node of a mesh with all its tunnels up,
 * which is scraped, and then looked at by its status page. What its kernel has comes as the bytes of a netlink dump, and is
 * decoded at each scrape and for each picture.
 */

async function readings(peers: number): Promise<ScrapeReadings> {
  const node = new MeshNode(peers);
  node.advance(ESTABLISHING_MS);
  if (node.count('childSaEstablished') !== peers) throw new Error(`${node.count('childSaEstablished')} Child SAs`);
  const sas = [...node.installed.sas.values()].map(dumpedSa);
  const policies = [...node.installed.policies.values()].map((policy) => encodePolicy(policy, 0));
  const dump = (): KernelSnapshot => ({
    sas: sas.flatMap((body) => decodeSa(body) ?? []),
    policies: policies.flatMap((body) => decodePolicy(body) ?? []),
  });
  const report = (): StatusReport =>
    statusReport({
      node: 'node-0',
      version: '0.0.0',
      cryptoProvider: 'openssl',
      startedAt: 0,
      wallMs: Date.now(),
      ...node.status(),
      connections: node.connections,
      watched: [],
      shownCertificate: () => ({ subject: 'CN=node', issuer: 'CN=Mesh', serial: '01', notAfterMs: Date.now() }),
      heldBack: [],
      snapshot: dump(),
      kernelFailure: undefined,
      dropped: {},
      unsent: {},
    });
  const metrics = new AgentMetrics({
    clock: systemClock,
    timers: systemTimers,
    version: '0.0.0',
    cryptoProvider: 'openssl',
    withPeers: true,
    report,
  });
  const before = process.memoryUsage.rss();
  const seconds: number[] = [];
  let text = '';
  for (let round = 0; round < SCRAPES; round += 1) {
    const started = process.cpuUsage();
    ({ text } = await metrics.expose());
    seconds.push(secondsSince(started));
  }
  metrics.stop();
  const page = pageReadings(report);
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  if (!text.includes(`ikemesh_esp_sas{standing="current"} ${2 * peers}\n`)) throw new Error('SAs are missing');
  return {
    sas: sas.length,
    policies: policies.length,
    firstSeconds: seconds[0] ?? 0,
    seconds: median(seconds.slice(1)),
    series: series.length,
    bytes: Buffer.byteLength(text),
    rssBytes: process.memoryUsage.rss() - before,
    ...page,
  };
}

/** Pictures one after the other, each made anew. */
function pageReadings(report: () => StatusReport): Pick<ScrapeReadings, 'pageSeconds' | 'pageBytes'> {
  let forget = (): void => {};
  const timers = {
    after: (_: number, callback: () => void) => {
      forget = callback;
      return () => {};
    },
  };
  const page = new StatusPage({ clock: systemClock, timers, version: '0.0.0', report, events: () => [] });
  const seconds: number[] = [];
  let bytes = 0;
  for (let round = 0; round < SCRAPES; round += 1) {
    forget();
    const started = process.cpuUsage();
    const { body } = page.answer('/status/overview.json');
    seconds.push(secondsSince(started));
    bytes = body.length;
  }
  return { pageSeconds: median(seconds.slice(1)), pageBytes: bytes };
}

function secondsSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
}

/** An SA as the kernel tells it in a dump, which is as it was ordered. */
function dumpedSa(sa: SaSpec): Uint8Array {
  const features = { direction: false, natKeepalive: false };
  const encoded = encodeNewSa(sa, features);
  if (!encoded.ok) throw new Error(encoded.error.reason);
  return encoded.value;
}

const ESTABLISHING_MS = 30_000;
const SCRAPES = 20;

process.stdout.write(JSON.stringify(await readings(Number(process.argv[2]))));
