import { describe, expect, it } from 'vitest';
import type { PlainPacket } from '../../dataplane/memory/packet.ts';
import { isOurIndex } from '../../dataplane/ownership.ts';
import { policyKeyText } from '../../dataplane/texts.ts';
import type { InstalledPolicy, Selector } from '../../dataplane/types.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { configuredTraffic } from '../negotiation/traffic.ts';
import { address, childConfig, connectionConfig, Pair, present, type Side } from '../testing/pair.ts';
import type { ChildConfig, ExemptionConfig, SelectorConfig } from '../types.ts';
import { exemptSelectors } from './exemptions.ts';

const ANY = { from: 0, to: 65_535 };
const TCP = 6;
const UDP = 17;
/** TCP port 8443 of whichever side is called, as both ends have it in a mesh. */
const BOTH_WAYS: readonly ExemptionConfig[] = [called('remote', 8_443), called('local', 8_443)];
const LOCAL_NETWORK: SelectorConfig = network('10.1.0.0', 16);
const REMOTE_NETWORK: SelectorConfig = network('10.2.0.0', 16);

function called(side: 'local' | 'remote', from: number, changes: Partial<ExemptionConfig> = {}): ExemptionConfig {
  const ports = { from, to: from };
  const [localPorts, remotePorts] = side === 'local' ? [ports, ANY] : [ANY, ports];
  return { name: `TCP/${from}`, protocol: TCP, localPorts, remotePorts, isSent: true, ...changes };
}

