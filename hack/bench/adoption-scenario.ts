import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';

import { stringify } from 'yaml';

import type { StatusReport } from '../../agent/runtime/status/report.ts';
import type { AgentProcess } from '../lab/agent/agent-process.ts';
import { isSettled } from '../lab/agent/settled.ts';
import { certificateFiles, labRoot, validNow } from '../lab/interop/link-certificates.ts';
import type { Lab, Scenario } from '../lab/runner/scenario.ts';
import { waitUntil } from '../lab/runner/wait-until.ts';
import type { Topology } from '../lab/topology/topology.ts';
import { READINGS_FILE } from './readings-file.ts';

/** How long what an agent does for all of its peers took, in seconds from its beginning. */
export interface AdoptionReadings {
  readonly kernel: string;
  /** From the start of its process, with the SAs of an earlier one in the kernel. */
  readonly start: {
    /** It has read its configuration and what is in the kernel. */
    readonly started: number;
    /** Every peer has SAs of this agent. */
    readonly established: number;
    /** None of the earlier one is left. */
    readonly adopted: number;
  };
  /** From the moment that its certificate file had another content. */
  readonly renewal: {
    /** The first peer, and every peer, has SAs that were negotiated with the new certificate. */
    readonly first: number;
    readonly established: number;
    /** None that was negotiated with the old one is left. */
    readonly replaced: number;
  };
}

/** As many peers as these are measured; a bench names the scenario by them. */
export const ADOPTED_PEERS = [10, 200] as const;

export default ADOPTED_PEERS.map(
  (peers): Scenario => ({
    name: `adoption-${peers}`,
    description: `an agent with ${peers} peers is started again, and gets another certificate`,
    usesAgent: true,
    timeoutMs: 900_000,
    run: (lab) => measure(lab, peers),
  }),
);

async function measure(lab: Lab, peers: number): Promise<void> {
  const farEnds = endsFor(peers);
  const ends = [NEAR, ...farEnds];
  const topology = await lab.topology({
    nodes: Object.fromEntries(ends.map(({ name }) => [name, {}])),
    links: {
      wire: {
        ends: ends.map(({ name, addresses }) => ({
          node: name,
          interface: 'eth0',
          addresses: addresses.map((address) => `${address}/16`),
        })),
      },
    },
  });
  const authority = labRoot('Root');
  // The files of all are in one folder.
  const filesOf = ({ name: end }: End) => {
    const shown = authority.node(`${end}.${DOMAIN}`, validNow());
    const named = Object.entries(certificateFiles({ shown, trusted: [authority] }));
    return Object.fromEntries(named.map(([name, content]) => [`${end}-${name}`, content]));
  };
  lab.step(`${farEnds.length} agents at the far end, and one that has ${peers} peers there`);
  const far: AgentProcess[] = [];
  for (const end of farEnds) {
    const agent = await startAgent(lab, topology, end, [NEAR], filesOf(end));
    await agent.ready();
    far.push(agent);
  }
  const nearFiles = filesOf(NEAR);
  const earlier = await startAgent(lab, topology, NEAR, farEnds, nearFiles);
  await earlier.ready();
  await settled(earlier, peers);

  lab.step('one is started again');
  assert.equal((await earlier.stop()).code, 0, earlier.log());
  const started = performance.now();
  const near = await startAgent(lab, topology, NEAR, farEnds, nearFiles);
  await near.ready();
  const startedSeconds = secondsSince(started);
  const start = await renewals(near, peers, started, new Set());

  lab.step('it gets another certificate');
  // Not before the other end has rid itself of what was replaced, which would be work of the start.
  for (const [index, agent] of far.entries()) await settled(agent, farEnds[index]?.addresses.length ?? 0);
  const before = new Set((await near.status()).peers.flatMap(({ ikeSas }) => ikeSas.map(({ number }) => number)));
  const renewed = performance.now();
  near.writeFiles(filesOf(NEAR));
  const renewal = await renewals(near, peers, renewed, before);
  const readings: AdoptionReadings = {
    kernel: release(),
    start: { started: startedSeconds, established: start.established, adopted: start.alone },
    renewal: { first: renewal.first, established: renewal.established, replaced: renewal.alone },
  };
  writeFileSync(join(lab.folder, READINGS_FILE), JSON.stringify(readings));
}

