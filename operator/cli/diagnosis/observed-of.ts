import type { Observed, ObservedCertificate } from '../../nodeconfig/observed.ts';
import type { CertificateFact, Facts, PodFact } from './facts.ts';
import { valueOr } from './known.ts';

/** What was gathered, as the operator's plan takes it. */
export function observedOf(facts: Facts): Observed {
  const nodes = valueOr(facts.nodes, []);
  const peerings = valueOr(facts.peerings, []);
  const configs = valueOr(facts.configs, []);
  const writers = new Set(configs.flatMap(({ status }) => status?.agent?.podUID ?? []));
  return {
    peerings,
    unreadablePeerings: [],
    nodes: nodes.map(({ object }) => object),
    nodeConfigs: configs,
    slices: valueOr(facts.slices, []),
    unreadableObjects: [],
    certificates: valueOr(facts.certificates, []).map(observedCertificate),
    access: [],
    secrets: [],
    agentPods: readyAgentPods(valueOr(facts.pods, []), writers),
    preSharedKeys: new Set(),
    certificateRequests: valueOr(facts.requests, new Map<string, string>()),
    refusedCertificates: new Map(),
    refusedNodeConfigs: new Map(),
    refusedSlices: new Map(),
    certManager: !facts.certificates.known && facts.certificates.lack.kind === 'absent' ? 'Missing' : 'Present',
    since: new Map([
      ...nodes.map(({ object, createdAtMs }) => [object.metadata.uid ?? '', createdAtMs] as const),
      ...peerings.map(
        ({ metadata }) => [metadata.uid ?? '', Date.parse(metadata.creationTimestamp ?? '') || 0] as const,
      ),
    ]),
    gone: { nodes: new Map(), peerings: new Set() },
  };
}

/** A Certificate as the operator's plan takes it. */
export function observedCertificate(fact: CertificateFact): ObservedCertificate {
  const { name, secretName, ready, text, issuing, notAfter, renewalTime } = fact;
  const conditions = [
    { type: 'Ready', status: ready, message: text },
    ...(issuing === undefined ? [] : [{ type: 'Issuing', ...issuing }]),
  ];
  return {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name },
    spec: { secretName },
    status: { conditions, notAfter, renewalTime },
  };
}

/** The Pods of agents that are Ready, by node: of two the one that wrote the status, as the operator takes them. */
function readyAgentPods(pods: readonly PodFact[], writers: ReadonlySet<string>): ReadonlyMap<string, string> {
  const ready = pods
    .filter(({ component, ready: isReady, ending }) => component === 'agent' && isReady && !ending)
    .toSorted((left, right) => left.createdAtMs - right.createdAtMs);
  const byNode = new Map<string, string>();
  for (const { nodeName = '', uid } of ready) {
    const other = byNode.get(nodeName);
    if (other === undefined || !writers.has(other) || writers.has(uid)) byNode.set(nodeName, uid);
  }
  return byNode;
}

/** Where the agent of a node is: its Pod whose word counts, else any that runs. */
export function agentPodOf(facts: Facts, node: string): PodFact | undefined {
  const writer = valueOr(facts.configs, []).find(({ metadata }) => metadata.name === node)?.status?.agent?.podUID;
  const own = agentPodsOf(valueOr(facts.pods, []), node);
  const rank = ({ uid, ready, ending, phase }: PodFact): number =>
    (uid === writer ? 4 : 0) + (ready ? 2 : 0) + (phase === 'Running' && !ending ? 1 : 0);
  return own.toSorted((left, right) => rank(right) - rank(left))[0];
}

/** Every Pod of an agent on a node: while it is updated there are two. */
export function agentPodsOf(pods: readonly PodFact[], node: string): readonly PodFact[] {
  return pods.filter(({ component, nodeName }) => component === 'agent' && nodeName === node);
}
