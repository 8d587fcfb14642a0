import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import { MAX_PEERINGS } from '../../api/limits.ts';
import type { Facts, PodFact, WorkloadFact } from './facts.ts';
import { type Finding, finding, remedyIn } from './finding.ts';
import { currentCondition, unseenGeneration } from './judgement.ts';
import { valueOr } from './known.ts';
import { memberOf } from './members.ts';
import { agentPodsOf } from './observed-of.ts';
import type { End, Pair } from './view.ts';

/** Whether a node is told what to do, and its agent does it: the first thing that is wrong. */
export function configurationFault(facts: Facts, end: End): Finding | undefined {
  return (
    installationFault(facts) ??
    nodeFault(facts, end) ??
    selectionFault(facts, end) ??
    agentFault(facts, end) ??
    toldFault(facts, end) ??
    carriedOutFault(end) ??
    unreadyFault(facts, end)
  );
}

/** Whether some peering that is carried out has both ends. */
export function membershipFault({ own, peer, peerings }: Pair): Finding | undefined {
  if (peerings.length > 0) return peerings.every(isRefused) ? refusalFault(peerings) : undefined;
  if (peer.kind === 'gateway') return undefined;
  const names = own.peerings.map(({ metadata }) => metadata.name).join(', ');
  return finding(
    'PeerNotSelected',
    `no IPsecPeering has both ${own.name} and ${peer.end.name}: those of ${own.name} (${names}) do not select ${peer.end.name}`,
    `label ${peer.end.name} as spec.nodes.selector of the peering wants it, or widen the selector`,
  );
}

/** The first of some peerings that the operator does not carry out, in its own words. */
export function refusalFault(peerings: readonly IpsecPeering[]): Finding | undefined {
  const refused = peerings.find(isRefused);
  if (refused === undefined) return undefined;
  const { name } = refused.metadata;
  const { reason = 'NotAccepted', message = '' } = currentCondition(refused, 'Accepted') ?? {};
  return finding(
    reason,
    `IPsecPeering ${name} is not accepted: ${message}`,
    remedyIn(message, `kubectl describe ipsecpeering ${name}`),
  );
}

/** The first of some meshes of whose peers nodes are not told because the API server does not take it. */
export function refusedSliceFault(peerings: readonly IpsecPeering[]): Finding | undefined {
  const programmed = peerings
    .map((peering) => currentCondition(peering, 'Programmed'))
    .find((each) => each?.reason === 'WritesRefused' && each.message.includes('IPsecPeerSlice'));
  return programmed === undefined ? undefined : writeFault(programmed);
}

function isRefused(peering: IpsecPeering): boolean {
  return currentCondition(peering, 'Accepted')?.status === 'False';
}

function installationFault(facts: Facts): Finding | undefined {
  if (!facts.installed.known && facts.installed.lack.kind === 'absent') {
    return finding(
      'NotInstalled',
      facts.installed.lack.text,
      'install the chart (helm install ikemesh …), or choose the right cluster by --context',
    );
  }
  if (facts.peerings.known && facts.peerings.value.length === 0) {
    return finding(
      'NoPeerings',
      'there is no IPsecPeering, so nothing is encrypted',
      'write one and look at it before by: kubectl ikemesh render -f peering.yaml',
    );
  }
  return undefined;
}

function nodeFault(facts: Facts, { name, node }: End): Finding | undefined {
  if (!facts.nodes.known) return undefined;
  if (node === undefined) {
    const names = facts.nodes.value.map(({ object }) => object.metadata.name);
    return finding(
      'NoSuchNode',
      `there is no Node ${name}`,
      `give the name of one: ${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ', …' : ''}`,
    );
  }
  if (node.ready !== 'True') {
    return finding(
      'NodeDown',
      `Node ${name} is not Ready (${node.ready}): ${node.readyText}`,
      `see to the machine, its network and its kubelet: kubectl describe node ${name}`,
    );
  }
  return undefined;
}