/** When the first peer and every peer has SAs by other IKE SAs than these, and when no others are left. */
async function renewals(agent: AgentProcess, peers: number, since: number, before: ReadonlySet<number>) {
  let first: number | undefined;
  let established: number | undefined;
  await poll(`${peers} peers to have new SAs and no others`, async () => {
    const status = await agent.status();
    const count = status.peers.filter((peer) => hasOther(peer, before)).length;
    if (count > 0) first ??= secondsSince(since);
    if (count === peers) established ??= secondsSince(since);
    return count === peers && isSettled(status);
  });
  assert.ok(first !== undefined && established !== undefined);
  return { first, established, alone: secondsSince(since) };
}

function hasOther({ state, ikeSas }: StatusReport['peers'][number], before: ReadonlySet<number>): boolean {
  const isOther = ({ number, children }: (typeof ikeSas)[number]) => !before.has(number) && children.length > 0;
  return state === 'encrypting' && ikeSas.some(isOther);
}

async function settled(agent: AgentProcess, peers: number): Promise<void> {
  await poll(`${peers} peers with one pair of SAs each`, async () => {
    const status = await agent.status();
    return status.peers.length === peers && isSettled(status);
  });
}

async function poll(what: string, probe: () => Promise<boolean>): Promise<void> {
  await waitUntil(what, probe, { timeoutMs: 300_000, intervalMs: POLL_MS });
}

function secondsSince(instant: number): number {
  return (performance.now() - instant) / 1_000;
}

/** Who runs an agent. */
interface End {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** An agent at the far end has as many addresses as its file may have, and plays a peer with each of them. */
function endsFor(peers: number): readonly End[] {
  return Array.from({ length: Math.ceil(peers / MOST_ADDRESSES) }, (_, end) => ({
    name: `far${end}`,
    addresses: Array.from(
      { length: Math.min(MOST_ADDRESSES, peers - end * MOST_ADDRESSES) },
      (_unused, index) => `10.9.${end + 1}.${index + 1}`,
    ),
  }));
}

/** One of both has a single address, and a peer for each address of the other. */
async function startAgent(
  lab: Lab,
  { nodes }: Topology<string, 'wire'>,
  end: End,
  others: readonly End[],
  files: Readonly<Record<string, string>>,
): Promise<AgentProcess> {
  const peers = others.flatMap((other) =>
    end.addresses.flatMap((localAddress) =>
      other.addresses.map((address) => ({
        name: `${other.name}-${end.addresses.length > 1 ? localAddress : address}`.replaceAll('.', '-'),
        address,
        localAddress,
        identity: { fqdn: `${other.name}.${DOMAIN}` },
      })),
    ),
  );
  const certificate = {
    certificateFile: `${end.name}-tls.crt`,
    keyFile: `${end.name}-tls.key`,
    trust: { bundleFiles: [`${end.name}-ca.crt`] },
  };
  const configuration = stringify({
    node: { name: end.name, identity: { fqdn: `${end.name}.${DOMAIN}` }, addresses: end.addresses },
    defaults: { authentication: { certificate } },
    peers,
  });
  const node = nodes[end.name];
  assert.ok(node);
  return lab.agent(node, configuration, { files, arguments: ['--log-level', 'info'] });
}

const NEAR: End = { name: 'near', addresses: ['10.9.0.1'] };
const MOST_ADDRESSES = 50;
const DOMAIN = 'lab.test';
/** A status of many peers costs milliseconds, of a processor that all agents share with who asks. */
const POLL_MS = 100;