function network(text: string, length: number): SelectorConfig {
  return { prefix: { address: address(text), length }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

function exempting(exempt: readonly ExemptionConfig[], changes: Partial<ChildConfig> = {}): ChildConfig {
  return childConfig({ exempt, ...changes });
}

/** The same Child, as each end of a tunnel between two networks has it. */
function tunnels(exempt: readonly ExemptionConfig[]): readonly [ChildConfig, ChildConfig] {
  const changes = { mode: 'tunnel', exempt } as const;
  return [
    childConfig({ ...changes, local: [LOCAL_NETWORK], remote: [REMOTE_NETWORK] }),
    childConfig({ ...changes, local: [REMOTE_NETWORK], remote: [LOCAL_NETWORK] }),
  ];
}

function pairOf(left: ChildConfig, right: ChildConfig): Pair {
  return new Pair().configure({ children: [left] }, { children: [right] }).settle();
}

const REQUEST = { protocol: TCP, sourcePort: 40_000, destinationPort: 8_443 };
const ANSWER = { protocol: TCP, sourcePort: 8_443, destinationPort: 40_000 };

/** What becomes of a connection's packets to a server at the right, and back. */
function flow(pair: Pair, between: Partial<PlainPacket> = {}, back: Partial<PlainPacket> = {}): readonly string[] {
  return [pair.packet(pair.left, { ...REQUEST, ...between }), pair.packet(pair.right, { ...ANSWER, ...back })];
}

function update(pair: Pair, side: Side, child: ChildConfig): void {
  const connection = connectionConfig(side, pair.other(side), {
    children: [child],
    ...(side === pair.right ? { initiation: 'respond' } : {}),
  });
  pair.command(side, { kind: 'updateConnection', connection });
  pair.settle();
}

function exemptPolicies(pair: Pair, side: Side): readonly InstalledPolicy[] {
  return pair.policies(side).filter(({ selector }) => selector.protocol === TCP);
}

describe('what is exempt', () => {
  it('stays in plaintext at both ends, and nothing else does', () => {
    const pair = pairOf(exempting(BOTH_WAYS), exempting(BOTH_WAYS));
    expect(flow(pair)).toEqual(['plain', 'plain']);
    for (const other of [
      { destinationPort: 8_444 },
      { destinationPort: 8_442 },
      { protocol: UDP },
      { protocol: 1, sourcePort: 8, destinationPort: 0 },
    ]) {
      expect(flow(pair, other, other), JSON.stringify(other)).toEqual(['encrypted', expect.anything()]);
    }
    expect(pair.encrypts()).toBe(true);
  });

  it('passes before there is an SA and after the agent has gone, while everything else is blocked', () => {
    const pair = new Pair().configure({ children: [exempting(BOTH_WAYS)] }, { children: [exempting(BOTH_WAYS)] });
    expect(flow(pair)).toEqual(['plain', 'plain']);
    expect(pair.packet(pair.left)).toBe('blocked');
  });

  it('has sockets look for their policy again when it ends: they go on in plaintext until one of their family is put', () => {
    const pair = pairOf(exempting(BOTH_WAYS), exempting(BOTH_WAYS));
    const before = pair.left.commands.length;
    update(pair, pair.left, exempting([]));
    const orders = pair.left.commands.slice(before).flatMap((command) => {
      if (command.kind === 'putPolicy') return [`put ${command.policy.direction}`];
      return command.kind === 'deletePolicy' ? [`delete ${command.key.direction}`] : [];
    });
    expect(orders).toContain('delete out');
    expect(orders.slice(orders.lastIndexOf('delete out'))).toContain('put out');
  });

  it('from one side alone is lost at the other, where encryption is Required', () => {
    const pair = pairOf(exempting(BOTH_WAYS), exempting([]));
    expect(flow(pair)).toEqual(['lost', 'encrypted']);
  });

  it.each([
    ['transport', [exempting, exempting], {}, {}],
    [
      'tunnel',
      [
        (exempt: readonly ExemptionConfig[]) => tunnels(exempt)[0],
        (exempt: readonly ExemptionConfig[]) => tunnels(exempt)[1],
      ],
      { source: address('10.1.0.5'), destination: address('10.2.0.5') },
      { source: address('10.2.0.5'), destination: address('10.1.0.5') },
    ],
  ] as const)('comes and goes step by step in %s mode without a packet lost', (_, [left, right], there, back) => {
    const accepted = BOTH_WAYS.map((each) => ({ ...each, isSent: false }));
    const pair = pairOf(left([]), right([]));
    const seen: string[][] = [];
    const steps = [accepted, BOTH_WAYS, accepted, []];
    // At each step one end comes after the other.
    for (const step of steps) {
      update(pair, pair.left, left(step));
      seen.push([...flow(pair, there, back)]);
      update(pair, pair.right, right(step));
      seen.push([...flow(pair, there, back)]);
    }
    expect(seen).toEqual([
      ['encrypted', 'encrypted'],
      ['encrypted', 'encrypted'],
      ['plain', 'encrypted'],
      ['plain', 'plain'],
      ['encrypted', 'plain'],
      ['encrypted', 'encrypted'],
      ['encrypted', 'encrypted'],
      ['encrypted', 'encrypted'],
    ]);
    expect(pair.status(pair.left).ikeSas).toHaveLength(1);
    expect(exemptPolicies(pair, pair.left)).toEqual([]);
  });

  it('is not renegotiated: the SAs stay when it changes', () => {
    const pair = pairOf(exempting([]), exempting([]));
    const before = pair.sas(pair.left);
    update(pair, pair.left, exempting(BOTH_WAYS));
    expect(pair.sas(pair.left)).toEqual(before);
  });

  it('is there before what would block it, and goes after it', () => {
    const pair = new Pair();
    pair.configureLeft({ children: [exempting(BOTH_WAYS)] });
    const ordered = pair.left.commands.flatMap((command) => {
      if (command.kind === 'putPolicy') return [command.policy.selector.protocol === TCP];
      return [];
    });
    expect(ordered.lastIndexOf(true)).toBeLessThan(ordered.indexOf(false));
    const before = pair.left.commands.length;
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    const removed = pair.left.commands.slice(before).flatMap((command) => {
      return command.kind === 'deletePolicy' ? [command.key.selector.protocol === TCP] : [];
    });
    expect(removed.lastIndexOf(false)).toBeLessThan(removed.indexOf(true));
    expect(pair.policies(pair.left)).toEqual([]);
  });

  it('is accepted before it is sent', () => {
    const pair = new Pair();
    pair.configureLeft({ children: [exempting(BOTH_WAYS)] });
    const directions = pair.left.commands.flatMap((command) => {
      return command.kind === 'putPolicy' && command.policy.selector.protocol === TCP ? [command.policy.direction] : [];
    });
    expect(directions).toEqual(['in', 'out', 'in', 'out']);
  });

  it('is ours by the index of its policies, and stays as it is when the agent starts anew', () => {
    const pair = pairOf(exempting(BOTH_WAYS), exempting(BOTH_WAYS));
    const before = exemptPolicies(pair, pair.left);
    expect(before).toHaveLength(4);
    expect(before.every(({ index }) => isOurIndex(index))).toBe(true);
    const told = pair.left.commands.length;
    restart(pair, exempting(BOTH_WAYS));
    expect(flow(pair)).toEqual(['plain', 'plain']);
    pair.settle();
    expect(exemptPolicies(pair, pair.left)).toEqual(before);
    const touched = pair.left.commands.slice(told).filter((command) => {
      return command.kind === 'putPolicy' && command.policy.selector.protocol === TCP;
    });
    expect(touched).toEqual([]);
  });

  it('goes when the agent starts anew and is not told of it any more', () => {
    const pair = pairOf(exempting(BOTH_WAYS), exempting(BOTH_WAYS));
    restart(pair, exempting([]));
    pair.settle();
    expect(exemptPolicies(pair, pair.left)).toEqual([]);
  });

  it('comes back when somebody has removed it', () => {
    const pair = pairOf(exempting(BOTH_WAYS), exempting(BOTH_WAYS));
    const before = exemptPolicies(pair, pair.left);
    for (const policy of before) pair.left.kernel.execute({ kind: 'deletePolicy', key: policy, index: policy.index });
    const snapshot = pair.left.kernel.dump();
    if (!snapshot.ok) throw new Error(snapshot.error.message);
    pair.handle(pair.left, { kind: 'kernel', event: { kind: 'resync', snapshot: snapshot.value } });
    expect(exemptPolicies(pair, pair.left).map(policyKeyText).sort()).toEqual(before.map(policyKeyText).sort());
  });

  it('leaves alone what another program has on its selector, says so, and has everything else', () => {
    const pair = new Pair();
    pair.configureLeft({ children: [exempting(BOTH_WAYS)] });
    const [taken] = exemptPolicies(pair, pair.left).filter(({ direction }) => direction === 'out');
    const foreign = { ...present(taken), index: 8 * 77 + 1, action: 'block', priority: 1 } as const;
    const again = new Pair();
    again.left.kernel.kernel.putPolicy(foreign);
    again.configure({ children: [exempting(BOTH_WAYS)] }, { children: [exempting(BOTH_WAYS)] }).settle();
    expect(exemptPolicies(again, again.left).find(({ index }) => index === foreign.index)).toMatchObject({
      action: 'block',
      ours: false,
    });
    expect(exemptPolicies(again, again.left)).toHaveLength(4);
    expect(again.status(again.left).lastFailure?.text).toMatch(/belongs to another program/);
    expect(again.encrypts()).toBe(true);
  });

  it('of a Child that the peer narrows is exempt of what remains as well', () => {
    const [left, right] = tunnels(BOTH_WAYS);
    const narrower = { ...right, local: [network('10.2.3.0', 24)] };
    const pair = pairOf(left, narrower);
    const [here, there] = [address('10.1.0.5'), address('10.2.3.5')];
    const between = { source: here, destination: there };
    expect(flow(pair, between, { source: there, destination: here })).toEqual(['plain', 'plain']);
    expect(pair.packet(pair.left, between)).toBe('encrypted');
    expect(pair.left.kernel.outbound(plain({ ...between, destination: address('10.2.9.5'), ...REQUEST })).kind).toBe(
      'plain',
    );
  });

  it('takes nothing from a narrower Child, whose packets are not this one’s', () => {
    const wide = {
      ...tunnels([{ ...called('remote', 8_443), remote: { address: address('10.2.0.0'), length: 16 } }])[0],
    };
    const narrow = childConfig({
      name: 'narrow',
      mode: 'tunnel',
      reqid: 0x6000_0002,
      local: [LOCAL_NETWORK],
      remote: [network('10.2.3.0', 24)],
    });
    const pair = new Pair();
    pair.configureLeft({ children: [wide, narrow] });
    const sent = (to: string) =>
      pair.left.kernel.outbound(plain({ source: address('10.1.0.5'), destination: address(to), ...REQUEST })).kind;
    expect([sent('10.2.9.5'), sent('10.2.3.5')]).toEqual(['plain', 'dropped']);
  });

  it('passes through a node that forwards it: fwd policies come from the remote side alone', () => {
    const [left] = tunnels(BOTH_WAYS);
    const pair = new Pair();
    pair.configureLeft({ children: [left] });
    const forwarded = exemptPolicies(pair, pair.left).filter(({ direction }) => direction === 'fwd');
    expect(forwarded.map(({ selector }) => selector.source.address)).toEqual(['10.2.0.0', '10.2.0.0']);
    const packet = plain({ source: address('10.2.0.5'), destination: address('10.1.0.5'), ...ANSWER });
    expect(pair.left.kernel.forward(packet).kind).toBe('forwarded');
    expect(pair.left.kernel.forward({ ...packet, sourcePort: 8_444 }).kind).toBe('dropped');
  });
});

describe('the kernel selectors of what is exempt', () => {
  const hosts = configuredTraffic(childConfig(), address('192.0.2.1'), address('192.0.2.2'), DEFAULT_LIMITS).outbound;

  it('are what exemption and Child have in common', () => {
    const nearby = { address: address('192.0.2.0'), length: 24 };
    const elsewhere = { address: address('198.51.100.0'), length: 24 };
    const found = exemptSelectors(
      hosts,
      [
        called('remote', 22, { remote: nearby }),
        called('remote', 23, { remote: elsewhere }),
        called('remote', 24, { remote: { address: address('2001:db8::'), length: 32 } }),
        called('remote', 25, { local: elsewhere }),
      ],
      16,
    );
    expect(found.map(({ selector }) => ports(selector))).toEqual(['192.0.2.1/32 192.0.2.2/32 6 0/0 22/65535']);
  });

  it('cut port ranges into aligned blocks, and end where there are too many', () => {
    const range = called('remote', 0, { remotePorts: { from: 30_000, to: 32_767 } });
    const found = exemptSelectors(hosts, [range], 16);
    const covered = (port: number) =>
      found.some(({ selector: { destinationPort } }) => (port & destinationPort.mask) === destinationPort.value);
    expect([29_999, 30_000, 31_234, 32_767, 32_768].map(covered)).toEqual([false, true, true, true, false]);
    expect(found).toHaveLength(5);
    expect(exemptSelectors(hosts, [range, called('local', 1), called('local', 2)], 6)).toHaveLength(6);
  });

  it('lie within the ports and the protocol that the Child is for', () => {
    const web = { ...present(hosts[0]), protocol: TCP, destinationPort: { value: 8_192, mask: 0xe000 } };
    const of = (exemption: ExemptionConfig) =>
      exemptSelectors([web], [exemption], 16).map(({ selector }) => ports(selector));
    const anything = { protocol: 0, remotePorts: ANY };
    expect(of(called('remote', 1, anything))).toEqual(['192.0.2.1/32 192.0.2.2/32 6 0/0 8192/57344']);
    expect(of(called('remote', 8_443))).toEqual(['192.0.2.1/32 192.0.2.2/32 6 0/0 8443/65535']);
    expect(of(called('remote', 443))).toEqual([]);
    expect(of(called('remote', 8_443, { protocol: UDP }))).toEqual([]);
  });
});

function restart(pair: Pair, child: ChildConfig): void {
  const snapshot = pair.left.kernel.dump();
  if (!snapshot.ok) throw new Error(snapshot.error.message);
  pair.restarted(pair.left, 33);
  const connections = [connectionConfig(pair.left, pair.right, { children: [child] })];
  pair.command(pair.left, { kind: 'start', connections, snapshot: snapshot.value });
}

function plain(packet: Partial<PlainPacket>): PlainPacket {
  return {
    kind: 'plain',
    source: address('192.0.2.1'),
    destination: address('192.0.2.2'),
    protocol: UDP,
    sourcePort: 4_000,
    destinationPort: 5_000,
    payloadBytes: 100,
    ...packet,
  };
}

function ports({ source, destination, protocol, sourcePort, destinationPort }: Selector): string {
  const block = ({ value, mask }: Selector['sourcePort']) => `${value}/${mask}`;
  return `${source.address}/${source.length} ${destination.address}/${destination.length} ${protocol} ${block(sourcePort)} ${block(destinationPort)}`;
}
