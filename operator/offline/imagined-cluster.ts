import type { IpsecNodeConfig, NodePeering, NodePeeringStatus } from '../api/ipsec-node-config.ts';
import type { IpsecPeerSlice } from '../api/ipsec-peer-slice.ts';
import type { IpsecPeering } from '../api/ipsec-peering.ts';
import { type Change, changesOf } from '../nodeconfig/changes.ts';
import { digest } from '../nodeconfig/names.ts';
import type {
  ClusterSettings,
  Moment,
  NodeObject,
  Observed,
  ObservedCertificate,
  WrittenObject,
} from '../nodeconfig/observed.ts';
import { plan } from '../nodeconfig/plan.ts';
import { sameContent } from '../nodeconfig/same-content.ts';

/** Who works in a cluster that is only imagined. */
export interface Workers {
  /** Whether cert-manager issues what it is asked for, by the name of the issuer. */
  issues(issuer: string): boolean;
  /** Whether a node has an agent that does what it is told. */
  hasAgent(nodeName: string): boolean;
}

/** What people and kubelets put into a cluster. */
export interface Given {
  readonly peerings: readonly IpsecPeering[];
  readonly nodes: readonly NodeObject[];
  /** What the operator has written before. */
  readonly written?: readonly WrittenObject[];
}

/**
 * A cluster in memory: it takes the operator's writes as an API server would, has cert-manager issue at once, and agents
 * that reach all of their peers. By it a plan can be followed to its end without a cluster.
 */
export class ImaginedCluster {
  readonly #settings: ClusterSettings;
  readonly #workers: Workers;
  readonly #objects = new Map<string, WrittenObject>();
  given: Given;
  since: Observed['since'] = new Map();
  gone: Observed['gone'] = { nodes: new Map(), peerings: new Set() };
  certManager: Observed['certManager'] = 'Present';

  constructor(given: Given, settings: ClusterSettings, workers: Workers) {
    this.given = {
      ...given,
      peerings: given.peerings.map((peering) => numbered(peering, 1)),
      nodes: given.nodes.map(withUid),
    };
    this.#settings = settings;
    this.#workers = workers;
    for (const object of given.written ?? []) this.#objects.set(keyOf(object), object);
  }