function selectionFault(facts: Facts, { name, node, peerings }: End): Finding | undefined {
  if (!facts.peerings.known || node === undefined) return undefined;
  const system = node.object.status?.nodeInfo?.operatingSystem ?? 'linux';
  if (system !== 'linux') return finding('NotLinux', `${name} runs ${system}`, 'only Linux nodes can take part');
  if (peerings.length === 0) {
    const selectors = facts.peerings.value.map(({ metadata }) => metadata.name).join(', ');
    return finding(
      'NodeNotSelected',
      `no IPsecPeering selects ${name}: its labels do not match spec.nodes.selector of ${selectors}`,
      `kubectl label node ${name} … as the selector wants it, or widen the selector`,
    );
  }
  if (peerings.every(isRefused)) return refusalFault(peerings);
  for (const peering of peerings) {
    const obstacle = memberOf(facts, peering, name)?.obstacle;
    if (obstacle === undefined) continue;
    const { reason, text } = obstacle;
    return finding(
      reason,
      `${name} cannot take part in ${peering.metadata.name}: it ${text}`,
      remedyIn(text, NODE_FIELDS),
    );
  }
  return undefined;
}

function agentFault(facts: Facts, { name, node, pod }: End): Finding | undefined {
  if (!facts.pods.known) return undefined;
  if (pod === undefined) return noAgent(facts, name, node?.taints ?? []);
  const describe = `kubectl --namespace ${pod.namespace} describe pod ${pod.name}`;
  const logs = `kubectl --namespace ${pod.namespace} logs ${pod.name} --container agent --previous`;
  if (pod.trouble !== undefined) {
    const text = `the agent of ${name} does not run: ${pod.trouble}`;
    if (/ImagePull|ErrImage|InvalidImage/.test(pod.trouble)) {
      return finding('ImageMissing', text, 'correct image.repository, image.tag and image.pullSecrets of the chart');
    }
    if (/CrashLoop|ended with/.test(pod.trouble)) return finding('AgentCrashes', text, `see why: ${logs}`);
    return finding('AgentNotStarted', text, `see why: ${describe}`);
  }
  if (pod.phase !== 'Running')
    return finding('AgentNotStarted', `the agent of ${name} is ${pod.phase}`, `see why: ${describe}`);
  return undefined;
}

function noAgent(facts: Facts, name: string, taints: readonly { readonly key: string }[]): Finding {
  const set = valueOr(facts.workloads, []).find(({ kind, component }) => kind === 'DaemonSet' && component === 'agent');
  const text = `there is no agent on ${name}`;
  if (facts.workloads.known && set === undefined) {
    return finding(
      'AgentsMissing',
      `${text}: the DaemonSet of agents is not there`,
      'helm upgrade --install ikemesh …',
    );
  }
  if (set === undefined)
    return finding('AgentMissing', text, 'see whether the DaemonSet ikemesh-agent selects the node');
  const selector = Object.entries(set.nodeSelector).map(([key, value]) => `${key}=${value}`);
  const tainted =
    taints.length === 0 ? '' : `, or does not tolerate its taints ${taints.map(({ key }) => key).join(', ')}`;
  return finding(
    'AgentMissing',
    `${text}: the DaemonSet ${set.namespace}/${set.name} does not select it (${selector.join(', ') || 'no nodeSelector'})${tainted}`,
    'correct agent.nodeSelector, agent.affinity and agent.tolerations of the chart, or the labels of the node',
  );
}

function toldFault(facts: Facts, { name, config, peerings }: End): Finding | undefined {
  if (!facts.configs.known) return undefined;
  for (const peering of peerings) {
    const generation = unseenGeneration(peering);
    if (generation === undefined) continue;
    return operatorFault(
      facts,
      `the operator has not looked at generation ${generation} of IPsecPeering ${peering.metadata.name} yet`,
    );
  }
  const accepted = peerings.filter((peering) => !isRefused(peering));
  const missing = accepted.find(({ metadata }) => !config?.spec.peerings.some((entry) => entry.name === metadata.name));
  if (missing === undefined) return undefined;
  const programmed = currentCondition(missing, 'Programmed');
  if (programmed?.reason === 'WritesRefused' || programmed?.reason === 'Unreadable') return writeFault(programmed);
  if (config !== undefined && config.spec.peerings.length >= MAX_PEERINGS) {
    return finding(
      'TooManyPeerings',
      `${name} has no room for IPsecPeering ${missing.metadata.name}: it takes part in ${MAX_PEERINGS} already`,
      'narrow the spec.nodes.selector of one of them, or delete it',
    );
  }
  const text =
    config === undefined
      ? `the operator has written no IPsecNodeConfig for ${name}`
      : `the operator has not told ${name} of IPsecPeering ${missing.metadata.name} yet`;
  return operatorFault(facts, text);
}

