import type { AgentReport } from '../diagnosis/agent-report.ts';
import type { NodeFact } from '../diagnosis/facts.ts';
import { type Known, type Lack, lackText } from '../diagnosis/known.ts';
import { isIdle } from '../diagnosis/view.ts';
import { type Check, type CheckName, check, type NodeChecks } from './check.ts';
import type { ClockOffset, HostAnswer } from './host-answer.ts';
import { networkByInterfaces, type PodNetwork } from './pod-network.ts';

/** What was learned of a node. */
export interface NodeFacts {
  readonly node: NodeFact;
  /** What its agent has found out about its host. */
  readonly host: Known<HostAnswer>;
  readonly agent: Known<AgentReport>;
}

/** What was learned of all of them together. */
export interface Surroundings {
  /** By which nodes' packets of pods get to others; undefined where no plugin is known. */
  readonly network: Known<PodNetwork | undefined>;
  /** How far each node's clock is ahead of the others. */
  readonly clocks: ReadonlyMap<string, ClockOffset>;
  /** Scopes of the peerings that there are. */
  readonly scopes: ReadonlySet<string>;
}

/** Whether a node has what it must have. */
export function nodeChecks(facts: NodeFacts, surroundings: Surroundings): NodeChecks {
  return {
    node: nodeCheck(facts.node),
    kernel: kernelCheck(facts),
    esp: hostCheck(facts, 'esp', 'whether its kernel has ESP'),
    udp: hostCheck(facts, 'udp', 'whether UDP 500 and 4500 are free'),
    peers: peersCheck(facts),
    mtu: hostCheck(facts, 'mtu', 'which MTUs it has'),
    cni: networkCheck(facts, surroundings),
    clock: clockCheck(facts, surroundings.clocks),
  };
}

function nodeCheck({ object, ready, readyText }: NodeFact): Check {
  const system = object.status?.nodeInfo?.operatingSystem ?? 'linux';
  if (system !== 'linux')
    return check('doubtful', system, `it runs ${system}, and agents are for Linux`, 'leave it out of the peerings');
  if (ready !== 'True')
    return check('wrong', 'not Ready', `it is not Ready: ${readyText}`, 'see to its kubelet: kubectl describe node');
  const addresses = addressesOf(object);
  if (addresses.length === 0)
    return check('wrong', 'no address', 'it has no InternalIP', 'give its kubelet one by --node-ip');
  return check('ok', 'Ready', `Ready, reached at ${addresses.join(' and ')}`);
}