  /** Plans, writes and lets everybody work until nothing changes any more; answers all writes, in order. */
  settle(at: Moment): readonly Change[] {
    const all: Change[] = [];
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const changes = this.step(at);
      all.push(...changes);
      if (!this.work() && changes.length === 0) return all;
    }
    throw new Error(`the plan did not come to rest in ${MAX_ROUNDS} rounds`);
  }

  /** One round of planning and writing. */
  step(at: Moment): readonly Change[] {
    const observed = this.observed();
    const changes = changesOf(observed, plan(observed, this.#settings, at));
    for (const change of changes) this.#write(change);
    return changes;
  }

  /** What the operator would see. */
  observed(): Observed {
    const { nodes, peerings } = this.given;
    return {
      peerings,
      unreadablePeerings: [],
      nodes,
      nodeConfigs: this.#all<IpsecNodeConfig>('IPsecNodeConfig'),
      slices: this.#all<IpsecPeerSlice>('IPsecPeerSlice'),
      unreadableObjects: [],
      certificates: this.#all<ObservedCertificate>('Certificate'),
      access: ACCESS_KINDS.flatMap((kind) => this.#all(kind)),
      secrets: [],
      agentPods: new Map(
        nodes
          .map(({ metadata: { name } }) => name)
          .filter((name) => this.#workers.hasAgent(name))
          .map((name) => [name, podOf(name)]),
      ),
      preSharedKeys: new Set(
        peerings.flatMap(
          ({
            spec: {
              authentication: { preSharedKey },
            },
          }) => (preSharedKey === undefined ? [] : [`${preSharedKey.secretRef.name}/${preSharedKey.secretRef.key}`]),
        ),
      ),
      certificateRequests: new Map(),
      refusedCertificates: new Map(),
      refusedNodeConfigs: new Map(),
      refusedSlices: new Map(),
      certManager: this.certManager,
      since: this.since,
      gone: this.gone,
    };
  }

  #write(change: Change): void {
    if (change.kind === 'applyStatus') {
      const peerings = this.given.peerings.map((peering) =>
        peering.metadata.name === change.peering.metadata.name ? { ...peering, status: change.status } : peering,
      );
      this.given = { ...this.given, peerings };
    } else if (change.kind === 'delete') {
      this.#objects.delete(keyOf(change.object));
    } else {
      const before = this.#objects.get(keyOf(change.object));
      const generation = ((before as { metadata: { generation?: number } } | undefined)?.metadata.generation ?? 0) + 1;
      const status = before === undefined ? {} : { status: (before as { status?: unknown }).status };
      this.#objects.set(keyOf(change.object), { ...numbered(change.object, generation), ...status });
    }
  }

  /** Certificates are issued and agents report; answers whether anything changed. */
  work(): boolean {
    let changed = false;
    const put = (object: WrittenObject, status: unknown): void => {
      if (sameContent((object as { status?: unknown }).status, status)) return;
      changed = true;
      this.#objects.set(keyOf(object), { ...object, status } as WrittenObject);
    };
    for (const certificate of this.#all<RequestedCertificate>('Certificate')) {
      if (this.#workers.issues(certificate.spec.issuerRef?.name ?? '')) put(certificate, ISSUED);
    }
    const sights = this.#sights();
    for (const config of this.#all<IpsecNodeConfig>('IPsecNodeConfig')) {
      if (this.#workers.hasAgent(config.metadata.name)) put(config, reportOf(config, sights));
    }
    return changed;
  }

  /** What all agents see. */
  #sights(): Sights {
    const peers = new Map<string, number>();
    for (const slice of this.#all<IpsecPeerSlice>('IPsecPeerSlice')) {
      peers.set(
        slice.peering,
        (peers.get(slice.peering) ?? 0) + slice.peers.filter(({ gone }) => gone !== true).length,
      );
    }
    const issued = this.#all<ObservedCertificate>('Certificate').filter(({ status }) => status !== undefined);
    return { peers, secrets: new Set(issued.map(({ spec }) => spec.secretName)) };
  }

  #all<T extends WrittenObject>(kind: string): readonly T[] {
    return [...this.#objects.values()].filter((object): object is T => object.kind === kind);
  }
}

interface RequestedCertificate extends ObservedCertificate {
  readonly spec: ObservedCertificate['spec'] & { readonly issuerRef?: { readonly name: string } };
}

/** Peers in the slices of each peering, and Secrets with a certificate. */
interface Sights {
  readonly peers: ReadonlyMap<string, number>;
  readonly secrets: ReadonlySet<string>;
}

/** What an agent says that reaches everybody. */
function reportOf({ metadata, spec }: IpsecNodeConfig, sights: Sights): IpsecNodeConfig['status'] {
  return {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    agent: { podUID: podOf(metadata.name), bootID: podOf(metadata.name) },
    peerings: spec.peerings.map((entry): NodePeeringStatus => {
      const count = peersOf(entry, sights);
      const certificate = certificateOf(entry, sights);
      return {
        name: entry.name,
        enforcement: entry.enforcement,
        ...(entry.traffic.exempt === undefined ? {} : { exempt: entry.traffic.exempt }),
        ...(certificate === undefined ? {} : { certificate }),
        tunnels: { expected: count, pending: 0, established: count, encrypting: count },
      };
    }),
  };
}

function peersOf({ name, remote }: NodePeering, { peers }: Sights): number {
  // The node itself stands in its slices, too.
  return remote.mesh === undefined ? 1 : Math.max(0, (peers.get(name) ?? 0) - 1);
}

function certificateOf(
  { authentication: { certificate } }: NodePeering,
  { secrets }: Sights,
): NodePeeringStatus['certificate'] {
  if (certificate === undefined || !secrets.has(certificate.secretName)) return undefined;
  return { secretName: certificate.secretName, serialNumber: '01', notAfter: '2100-01-01T00:00:00Z' };
}

/** An object with what the API server gives it. */
function numbered<T extends WrittenObject>(object: T, generation: number): T {
  return { ...object, metadata: { ...withUid(object).metadata, generation } };
}

/** An object with a UID, made of its name where it has none. */
function withUid<T extends WrittenObject>(object: T): T {
  const hash = digest(32, object.kind, object.metadata.namespace ?? '', object.metadata.name);
  const uid =
    object.metadata.uid ??
    [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20)].join('-');
  return { ...object, metadata: { ...object.metadata, uid } };
}

function podOf(nodeName: string): string {
  return digest(32, 'agent', nodeName);
}

function keyOf({ kind, metadata: { name } }: WrittenObject): string {
  return `${kind} ${name}`;
}

const ISSUED = { conditions: [{ type: 'Ready', status: 'True', reason: 'Ready' }] };
const ACCESS_KINDS = ['ServiceAccount', 'Role', 'RoleBinding'] as const;
/** Objects, certificates, slices, and three steps of enforcement. */
const MAX_ROUNDS = 20;