/** Why the operator does not write an object, as it says itself. */
function writeFault({ reason, message }: { readonly reason: string; readonly message: string }): Finding {
  return finding(reason, message, remedyIn(message, 'see the log of the operator'));
}

function operatorFault(facts: Facts, text: string): Finding {
  const pods = operatorPods(facts);
  if (!facts.pods.known || pods.some((pod) => pod.ready)) {
    return finding(
      'OperatorBehind',
      text,
      `wait some seconds; where it stays so, see its log: kubectl --namespace ${namespaceOf(facts)} logs deployment/ikemesh-operator`,
    );
  }
  return operatorDown(facts, (why) => `${text}, because no operator is ready${why}`);
}

/** Whether nobody carries out what changes: what encrypts goes on, and what the status says gets old. */
export function operatorAwayFault(facts: Facts): Finding | undefined {
  const pods = operatorPods(facts);
  if (!facts.pods.known || pods.some((pod) => pod.ready)) return undefined;
  // Of one that was not installed by the chart nothing is known.
  if (pods.length === 0 && operatorDeployment(facts) === undefined) return undefined;
  return operatorDown(
    facts,
    (why) =>
      `no operator is ready${why}: tunnels and certificates that there are go on, but changes of peerings and nodes are not carried ` +
      'out, and the status of peerings is from before',
  );
}

function operatorDown(facts: Facts, text: (why: string) => string): Finding {
  const pods = operatorPods(facts);
  const trouble = pods.find((pod) => pod.trouble !== undefined)?.trouble;
  const kubectl = `kubectl --namespace ${namespaceOf(facts)}`;
  const [pod] = pods;
  if (pod !== undefined) {
    return finding(
      'OperatorDown',
      text(trouble === undefined ? '' : `: ${trouble}`),
      `see why: ${kubectl} describe pod ${pod.name}`,
    );
  }
  const set = operatorDeployment(facts);
  return set?.wanted === 0
    ? finding(
        'OperatorDown',
        text(`, for its Deployment ${set.name} is scaled to none`),
        `${kubectl} scale deployment ${set.name} --replicas=2`,
      )
    : finding(
        'OperatorDown',
        text(''),
        `there is no Pod of it: ${kubectl} describe deployment ${set?.name ?? 'ikemesh-operator'}`,
      );
}

function operatorDeployment(facts: Facts): WorkloadFact | undefined {
  return valueOr(facts.workloads, []).find(({ component }) => component === 'operator');
}

function operatorPods(facts: Facts): readonly PodFact[] {
  return valueOr(facts.pods, []).filter(({ component, ending }) => component === 'operator' && !ending);
}

/** That of the chart, whose Deployment is there also without a Pod. */
function namespaceOf(facts: Facts): string {
  const all = [...valueOr(facts.workloads, []), ...valueOr(facts.pods, [])];
  return all.find(({ component }) => component === 'operator')?.namespace ?? 'ikemesh';
}

