import type { IpsecNodeConfig } from '../../api/ipsec-node-config.ts';
import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import { operatorAwayFault } from '../diagnosis/configuration.ts';
import { diagnoseNode } from '../diagnosis/diagnose.ts';
import type { Facts } from '../diagnosis/facts.ts';
import { unseenGeneration } from '../diagnosis/judgement.ts';
import { valueOr } from '../diagnosis/known.ts';
import { endOf } from '../diagnosis/view.ts';

/** What `status` shows of a peering. */
export interface PeeringRow {
  readonly name: string;
  readonly ready: string;
  readonly enforcement: string;
  readonly nodes: { readonly ready: number; readonly selected: number } | undefined;
  readonly tunnels: { readonly encrypting: number; readonly expected: number } | undefined;
  readonly message: string;
}

/** What `status` shows of a node. */
export interface NodeRow {
  readonly name: string;
  readonly state: 'Wrong' | 'Degraded' | 'Unknown' | 'Pending' | 'Encrypting' | 'NotSelected';
  readonly peers: { readonly expected: number; readonly encrypting: number; readonly pending: number };
  readonly certificateEnds: string | undefined;
  readonly agent: string | undefined;
  readonly message: string;
  readonly troubledPeers: readonly { readonly name: string; readonly message: string }[];
}

export interface MeshStatus {
  readonly peerings: readonly PeeringRow[];
  readonly nodes: readonly NodeRow[];
}

/** The mesh at a glance, what is worst first. */
export function meshStatus(facts: Facts): MeshStatus {
  const peerings = valueOr(facts.peerings, []).map((peering) => peeringRow(facts, peering));
  const configs = new Map(valueOr(facts.configs, []).map((config) => [config.metadata.name, config]));
  const names = new Set([...valueOr(facts.nodes, []).map(({ object }) => object.metadata.name), ...configs.keys()]);
  const nodes = [...names].map((name) => nodeRow(facts, name, configs.get(name)));
  return {
    peerings: peerings.toSorted((left, right) => readiness(left) - readiness(right) || byName(left, right)),
    nodes: nodes.toSorted(
      (left, right) => rankOf(left) - rankOf(right) || missing(right) - missing(left) || byName(left, right),
    ),
  };
}

function peeringRow(facts: Facts, peering: IpsecPeering): PeeringRow {
  const { metadata, spec, status } = peering;
  const { name } = metadata;
  const { enforcement } = spec;
  const { nodes, tunnels, conditions = [] } = status ?? {};
  const row = { name, enforcement, nodes, tunnels };
  const generation = unseenGeneration(peering);
  if (generation !== undefined) {
    return { ...row, ready: 'Unknown', message: `the operator has not looked at generation ${generation} yet` };
  }
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready === undefined) return { ...row, ready: 'Unknown', message: 'the operator has said nothing of it yet' };
  const message = `${ready.reason}: ${ready.message}`;
  if (operatorAwayFault(facts) === undefined) return { ...row, ready: ready.status, message };
  return { ...row, ready: 'Unknown', message: `no operator is ready, this is from before: ${message}` };
}

function nodeRow(facts: Facts, name: string, config: IpsecNodeConfig | undefined): NodeRow {
  const statuses = config?.status?.peerings ?? [];
  const tunnels = statuses.flatMap((each) => each.tunnels ?? []);
  const total = (of: (each: (typeof tunnels)[number]) => number): number =>
    tunnels.reduce((sum, each) => sum + of(each), 0);
  const peers = {
    expected: total(({ expected }) => expected),
    encrypting: total(({ encrypting }) => encrypting),
    pending: total(({ pending }) => pending),
  };
  const ends = statuses.flatMap(({ certificate }) => certificate?.notAfter ?? []).toSorted();
  const troubled = config?.status?.troubledPeers ?? [];
  const { steps, verdict } = diagnoseNode(facts, name);
  const wrong = steps.find(({ state }) => state === 'wrong');
  const selected = config !== undefined || !facts.peerings.known || endOf(facts, name).peerings.length > 0;
  const base = {
    name,
    peers,
    certificateEnds: ends[0],
    agent: config?.status?.agent?.version,
    troubledPeers: troubled.map((each) => ({ name: each.name, message: each.message })),
  };
  if (!selected) return { ...base, state: 'NotSelected', message: 'no peering selects it' };
  if (wrong?.state === 'wrong') return { ...base, state: 'Wrong', message: `${wrong.code}: ${wrong.text}` };
  if (peers.encrypting < peers.expected) {
    const [first] = troubled;
    const example = first === undefined ? '' : `, such as ${first.name}: ${first.message}`;
    const count = peers.expected - peers.encrypting;
    return {
      ...base,
      state: 'Degraded',
      message: `${count} ${count === 1 ? 'peer' : 'peers'} not encrypting${example}`,
    };
  }
  if (config?.status === undefined || (verdict === 'unknown' && tunnels.length === 0)) {
    const unknown = steps.find(({ state }) => state === 'unknown');
    return {
      ...base,
      state: 'Unknown',
      message: unknown?.state === 'unknown' ? unknown.text : 'its agent has said nothing',
    };
  }
  if (peers.pending > 0)
    return {
      ...base,
      state: 'Pending',
      message: peers.pending === 1 ? '1 peer is new' : `${peers.pending} peers are new`,
    };
  return { ...base, state: 'Encrypting', message: '' };
}

function missing({ peers }: NodeRow): number {
  return peers.expected - peers.encrypting;
}

function readiness({ ready }: PeeringRow): number {
  return READINESS.indexOf(ready);
}

function rankOf({ state }: NodeRow): number {
  return STATES.indexOf(state);
}

function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return left.name < right.name ? -1 : 1;
}

const STATES: readonly NodeRow['state'][] = ['Wrong', 'Degraded', 'Unknown', 'Pending', 'Encrypting', 'NotSelected'];
const READINESS = ['False', 'Unknown', 'True'];