/** Addresses by which nodes are peers unless a peering says otherwise. */
export function addressesOf({ status }: NodeFact['object']): readonly string[] {
  return (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
}

function kernelCheck({ node: { kernel }, host }: NodeFacts): Check {
  const own = host.known ? host.value.checks.find(({ name }) => name === 'kernel') : undefined;
  const version = /^(\d+)\.(\d+)/.exec(kernel);
  const isOld = version !== null && Number(version[1]) * 1_000 + Number(version[2]) < OLDEST_KERNEL;
  if (isOld && own?.state !== 'wrong') {
    const text = `Linux ${kernel} is older than 6.1, the oldest that ikemesh is tried with`;
    return check('doubtful', kernel, text, 'update the kernel of the node');
  }
  if (own !== undefined) return ofAgent(own);
  if (kernel === '') return check('unknown', '?', 'its Node object names no kernel');
  return check('ok', kernel, `Linux ${kernel}, as its Node object says`);
}

/** What only somebody on the node can find out. */
function hostCheck({ host }: NodeFacts, name: CheckName, what: string): Check {
  if (!host.known) {
    return host.lack.kind === 'notAsked'
      ? check('unknown', '?', `${what} is known to an agent there only: there is none yet`, LOOK_BY_AGENT)
      : check('unknown', '?', `${what} is known to its agent only, which did not answer`);
  }
  const found = host.value.checks.find((each) => each.name === name);
  return found === undefined
    ? check('unknown', '?', `its agent (${host.value.version}) does not say ${what}`, 'use the plugin of its version')
    : ofAgent(found);
}

function ofAgent({ state, short, text, remedy }: HostAnswer['checks'][number]): Check {
  return check(state, short, text, remedy);
}

/** UDP 500 or 4500 is open between two nodes where IKE has had an answer. */
function peersCheck({ agent }: NodeFacts): Check {
  const howTo = 'let UDP 500, UDP 4500 and IP protocol 50 pass between all nodes';
  if (!agent.known)
    return check('unknown', '?', `whether other nodes reach it is not known: ${agent.lack.text}`, howTo);
  const { peers } = agent.value;
  if (peers.length === 0)
    return check(
      'unknown',
      'none',
      'no peering has given it peers, so nobody was to be heard by UDP 500 or 4500',
      howTo,
    );
  const idle = peers.filter(isIdle);
  const tried = peers.filter((peer) => !isIdle(peer));
  const silent = tried.filter(({ ikeSas }) => !ikeSas.some(({ state }) => state === 'established'));
  const short = `${tried.length - silent.length}/${tried.length} heard`;
  if (tried.length === 0) {
    const text = `whether other nodes reach it is not known yet: the first packet makes SAs with ${namesOf(idle.map(({ name }) => name))}`;
    return check('unknown', 'idle', text, 'send something to them, such as a ping, and look again');
  }
  const [first] = silent;
  if (first === undefined) {
    const ports = new Set(peers.flatMap(({ ikeSas }) => ikeSas.flatMap(({ remote }) => remote?.port ?? [])));
    const waiting = idle.length === 0 ? '' : `; for ${idle.length} more the first packet makes SAs`;
    const text = `all ${tried.length} connections with peers are answered at UDP ${[...ports].sort().join(' and ')}${waiting}`;
    return check('ok', short, text);
  }
  const failure = first.lastFailure === undefined ? '' : ` (${first.lastFailure.text})`;
  const text = `no IKE SA with ${namesOf(silent.map(({ name }) => name))}${failure}`;
  return check('wrong', short, text, `kubectl ikemesh why ${agent.value.node}; ${howTo}`);
}

function networkCheck({ node, host }: NodeFacts, { network, scopes }: Surroundings): Check {
  if (!network.known) return check('unknown', '?', lackText(network.lack));
  const interfaces = host.known ? host.value.interfaces.map(({ name }) => name) : [];
  const found = network.value ?? networkByInterfaces(interfaces);
  if (found === undefined) {
    const text = 'no network plugin is known by its DaemonSet, nor by interfaces of the node';
    return check('unknown', '?', text, 'where packets of pods leave with their own addresses, take scope NodesAndPods');
  }
  const { name, mode, detail, troubles } = found;
  const short = `${name}, ${mode === 'unknown' ? '?' : mode}`;
  const [trouble] = troubles.toSorted(
    (left, right) => Number(right.state === 'wrong') - Number(left.state === 'wrong'),
  );
  if (trouble !== undefined) return check(trouble.state, short, trouble.text, trouble.remedy);
  if (mode === 'unknown') return check('unknown', short, `${name}, of which the mode is not known: ${detail}`);
  if (mode === 'overlay') {
    const text = `${name} (${detail}): packets of pods leave between addresses of nodes, and spec.traffic.scope Nodes encrypts them`;
    return check('ok', short, text);
  }
  const text = `${name} (${detail}): packets of pods leave with their own addresses`;
  const { podCIDRs = [], podCIDR } = node.object.spec ?? {};
  if (podCIDRs.length === 0 && podCIDR === undefined) {
    const remedy = 'have the controller manager allocate them (--allocate-node-cidrs), or leave pods unencrypted';
    return check(
      'doubtful',
      short,
      `${text}, and the node has no spec.podCIDRs, by which scope Pods knows them`,
      remedy,
    );
  }
  if (scopes.size > 0 && ![...scopes].some((scope) => scope !== 'Nodes')) {
    const remedy = 'set spec.traffic.scope: NodesAndPods in the peering';
    return check('doubtful', short, `${text}, and every peering has scope Nodes: pods are not encrypted`, remedy);
  }
  return check('ok', short, `${text}, and spec.traffic.scope Pods or NodesAndPods encrypts them`);
}

function clockCheck({ node }: NodeFacts, clocks: ReadonlyMap<string, ClockOffset>): Check {
  const own = clocks.get(node.object.metadata.name);
  if (own === undefined) return check('unknown', '?', 'what its clock says is not known');
  const seconds = own.offsetMs / 1_000;
  const short = `${seconds < 0 ? '-' : '+'}${Math.abs(seconds).toFixed(1)}s`;
  const uncertain = `give or take ${(own.uncertaintyMs / 1_000).toFixed(1)} s`;
  const text = `its clock is ${Math.abs(seconds).toFixed(1)} s ${seconds < 0 ? 'behind' : 'ahead of'} the others, ${uncertain}`;
  const off = Math.abs(own.offsetMs) - own.uncertaintyMs;
  if (off > WRONG_CLOCK_MS)
    return check('wrong', short, `${text}: certificates that were just issued are not believed`, SET_CLOCK);
  return off > DOUBTFUL_CLOCK_MS ? check('doubtful', short, text, SET_CLOCK) : check('ok', short, text);
}

/** Nodes whose interfaces differ get packets that they cannot pass on. */
export function withSameMtus(all: ReadonlyMap<string, NodeChecks>): ReadonlyMap<string, NodeChecks> {
  const known = [...all].filter(([, { mtu }]) => mtu.state === 'ok');
  const most = Math.max(...known.map(([, { mtu }]) => Number(mtu.short)));
  const smaller = new Map(known.filter(([, { mtu }]) => Number(mtu.short) < most));
  const changed = [...all].map(([name, checks]): readonly [string, NodeChecks] => {
    if (!smaller.has(name)) return [name, checks];
    const text = `${checks.mtu.text}; other nodes have ${most}, and lose longer packets to it where ICMP is filtered`;
    const mtu = check('doubtful', checks.mtu.short, text, 'give the interfaces of all nodes one MTU');
    return [name, { ...checks, mtu }];
  });
  return new Map(changed);
}

/** How far each clock is ahead of the middle one. */
export function amongThemselves(offsets: ReadonlyMap<string, ClockOffset>): ReadonlyMap<string, ClockOffset> {
  const sorted = [...offsets.values()].map(({ offsetMs }) => offsetMs).toSorted((left, right) => left - right);
  // One alone can only be compared with whom it was asked by.
  const middle = sorted.length === 1 ? 0 : (sorted[Math.floor(sorted.length / 2)] ?? 0);
  return new Map([...offsets].map(([name, each]) => [name, { ...each, offsetMs: each.offsetMs - middle }]));
}

/** An agent that there is not, rather than one that does not answer. */
export function noAgent(node: string): Known<never> {
  const lack: Lack = { what: `the agent of ${node}`, kind: 'notAsked', text: 'there is none yet' };
  return { known: false, lack };
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

const LOOK_BY_AGENT =
  'install the chart: without a peering it encrypts and blocks nothing; or run its image there, as operator/cli/README.md has it';
const SET_CLOCK = 'see to NTP on the node: timedatectl, chronyc tracking';
/** 6.1 */
const OLDEST_KERNEL = 6_001;
/** Certificates are issued a little before they are used; some minutes are the usual room. */
const WRONG_CLOCK_MS = 60_000;
const DOUBTFUL_CLOCK_MS = 5_000;
const SHOWN = 5;
