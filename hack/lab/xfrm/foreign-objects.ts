import type { Machine } from '../topology/lab-node.ts';
import { dumpPolicies, dumpStates, type PolicyDump, type StateDump } from './xfrm-dump.ts';

/*
 * SAs and policies of somebody else, such as another IKE daemon or an administrator with ip(8): whatever our agent does,
 * they must stay as they are.
 */

/** The addresses of a node and of its peer, without prefix length. */
export interface NodePair {
  readonly local: { readonly ipv4: string; readonly ipv6: string };
  readonly remote: { readonly ipv4: string; readonly ipv6: string };
}

/**
 * Gives a node foreign objects as near to ours as they can be: between the same addresses, with the selector of our own
 * policies but for a mark, in every direction and of either family. None of them is for packets that a scenario sends.
 */
export async function addForeignObjects(node: Machine, { local, remote }: NodePair): Promise<void> {
  const tunnel = `src ${local.ipv4} dst ${remote.ipv4} proto esp reqid 77 mode tunnel`;
  const back = `src ${remote.ipv4} dst ${local.ipv4} proto esp reqid 77 mode tunnel`;
  const marked = ([source, destination]: readonly [string, string], direction: string) =>
    `xfrm policy add src ${source} dst ${destination} dir ${direction} priority 7 mark 0x77 ` +
    'tmpl proto esp reqid 77 mode transport';
  await node.ip(
    state(local.ipv4, remote.ipv4, 0, 'mode tunnel'),
    state(remote.ipv4, local.ipv4, 1, 'mode tunnel'),
    state(local.ipv6, remote.ipv6, 2, 'mode transport'),
    state('203.0.113.77', '203.0.113.78', 3, 'mode transport'),
    `xfrm policy add src 10.99.0.0/24 dst 10.98.0.0/24 dir out priority 7 tmpl ${tunnel}`,
    `xfrm policy add src 10.98.0.0/24 dst 10.99.0.0/24 dir in priority 7 tmpl ${back}`,
    `xfrm policy add src 10.98.0.0/24 dst 10.99.0.0/24 dir fwd priority 7 tmpl ${back}`,
    marked([`${local.ipv4}/32`, `${remote.ipv4}/32`], 'out'),
    marked([`${remote.ipv4}/32`, `${local.ipv4}/32`], 'in'),
    marked([`${local.ipv6}/128`, `${remote.ipv6}/128`], 'out'),
    `xfrm policy add src ${local.ipv4}/32 dst ${remote.ipv4}/32 proto tcp dport 9 dir out action block priority 7`,
  );
}

/** What `ip xfrm` shows of a node, counters included. */
export interface KernelText {
  readonly states: readonly string[];
  readonly policies: readonly string[];
}

/** Everything that a node's kernel holds, save what it makes by itself. */
export async function kernelText(node: Machine): Promise<KernelText> {
  return text(await keptStates(node), await dumpPolicies(node));
}

/** Everything that is not the agent's. */
export async function foreignText(node: Machine): Promise<KernelText> {
  const [states, policies] = [await keptStates(node), await dumpPolicies(node)];
  return text(
    states.filter((each) => !isAgents(each.reqid)),
    policies.filter((each) => !isAgents(each.index)),
  );
}

/** All SAs but those of `addForeignObjects`: those of the IKE daemon that runs in this node, whichever it is. */
export async function daemonStates(node: Machine): Promise<readonly StateDump[]> {
  return (await keptStates(node)).filter((each) => !foreignSpis.includes(each.spi));
}

/**
 * Without what the kernel makes by itself for a packet that waits for an SA: it has no keys, and where a policy is pinned
 * its SPI. Nobody can remove it before its 30 seconds.
 */
async function keptStates(node: Machine): Promise<readonly StateDump[]> {
  return (await dumpStates(node)).filter(({ text: shown }) => /^\s*(?:aead|enc) /mu.test(shown));
}

function text(states: readonly StateDump[], policies: readonly PolicyDump[]): KernelText {
  return { states: states.map((each) => each.text), policies: policies.map((each) => each.text) };
}

/** The range of reqids and policy indexes that our agent keeps to, as its users are told. */
export function isAgents(number: number): boolean {
  return number >= 0x60000000 && number <= 0x7fffffff;
}

function state(source: string, destination: string, number: number, mode: string): string {
  const aead = 'aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128';
  return `xfrm state add src ${source} dst ${destination} proto esp spi ${foreignSpis[number]} reqid 77 ${mode} ${aead}`;
}

/** As other programs draw them. */
const foreignSpis = [0x77777771, 0x77777772, 0x77777773, 0x77777774];