/** Whether the agent has done what it was told, by its own word. */
function carriedOutFault({ name, config, pod }: End): Finding | undefined {
  if (config === undefined) return undefined;
  const { status } = config;
  const where = pod === undefined ? '' : `kubectl --namespace ${pod.namespace} logs ${pod.name} --container agent`;
  if (status?.agent === undefined) {
    return finding('AgentSilent', `the agent of ${name} has said nothing yet`, `see its log: ${where}`);
  }
  if (pod !== undefined && status.agent.podUID !== pod.uid) {
    return finding(
      'StatusOfAnotherPod',
      `the status of ${name} was written by an agent that is gone; the one that is there, ${pod.name}, has said nothing since`,
      `see its log: ${where}`,
    );
  }
  const programmed = status.conditions?.find(({ type }) => type === 'Programmed');
  if (programmed?.reason === 'NotStarted') return startFault(name, programmed.message);
  const generation = config.metadata.generation ?? 0;
  if ((status.observedGeneration ?? 0) < generation) {
    return finding(
      'AgentBehind',
      `the agent of ${name} does what it was told before (generation ${status.observedGeneration ?? 'none'}), not yet generation ${generation}`,
      `wait some seconds; where it stays so, see its log: ${where}`,
    );
  }
  for (const { name: peering, fault } of status.peerings ?? []) {
    if (fault === undefined || OF_OTHER_STAGES.has(fault.reason)) continue;
    const text = `the agent of ${name} cannot carry out IPsecPeering ${peering}: ${fault.message}`;
    if (fault.reason === 'AddressMissing') {
      return finding(fault.reason, text, remedyIn(fault.message, `give the host the address, or correct Node ${name}`));
    }
    if (fault.reason === 'PeeringUnreadable') {
      return finding(fault.reason, text, 'upgrade the agents: the chart has them of the version of the operator');
    }
    return finding(fault.reason, text, remedyIn(fault.message, `correct IPsecPeering ${peering}`));
  }
  return undefined;
}

/** The operator does not count an agent whose Pod is not Ready. */
function unreadyFault({ atMs }: Facts, { name, pod }: End): Finding | undefined {
  if (pod === undefined || pod.ending || !isLongUnready(pod, atMs)) return undefined;
  return finding(
    'AgentNotReady',
    `the agent of ${name} runs, and its Pod ${pod.name} is not Ready since ${timeText(pod.readinessSinceMs)}`,
    `see its log: kubectl --namespace ${pod.namespace} logs ${pod.name} --container agent`,
  );
}

/** An update goes on when the new agent is Ready; until then the one before it does the work, whose Pod is the one looked at. */
export function updateFault({ pods, atMs }: Facts, { name, pod }: End): Finding | undefined {
  if (pod === undefined) return undefined;
  const stuck = agentPodsOf(valueOr(pods, []), name).find(
    (each) =>
      each.createdAtMs > pod.createdAtMs && !each.ending && (each.trouble !== undefined || isLongUnready(each, atMs)),
  );
  if (stuck === undefined) return undefined;
  const { trouble = `it is not Ready since ${timeText(stuck.readinessSinceMs)}` } = stuck;
  const log = `kubectl --namespace ${stuck.namespace} logs ${stuck.name} --container agent`;
  return finding(
    'UpdateStuck',
    `the new agent of ${name}, ${stuck.name}, does not come up: ${trouble}; the old one, ${pod.name}, goes on`,
    `see its log: ${log}${stuck.restarts > 0 ? ' --previous' : ''}; or go back: helm rollback`,
  );
}

function isLongUnready({ ready, readinessSinceMs }: PodFact, atMs: number): boolean {
  return !ready && atMs - readinessSinceMs > START_MS;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Why the host does not let an agent work. */
function startFault(name: string, message: string): Finding {
  const text = `the agent of ${name} cannot work: ${message}`;
  if (/UDP port \d+ .* is taken/.test(message))
    return finding('PortTaken', text, remedyIn(message, 'stop the other program'));
  if (/lacks ESP|CONFIG_XFRM|CONFIG_INET_ESP/.test(message)) {
    return finding(
      'KernelLacksEsp',
      text,
      'load the modules esp4, esp6 and xfrm_user (agent.kernelModules.load in the chart)',
    );
  }
  if (/CAP_NET_ADMIN|CAP_NET_BIND/.test(message)) {
    return finding(
      'RightsMissing',
      text,
      'let its Pod have CAP_NET_ADMIN: see to admission policies and agent.seLinuxOptions',
    );
  }
  return finding('AgentNotWorking', text, remedyIn(message, 'see its log'));
}

const NODE_FIELDS = 'correct the status of the Node';
/** Told where certificates and policies are looked at. */
const OF_OTHER_STAGES: ReadonlySet<string> = new Set([
  'CredentialsMissing',
  'CredentialsHeldBack',
  'ExemptionsMissing',
  'PoliciesMissing',
]);
/** Within it an agent has read what it is to do. */
const START_MS = 60_000;
const SHOWN = 10;
