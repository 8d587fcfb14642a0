import { overlap } from '../../api/ip-text.ts';
import type { AgentChild, AgentPeer, AgentReport } from '../diagnosis/agent-report.ts';
import type { Facts } from '../diagnosis/facts.ts';
import { lackText } from '../diagnosis/known.ts';
import { connectionsWith, isIdle } from '../diagnosis/view.ts';

/** Whom a node sends probes to; what `agent probe --plan` reads. */
export interface ProbeTarget {
  /** Of the pair and of what of it is tried, at both ends alike. */
  readonly name: string;
  readonly local: string;
  readonly remote: string;
  readonly mode: string;
  readonly outerRemote: string;
  readonly reqids: readonly number[];
}

/** Two nodes between whom a Child SA is tried. */
export interface ProbePair {
  readonly name: string;
  readonly nodes: readonly [string, string];
  /** `transport, 10.0.0.1 to 10.0.0.2` */
  readonly what: string;
}

/** What cannot be tried between two nodes, or need not be to know that it does not encrypt: why. */
export interface Untried {
  readonly nodes: readonly [string, string];
  readonly code: UntriedCode;
  readonly text: string;
}

/** In one word for programs. */
export type UntriedCode =
  | 'NoPeering'
  /** One end has the connection, the other one does not. */
  | 'UnknownToPeer'
  /** An agent says so itself. */
  | 'NotEncrypting'
  | 'NoChildSa'
  /** SAs are made for the first packet, and there was none. */
  | 'WaitingForTraffic'
  | 'NotTried';

export interface ProbePlans {
  readonly pairs: readonly ProbePair[];
  readonly untried: readonly Untried[];
  readonly targets: ReadonlyMap<string, readonly ProbeTarget[]>;
}

/** What is to be sent between which addresses, so that each Child SA of each pair of nodes is used in both directions. */
export function planProbes(facts: Facts, pairs: readonly (readonly [string, string])[]): ProbePlans {
  const planned: ProbePair[] = [];
  const untried: Untried[] = [];
  const targets = new Map<string, ProbeTarget[]>();
  const add = (node: string, target: ProbeTarget): void => {
    targets.set(node, [...(targets.get(node) ?? []), target]);
  };
  for (const nodes of pairs) {
    const [own, peer] = nodes;
    const [left, right] = [reportOf(facts, own), reportOf(facts, peer)];
    if (typeof left === 'string' || typeof right === 'string') {
      const text = typeof left === 'string' ? left : String(right);
      untried.push({ nodes, code: 'NotTried', text });
      continue;
    }
    const links = linksBetween(connectionsWith(left, peer), connectionsWith(right, own));
    if (links.length === 0) untried.push({ nodes, code: 'NoPeering', text: 'no peering has both of them' });
    for (const { connection, mirror } of links) {
      const trouble = troubleOf(nodes, { connection, mirror });
      if (trouble !== undefined) untried.push({ nodes, ...trouble });
      // Of several Child SAs some may work: they are tried all the same.
      if (connection === undefined || mirror === undefined) continue;
      if (installedOf(connection).length === 0 || installedOf(mirror).length === 0) continue;
      const tried = pathsOf(facts, nodes, connection, mirror);
      for (const text of tried.without) untried.push({ nodes, code: 'NotTried', text });
      for (const path of tried.paths) {
        const name = `${own} ${peer} ${path.local} ${path.remote} ${path.mode}`;
        planned.push({ name, nodes, what: `${path.mode}, ${path.local} to ${path.remote}` });
        const { local, remote, mode } = path;
        add(own, { name, local, remote, mode, outerRemote: connection.remoteAddress ?? '', reqids: path.reqids });
        add(peer, {
          name,
          local: remote,
          remote: local,
          mode,
          outerRemote: mirror.remoteAddress ?? '',
          reqids: path.mirrorReqids,
        });
      }
    }
  }
  return { pairs: planned, untried, targets };
}

/** A connection as both ends have it; undefined at an end that does not have it. */
interface Link {
  readonly connection: AgentPeer | undefined;
  readonly mirror: AgentPeer | undefined;
}

function linksBetween(connections: readonly AgentPeer[], mirrors: readonly AgentPeer[]): readonly Link[] {
  const links = connections.map((connection) => ({
    connection,
    mirror: mirrors.find(
      ({ localAddress, remoteAddress }) =>
        localAddress === connection.remoteAddress && remoteAddress === connection.localAddress,
    ),
  }));
  const matched = new Set(links.map(({ mirror }) => mirror));
  const others = mirrors.filter((each) => !matched.has(each));
  return [...links, ...others.map((mirror) => ({ connection: undefined, mirror }))];
}

/** Why not everything of a connection encrypts; Child SAs that there are not have no counters that would show it. */
function troubleOf(
  [own, peer]: readonly [string, string],
  { connection, mirror }: Link,
): Omit<Untried, 'nodes'> | undefined {
  if (connection === undefined || mirror === undefined) {
    const [knowing, other] = mirror === undefined ? [own, peer] : [peer, own];
    const name = (connection ?? mirror)?.name;
    return { code: 'UnknownToPeer', text: `${knowing} has the connection ${name}, of which ${other} does not know` };
  }
  const ends = [
    { node: own, said: connection },
    { node: peer, said: mirror },
  ];
  const wrong = ends.filter(({ said }) => said.state !== 'encrypting' && !isIdle(said));
  if (wrong.length > 0) {
    const texts = wrong.map(
      ({ node, said }) => `${node} says of ${said.name}: ${said.message ?? `it is ${said.state}`}`,
    );
    return { code: 'NotEncrypting', text: texts.join('; ') };
  }
  if (ends.every(({ said }) => isIdle(said)))
    return { code: 'WaitingForTraffic', text: `${connection.name}: the first packet makes SAs, and there was none` };
  const without = [connection, mirror].find((each) => installedOf(each).length === 0);
  return without && { code: 'NoChildSa', text: `there is no Child SA for ${without.name}` };
}

interface Path {
  readonly local: string;
  readonly remote: string;
  readonly mode: string;
  readonly reqids: readonly number[];
  readonly mirrorReqids: readonly number[];
}

interface Paths {
  readonly paths: readonly Path[];
  /** Why Child SAs cannot be tried. */
  readonly without: readonly string[];
}

/** One path for each Child SA, between addresses that the two hosts have themselves. */
function pathsOf(
  facts: Facts,
  [own, peer]: readonly [string, string],
  connection: AgentPeer,
  mirror: AgentPeer,
): Paths {
  const children = installedOf(connection);
  const [locals, remotes] = [addressesOf(facts, own), addressesOf(facts, peer)];
  const paths = new Map<string, Path>();
  const without = new Set<string>();
  for (const { localSelectors, remoteSelectors, mode = '' } of children) {
    const local = locals.find((address) => isWithin(address, localSelectors));
    const remote = remotes.find((address) => isWithin(address, remoteSelectors));
    if (local === undefined || remote === undefined) {
      const [lacking, selectors] = local === undefined ? [own, localSelectors] : [peer, remoteSelectors];
      without.add(`${lacking} has no address of its own within ${selectors.join(' ')}: only its pods can try that`);
      continue;
    }
    const reqids = reqidsBetween(children, local, remote);
    const mirrorReqids = reqidsBetween(installedOf(mirror), remote, local);
    if (mirrorReqids.length > 0) paths.set(`${local} ${remote}`, { local, remote, mode, reqids, mirrorReqids });
    else without.add(`${peer} has no Child SA from ${remote} to ${local} as ${own} has`);
  }
  return { paths: [...paths.values()], without: [...without] };
}

function installedOf({ ikeSas }: AgentPeer): readonly AgentChild[] {
  return ikeSas.flatMap(({ children }) => children).filter(({ state }) => state === 'installed');
}

/** While an SA is being replaced there are two of the same. */
function reqidsBetween(children: readonly AgentChild[], local: string, remote: string): readonly number[] {
  const fitting = children.filter(
    ({ localSelectors, remoteSelectors }) => isWithin(local, localSelectors) && isWithin(remote, remoteSelectors),
  );
  return [...new Set(fitting.flatMap(({ reqid }) => reqid ?? []))];
}

/** Selectors of a protocol or ports stand in brackets; ranges that are no network are left alone. */
function isWithin(address: string, selectors: readonly string[]): boolean {
  const whole = `${address}/${address.includes(':') ? 128 : 32}`;
  return selectors.some((selector) => !/[[-]/.test(selector) && overlap(whole, selector));
}

function addressesOf(facts: Facts, node: string): readonly string[] {
  const host = facts.hosts.get(node);
  return host?.known === true ? host.value.interfaces.flatMap(({ addresses }) => addresses) : [];
}

function reportOf(facts: Facts, node: string): AgentReport | string {
  const [agent, host] = [facts.agents.get(node), facts.hosts.get(node)];
  if (agent === undefined || host === undefined) return `the agent of ${node} was not asked`;
  if (!agent.known) return lackText(agent.lack);
  return host.known ? agent.value : lackText(host.lack);
}
