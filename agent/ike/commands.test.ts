import { describe, expect, it } from 'vitest';
import { SecretBytes } from '../crypto/secret.ts';
import { byPreSharedKey } from './negotiation/authentication.ts';
import { pretendedCredential, showing, TRUSTING } from './testing/certificates.ts';
import { address, childConfig, connectionConfig, fqdn, Pair, present, proposal, type Side } from './testing/pair.ts';
import { calling, ScriptedPeer, waiting } from './testing/scripted-peer.ts';
import type { ChildConfig, ConnectionConfig, SelectorConfig } from './types.ts';

function update(pair: Pair, side: Side, changes: Partial<ConnectionConfig>): void {
  const connection = connectionConfig(side, pair.other(side), changes);
  pair.command(side, { kind: 'updateConnection', connection });
}

function net(text: string, length: number): SelectorConfig {
  return { prefix: { address: address(text), length }, protocol: 0, fromPort: 0, toPort: 65_535 };
}

/** The Child between the hosts, and one between networks behind them. */
function withPods(left: string, right: string): Pick<ConnectionConfig, 'children'> {
  const sides = { local: [net(left, 16)], remote: [net(right, 16)] };
  return { children: [childConfig(), childConfig({ name: 'pods', reqid: 0x6000_0078, mode: 'tunnel', ...sides })] };
}

/** What a side has told its kernel since. */
function commandsSince(side: Side, length: number): readonly string[] {
  return side.commands.slice(length).map(({ kind }) => kind);
}

describe('a configuration that changes', () => {
  it('in nothing touches nothing: no command, no message, no deadline', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    const commands = pair.left.commands.length;
    const { length } = pair.sent;
    const before = [pair.status(pair.left), pair.left.endpoint.nextDeadline()];
    update(pair, pair.left, {});
    pair.settle();
    expect(commandsSince(pair.left, commands)).toEqual([]);
    expect(pair.sent.length).toBe(length);
    expect([pair.status(pair.left), pair.left.endpoint.nextDeadline()]).toEqual(before);
  });

  it('in timing keeps the SAs, and the new timing holds at once', () => {
    const pair = new Pair().configure().settle();
    const [before] = pair.status(pair.left).ikeSas;
    update(pair, pair.left, { liveness: { intervalMs: 5_000, timeoutMs: 60_000 }, ikeLifetimeMs: 3_600_000 });
    pair.advance(6_000);
    expect(pair.left.facts).toContainEqual(expect.objectContaining({ kind: 'livenessChecked' }));
    expect(pair.status(pair.left).ikeSas).toMatchObject([{ number: before?.number, state: 'established' }]);
    pair.advance(3_600_000);
    expect(pair.status(pair.left).ikeSas[0]?.number).not.toBe(before?.number);
  });

  it('from Permissive to Required blocks at once what has no SA, and keeps the SAs', () => {
    const permissive = { children: [childConfig({ enforcement: 'Permissive' })] };
    const pair = new Pair().configure(permissive).settle();
    const [before] = pair.status(pair.left).ikeSas;
    const levels = () => new Set(pair.policies(pair.left).map((each) => each.template?.level));
    expect(levels()).toEqual(new Set(['optional']));
    update(pair, pair.left, {});
    expect(levels()).toEqual(new Set(['required']));
    expect(pair.status(pair.left).ikeSas[0]?.number).toBe(before?.number);
    expect(pair.encrypts()).toBe(true);
  });

  it.each([
    ['the identity', { remoteIdentity: fqdn('somebody') }],
    ['NAT traversal', { natTraversal: 'Always' }],
  ] as const)('in %s tells the peer, begins anew, and never takes a policy away', (_, changes) => {
    const pair = new Pair().configure().settle().advance(10_000);
    const before = pair.status(pair.left).ikeSas[0]?.number;
    const commands = pair.left.commands.length;
    update(pair, pair.left, changes);
    expect(commandsSince(pair.left, commands)).not.toContain('deletePolicy');
    expect(pair.packet(pair.left)).toBe('blocked');
    pair.settle();
    expect(pair.status(pair.right).ikeSas.map(({ number }) => number)).not.toContain(before);
    expect(commandsSince(pair.left, commands)).not.toContain('deletePolicy');
  });

  it('in the pre-shared key keeps the SAs in use until both sides have shown the new one, whoever gets it first', () => {
    const rolled = () => byPreSharedKey(new SecretBytes(new TextEncoder().encode('another secret of two sides')));
    for (const first of ['left', 'right'] as const) {
      const pair = new Pair().configure().settle().advance(10_000);
      const before = pair.status(pair.left).ikeSas[0]?.number;
      const sides = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left];
      for (const side of sides) {
        update(pair, side, { initiation: side === pair.left ? 'start' : 'respond', ...rolled() });
        for (let second = 0; second < 120; second += 1) {
          expect(pair.advance(1_000).encrypts()).toBe(true);
        }
        const numbers = pair.status(pair.left).ikeSas.map(({ number }) => number);
        if (side === sides[0]) expect(numbers).toContain(before);
        else expect(numbers).not.toContain(before);
      }
      expect(pair.status(pair.left).ikeSas).toHaveLength(1);
      expect(pair.status(pair.right).ikeSas).toHaveLength(1);
    }
  });

  it.each([
    ['IKE', { proposals: [proposal('aes128gcm16', 'prfsha256', 'ecp256')] }],
    ['ESP', { children: [childConfig({ proposals: [proposal('aes128gcm16', 'esn')] })] }],
  ] as const)('in the algorithms of %s keeps the SAs in use until both sides have agreed on others', (_, changes) => {
    for (const first of ['left', 'right'] as const) {
      const pair = new Pair().configure().settle().advance(10_000);
      const [before] = pair.status(pair.left).ikeSas;
      const sides = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left];
      for (const side of sides) {
        update(pair, side, { initiation: side === pair.left ? 'start' : 'respond', ...changes });
        for (let second = 0; second < 120; second += 1) expect(pair.advance(1_000).encrypts()).toBe(true);
        const numbers = pair.status(pair.left).ikeSas.map(({ number }) => number);
        if (side === sides[0]) expect(numbers).toContain(before?.number);
        else expect(numbers).not.toContain(before?.number);
      }
      for (const side of [pair.left, pair.right]) {
        const { ikeSas } = pair.status(side);
        expect(ikeSas).toHaveLength(1);
        const suites = [ikeSas[0]?.suite, ikeSas[0]?.children[0]?.suite];
        const previous = [before?.suite, before?.children[0]?.suite];
        expect(suites).not.toEqual(previous);
      }
    }
  });

  it('in the algorithms while an IKE SA is being set up replaces that one as soon as it stands', () => {
    const both = [proposal('aes256gcm16', 'prfsha384', 'x25519'), proposal('aes128gcm16', 'prfsha256', 'ecp256')];
    const pair = new Pair();
    pair.configureRight({ proposals: both });
    pair.configureLeft({ proposals: both.slice(0, 1) });
    update(pair, pair.left, { proposals: both.slice(1) });
    pair.settle().advance(60_000);
    const { ikeSas } = pair.status(pair.left);
    expect(ikeSas.map(({ suite }) => suite)).toEqual(['aes128gcm16-prfsha256-ecp256']);
    expect(pair.encrypts()).toBe(true);
  });

  it('in one more Child, and one less again, leaves the others alone, whichever side is told first', () => {
    for (const first of ['left', 'right'] as const) {
      const pair = new Pair().configure().settle().advance(10_000);
      const hosts = () => pair.status(pair.left).ikeSas.map((sa) => [sa.number, sa.children[0]?.inboundSpi]);
      const before = hosts();
      const sides = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left];
      const wanted = new Map([
        [pair.left, withPods('10.1.0.0', '10.2.0.0')],
        [pair.right, withPods('10.2.0.0', '10.1.0.0')],
      ]);
      for (const [step, count] of [
        [wanted, 2],
        [undefined, 1],
      ] as const) {
        for (const side of sides) {
          update(pair, side, { initiation: side === pair.left ? 'start' : 'respond', ...step?.get(side) });
          for (let second = 0; second < 90; second += 1) expect(pair.advance(1_000).encrypts()).toBe(true);
        }
        expect(hosts()).toEqual(before);
        for (const side of sides) {
          expect(pair.status(side).ikeSas[0]?.children).toHaveLength(count);
          expect(pair.policies(side)).toHaveLength(count === 2 ? 5 : 2);
        }
      }
      const dumped = pair.left.kernel.dump();
      expect(dumped.ok && dumped.value.sas).toHaveLength(2);
    }
  });

  it('in one more Child: it is rekeyed at its soft limit as those that were there before, and never expires in use', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    update(pair, pair.left, { initiation: 'start', ...withPods('10.1.0.0', '10.2.0.0') });
    update(pair, pair.right, { initiation: 'respond', ...withPods('10.2.0.0', '10.1.0.0') });
    const packet = { source: address('10.1.0.1'), destination: address('10.2.0.1') };
    pair.advance(10_000);
    for (let minute = 0; minute < 240; minute += 1) {
      expect(pair.advance(60_000).encrypts(packet), `after ${minute} minutes`).toBe(true);
    }
    expect(pair.left.facts).not.toContainEqual(expect.objectContaining({ kind: 'saExpired', hard: true }));
  });

  it.each(['left', 'right'] as const)(
    'in the networks of one Child leaves the others alone, and goes over to the new ones (%s is told first)',
    (first) => {
      const pair = new Pair();
      pair.configure(withPods('10.1.0.0', '10.2.0.0'), withPods('10.2.0.0', '10.1.0.0')).settle().advance(10_000);
      const hosts = () => pair.status(pair.left).ikeSas.map((sa) => [sa.number, sa.children[0]?.inboundSpi]);
      const before = hosts();
      const sides = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left];
      for (const side of sides) {
        const networks = side === pair.left ? withPods('10.1.0.0', '10.3.0.0') : withPods('10.3.0.0', '10.1.0.0');
        update(pair, side, { initiation: side === pair.left ? 'start' : 'respond', ...networks });
        for (let second = 0; second < 90; second += 1) expect(pair.advance(1_000).encrypts()).toBe(true);
      }
      expect(hosts()).toEqual(before);
      expect(pair.encrypts({ source: address('10.1.0.1'), destination: address('10.3.0.1') })).toBe(true);
      for (const side of sides) {
        expect(pair.status(side).ikeSas[0]?.children).toHaveLength(2);
        expect(pair.policies(side)).toHaveLength(5);
        const dumped = side.kernel.dump();
        expect(dumped.ok && dumped.value.sas).toHaveLength(4);
      }
    },
  );

  it.each([
    ['left', 'Required'],
    ['right', 'Required'],
    ['left', 'Permissive'],
    ['right', 'Permissive'],
  ] as const)(
    'in one more network for a Child protects all the while what it did, and says that more is wanted (%s is told first, %s)',
    (first, enforcement) => {
      const tunnel = (local: readonly string[], remote: readonly string[]) => {
        const networks = (texts: readonly string[]) => texts.map((text) => net(text, 16));
        const sides = { local: networks(local), remote: networks(remote) };
        return { children: [childConfig({ mode: 'tunnel', enforcement, ...sides })] };
      };
      const pair = new Pair();
      pair
        .configure(tunnel(['10.1.0.0'], ['10.2.0.0']), tunnel(['10.2.0.0'], ['10.1.0.0']))
        .settle()
        .advance(10_000);
      const [number] = pair.status(pair.left).ikeSas.map((sa) => sa.number);
      const both = ['10.2.0.0', '10.3.0.0'];
      const changes = { left: tunnel(['10.1.0.0'], both), right: tunnel(both, ['10.1.0.0']) };
      const sides = first === 'left' ? [pair.left, pair.right] : [pair.right, pair.left];
      const to = (host: string) => ({ source: address('10.1.0.1'), destination: address(host) });
      const lengths = sides.map(({ commands }) => commands.length);
      for (const side of sides) {
        update(pair, side, { ...changes[side === pair.left ? 'left' : 'right'] });
        const states = () => pair.status(side).ikeSas.flatMap((sa) => sa.children.map(({ state }) => state));
        expect(states()).toEqual(['superseded']);
        for (let step = 0; step < 900; step += 1) {
          expect(pair.encrypts(to('10.2.0.1')), `step ${step}`).toBe(true);
          pair.advance(100);
        }
      }
      expect(pair.encrypts(to('10.3.0.1'))).toBe(true);
      for (const [index, side] of sides.entries()) {
        const policies = side.commands
          .slice(lengths[index])
          .flatMap((each) => (each.kind === 'putPolicy' ? [each.policy] : []));
        const outs = policies.filter(({ direction, selector }) => {
          return (
            direction === 'out' && [selector.source, selector.destination].some(({ address }) => address === '10.2.0.0')
          );
        });
        expect(outs.map(({ template }) => template?.spi ?? 0)).not.toContain(0);
        expect(pair.status(side).ikeSas.map((sa) => [sa.number, sa.children.length])).toEqual([[number, 1]]);
        expect(pair.policies(side)).toHaveLength(6);
      }
    },
  );

  it.each([
    ['a part of its network', '10.2.0.0', 24],
    ['a network around its own', '10.0.0.0', 8],
  ] as const)('to %s for a Child protects all the while what both have in common', (_, network, length) => {
    const tunnel = (remote: SelectorConfig) => ({
      children: [childConfig({ mode: 'tunnel', local: [net('192.168.0.0', 16)], remote: [remote] })],
    });
    const back = (remote: SelectorConfig) => ({
      children: [childConfig({ mode: 'tunnel', local: [remote], remote: [net('192.168.0.0', 16)] })],
    });
    const wide = net('10.2.0.0', 16);
    const pair = new Pair().configure(tunnel(wide), back(wide)).settle().advance(10_000);
    const changed = net(network, length);
    for (const [side, changes] of [
      [pair.left, tunnel(changed)],
      [pair.right, { ...back(changed), initiation: 'respond' }],
    ] as const) {
      update(pair, side, changes);
      const states = pair.status(side).ikeSas.flatMap((sa) => sa.children.map(({ state }) => state));
      const isGranted = side === pair.right && length > 16;
      expect(states, `of the ${side.name}`).toEqual([isGranted ? 'installed' : 'superseded']);
      for (let step = 0; step < 100; step += 1) {
        expect(pair.encrypts({ source: address('192.168.0.1'), destination: address('10.2.0.1') })).toBe(true);
        pair.advance(100);
      }
    }
    expect(pair.policies(pair.left)).toHaveLength(3);
    const { children = [] } = present(pair.status(pair.left).ikeSas[0]);
    expect(children.map(({ remoteSelectors }) => remoteSelectors)).toEqual([[`${network}/${length}`]]);
  });

  it('in the selectors goes from the old policies to the new ones without a moment without either', () => {
    const tunnel = (left: string, right: string) => ({
      children: [childConfig({ mode: 'tunnel', local: [net(left, 16)], remote: [net(right, 16)] })],
    });
    const pair = new Pair().configure(tunnel('10.1.0.0', '10.2.0.0'), tunnel('10.2.0.0', '10.1.0.0')).settle();
    const commands = pair.left.commands.length;
    update(pair, pair.left, tunnel('10.1.0.0', '10.3.0.0'));
    const kinds = commandsSince(pair.left, commands).filter((kind) => kind.endsWith('Policy'));
    expect(kinds.indexOf('deletePolicy')).toBeGreaterThan(kinds.lastIndexOf('putPolicy'));
    expect(pair.policies(pair.left)).toHaveLength(3);
  });

  it('in who begins is followed: from responding to starting, and back', () => {
    const pair = new Pair().configure({ initiation: 'respond' }).settle();
    expect(pair.sent).toEqual([]);
    update(pair, pair.left, { initiation: 'start' });
    expect(pair.settle().encrypts()).toBe(true);
    const other = new Pair();
    other.configureLeft();
    other.advanceLosing(61_500);
    update(other, other.left, { initiation: 'respond' });
    other.advanceLosing(60_000);
    const { length } = other.sent;
    other.advanceLosing(600_000);
    expect(other.sent.length).toBe(length);
  });

  it('a key that is no longer used is wiped', () => {
    const pair = new Pair();
    const first = new SecretBytes(new Uint8Array(32).fill(1));
    const second = new SecretBytes(new Uint8Array(32).fill(2));
    pair.configureLeft(byPreSharedKey(first));
    update(pair, pair.left, byPreSharedKey(second));
    expect([first.length, second.length]).toEqual([0, 32]);
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    expect(second.length).toBe(0);
  });
});

describe('a configuration that changes while a Child SA is negotiated', () => {
  const children = (changes: Partial<ChildConfig>, other: Partial<ChildConfig> = {}) => ({
    children: [
      childConfig({ ...between(17), ...changes }),
      childConfig({ ...between(6), name: 'other', reqid: 0x6000_0002, ...other }),
    ],
  });
  const between = (protocol: number) => {
    const traffic = [{ protocol, fromPort: 0, toPort: 65_535 }];
    return { local: traffic, remote: traffic };
  };
  const PROOFS = { localAuthentication: showing(pretendedCredential('left')), remoteAuthentication: TRUSTING };
  const verified = () => ({ ok: true, value: undefined }) as const;

  /** Something of the left is asked of the peer, or with the Verifier; the way of saying how it goes on. */
  const UNDER_WAY: Record<string, (config: Partial<ConnectionConfig>) => { readonly pair: Pair; goOn(): void }> = {
    'a rekey': (config) => {
      const pair = new Pair().configure(config, config).settle().advance(60_000);
      pair.command(pair.left, { kind: 'rekeyChild', name: 'right', child: 'hosts' });
      pair.fire();
      return { pair, goOn: () => pair.settle() };
    },
    'the first Child SA': (config) => {
      const pair = new Pair().configure(config, config);
      pair.fire();
      pair.deliver();
      pair.deliver();
      return { pair, goOn: () => pair.settle() };
    },
    'the first Child SA, whose peer is being verified,': (config) => {
      const pair = new Pair();
      pair.right.verify = verified;
      pair.configure({ ...PROOFS, ...config }, { ...PROOFS, ...config }).settle();
      const { id } = present(pair.left.jobs[0]);
      pair.left.verify = verified;
      return { pair, goOn: () => pair.handle(pair.left, { kind: 'verified', job: id, outcome: verified() }) };
    },
    'a further Child SA': (config) => {
      const pair = new Pair().configure(config, config);
      pair.fire();
      for (let message = 0; message < 4; message += 1) pair.deliver();
      pair.fire();
      return { pair, goOn: () => pair.settle() };
    },
  };

  for (const [what, begin] of Object.entries(UNDER_WAY)) {
    const proofs = what.includes('verified') ? PROOFS : {};

    it(`holds for ${what} too: what becomes Required takes in no plaintext, then or later`, () => {
      const permissive = children({ enforcement: 'Permissive' }, { enforcement: 'Permissive' });
      const { pair, goOn } = begin(permissive);
      update(pair, pair.left, { ...proofs, ...children({}) });
      update(pair, pair.right, { ...proofs, ...children({}), initiation: 'respond' });
      goOn();
      for (const hours of [0, 3]) {
        pair.settle().advance(10_000 + hours * 3_600_000);
        expect(pair.encrypts()).toBe(true);
        const levels = new Set(pair.policies(pair.left).map(({ template }) => template?.level));
        expect(levels).toEqual(new Set(['required']));
      }
    });

    it(`holds for ${what} too: its SAs have the new lifetime, and what becomes Permissive lets plaintext in`, () => {
      const { pair, goOn } = begin(children({}));
      const changes = { enforcement: 'Permissive', lifetime: { softSeconds: 600, hardSeconds: 1_200 } } as const;
      update(pair, pair.left, { ...proofs, ...children(changes, changes) });
      const before = pair.left.commands.length;
      goOn();
      pair.settle();
      const installed = pair.left.commands.slice(before).flatMap((each) => (each.kind === 'addSa' ? [each.sa] : []));
      expect(new Set(installed.map(({ lifetime }) => lifetime.hardSeconds))).toEqual(new Set([1_200]));
      pair.advance(10_000);
      const levels = new Set(pair.policies(pair.left).map(({ template }) => template?.level));
      expect(levels).toEqual(new Set(['optional']));
    });

    it(`leaves nothing of ${what} that is for other traffic by then, or configured no more`, () => {
      const all = children({}).children;
      for (const later of [children(between(6)).children.slice(0, 1), all.slice(0, 1), all.slice(1)]) {
        const { pair, goOn } = begin({ children: all });
        update(pair, pair.left, { ...proofs, children: later });
        update(pair, pair.right, { ...proofs, children: later, initiation: 'respond' });
        goOn();
        pair.settle().advance(60_000);
        for (const side of [pair.left, pair.right]) {
          const names = pair.status(side).ikeSas.flatMap((sa) => sa.children.map(({ name }) => name));
          expect(names).toEqual(later.map(({ name }) => name));
          const reqids = new Set(pair.outbound(side).map(({ reqid }) => reqid));
          expect(reqids).toEqual(new Set(later.map(({ reqid }) => reqid)));
        }
      }
    });
  }
});

describe('removal', () => {
  it('deletes SAs, tells the peer, and takes its policies and SAs out of the kernel', () => {
    const pair = new Pair().configure().settle();
    pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
    expect(pair.policies(pair.left)).toEqual([]);
    pair.settle();
    expect(pair.status(pair.right).ikeSas).toEqual([]);
    pair.advance(20_000);
    expect(pair.sas(pair.left)).toEqual([]);
    expect(pair.sas(pair.right)).toEqual([]);
    expect(pair.left.endpoint.status(pair.at).connections).toEqual([]);
    expect(pair.left.endpoint.nextDeadline()).toBeUndefined();
  });

  it('in the middle of a handshake ends it; what the peer says later changes nothing', () => {
    for (let messages = 0; messages < 4; messages += 1) {
      const pair = new Pair().configure();
      pair.fire();
      for (let message = 0; message < messages; message += 1) pair.deliver();
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      pair.settle();
      expect(pair.left.endpoint.status(pair.at).connections).toEqual([]);
      expect([pair.outbound(pair.left), pair.policies(pair.left)]).toEqual([[], []]);
    }
  });

  it('of a peer that is about to authenticate refuses it: its key is gone (half-open IKE SA)', () => {
    const peer = waiting();
    const request = peer.begin();
    peer.pair.command(peer.subject, { kind: 'removeConnection', name: 'right' });
    peer.send(request);
    expect(peer.open(peer.take()).map((payload) => payload.kind)).toEqual(['notify']);
    expect(peer.pair.outbound(peer.subject)).toEqual([]);
  });

  it('of one peer leaves the others alone', () => {
    const pair = new Pair().configure();
    pair.configureLeft({ name: 'other', remoteAddress: address('198.51.100.7'), remoteIdentity: fqdn('other') });
    pair.settle();
    pair.command(pair.left, { kind: 'removeConnection', name: 'other' });
    pair.advance(10_000);
    expect(pair.encrypts()).toBe(true);
    expect(pair.policies(pair.left)).toHaveLength(2);
  });

  it('of a name that is not there is no failure', () => {
    const pair = new Pair().configure().settle();
    for (const kind of ['removeConnection', 'initiate', 'terminate', 'checkLiveness'] as const) {
      pair.command(pair.left, { kind, name: 'nobody' });
    }
    expect(pair.encrypts()).toBe(true);
  });
});

describe('beginning and ending', () => {
  it('a connection on demand begins at the first packet and not before', () => {
    const pair = new Pair().configure({ initiation: 'onDemand' }).settle();
    expect(pair.sent).toEqual([]);
    expect(pair.packet(pair.left)).toBe('blocked');
    expect(pair.settle().encrypts()).toBe(true);
  });

  it('packets do not make it call a peer more often that has just failed', () => {
    const pair = new Pair({ limits: { handshakeTimeoutMs: 5_000, reconnectFirstMs: 60_000 } });
    pair.configureLeft();
    pair.advanceLosing(6_000);
    const { length } = pair.sent;
    for (let second = 0; second < 20; second += 1) {
      pair.packet(pair.left);
      pair.advanceLosing(1_000);
    }
    expect(pair.sent.length).toBe(length);
  });

  it('one that only responds is not moved by packets', () => {
    const pair = new Pair().configure({ initiation: 'respond' });
    pair.packet(pair.left);
    expect(pair.settle().sent).toEqual([]);
  });

  it('terminated, the SAs go at both ends while the policies stay and block', () => {
    const pair = new Pair().configure({ initiation: 'onDemand' });
    pair.command(pair.left, { kind: 'initiate', name: 'right' });
    pair.settle();
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.settle();
    expect([pair.outbound(pair.left), pair.outbound(pair.right)]).toEqual([[], []]);
    expect(pair.policies(pair.left)).toHaveLength(2);
    expect(pair.packet(pair.left)).toBe('blocked');
  });

  it('terminated while a question is open, the SAs go on receiving until the peer has heard of their end', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.deliver();
    pair.deliver();
    pair.wire.length = 0;
    pair.advanceLosing(8_000);
    expect(pair.packet(pair.right)).toBe('encrypted');
  });

  it.each([0, 1, 2, 3, 4])('terminated after %i messages, one that begins by itself comes up again', (messages) => {
    const pair = new Pair().configure();
    pair.fire();
    for (let message = 0; message < messages; message += 1) pair.deliver();
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    pair.advance(10_000);
    expect(pair.encrypts()).toBe(true);
  });

  it('terminated while it waits to try again, one that begins by itself comes up all the same', () => {
    const pair = new Pair();
    pair.configureLeft();
    pair.advanceLosing(61_500);
    pair.configureRight();
    pair.command(pair.left, { kind: 'terminate', name: 'right' });
    expect(pair.advance(60_000).encrypts()).toBe(true);
  });

  it('a Child that is ended is not sent on any more, though its Delete waits behind an open question', () => {
    const pair = new Pair().configure().settle().advance(10_000);
    pair.command(pair.left, { kind: 'checkLiveness', name: 'right' });
    pair.wire.length = 0;
    pair.command(pair.left, { kind: 'terminateChild', name: 'right', child: 'hosts' });
    expect(pair.packet(pair.left)).toBe('blocked');
    expect(pair.packet(pair.right)).toBe('encrypted');
  });

  it.each(['terminate', 'terminateChild'] as const)(
    '%s also ends sending on what a peer that fell silent left',
    (kind) => {
      const liveness = { intervalMs: 5_000, timeoutMs: 10_000 };
      const pair = new Pair().configure({ liveness }, { liveness }).settle().advance(6_000);
      pair.advanceLosing(30_000);
      expect(pair.status(pair.left).ikeSas.map(({ state }) => state)).not.toContain('established');
      expect(pair.packet(pair.left)).toBe('encrypted');
      pair.command(pair.left, kind === 'terminate' ? { kind, name: 'right' } : { kind, name: 'right', child: 'hosts' });
      expect(pair.packet(pair.left)).toBe('blocked');
    },
  );

  it('a Child that is ended in the middle of a replacement is not sent on for a moment on the pair that waits', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    const commands = pair.right.commands.length;
    pair.command(pair.right, { kind: 'terminateChild', name: 'left', child: 'hosts' });
    expect(pair.right.commands.slice(commands).map(({ kind }) => kind)).not.toContain('putPolicy');
    expect(pair.packet(pair.right)).toBe('blocked');
  });

  it('removed in the middle of a replacement, nothing is sent for a moment on a pair that the peer may not have yet', () => {
    const pair = new Pair().configure().settle().advance(60_000);
    pair.command(pair.left, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    for (let message = 0; message < 4; message += 1) pair.deliver();
    const commands = pair.right.commands.length;
    pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
    const pins = pair.right.commands
      .slice(commands)
      .map((each) => each.kind === 'putPolicy' && each.policy.template?.spi);
    expect(new Set(pins)).toEqual(new Set([false]));
  });

  it('terminated while what had been replaced waits to be deleted, nothing is sent on that any more', () => {
    const peer = calling();
    peer.send(peer.respond(peer.accept(), [...peer.proof(), ...peer.child()]));
    const { pair, subject } = peer;
    pair.advanceLosing(5_000);
    pair.command(subject, { kind: 'checkLiveness', name: 'right' });
    pair.wire.length = 0;
    pair.command(subject, { kind: 'reauthenticate', name: 'right' });
    pair.fire();
    const successor = new ScriptedPeer(pair);
    successor.localSpi = '2222222222222222' as never;
    successor.espSpi = 0x0f0f0f0f;
    successor.send(successor.respond(successor.accept(), [...successor.proof(), ...successor.child()]));
    pair.fire();
    successor.send(successor.respond(successor.take(), []));
    pair.advanceLosing(2_000);
    pair.command(subject, { kind: 'terminate', name: 'right' });
    expect(pair.packet(subject)).toBe('blocked');
  });

  it('what an earlier run left is kept until its successor is in use; what nobody wants goes at once', () => {
    const pair = new Pair().configure().settle();
    const before = pair.sas(pair.left);
    const dumped = pair.left.kernel.dump();
    const snapshot = dumped.ok ? dumped.value : { sas: [], policies: [] };
    pair.restarted(pair.left, 55);
    const connections = [connectionConfig(pair.left, pair.right, { initiation: 'onDemand' })];
    const sa = present(before[0]);
    const foreign = { ...sa, id: { ...sa.id, spi: 4711 }, reqid: 0x6000_0099 };
    pair.command(pair.left, { kind: 'start', connections, snapshot: { ...snapshot, sas: [...snapshot.sas, foreign] } });
    expect(pair.left.commands.at(-1)).toEqual({ kind: 'deleteSa', id: foreign.id });
    expect(pair.sas(pair.left)).toEqual(before);
    pair.command(pair.left, { kind: 'initiate', name: 'right' });
    pair.settle();
    const received = before.filter(({ id }) => id.destination === pair.left.address);
    expect(pair.sas(pair.left)).toEqual(expect.arrayContaining(received));
    pair.advance(20_000);
    expect(pair.sas(pair.left)).toHaveLength(2);
    expect(pair.sas(pair.left)).not.toContainEqual(sa);
  });

  it('never hands out an ESP SPI that an SA of an earlier run still has, nor a reserved one (RFC 4303 §2.1)', () => {
    const peer = waiting();
    const spis = new Set<number>();
    for (let round = 0; round < 50; round += 1) {
      const again = new ScriptedPeer(peer.pair);
      again.localSpi = `00000000000001${round.toString(16).padStart(2, '0')}` as never;
      again.espSpi = 10_000 + round;
      again.establish();
    }
    for (const { inboundSpi } of peer.pair.status(peer.subject).ikeSas.flatMap(({ children }) => children)) {
      expect(inboundSpi).toBeGreaterThan(255);
      spis.add(inboundSpi);
    }
    expect(spis.size).toBe(peer.pair.status(peer.subject).ikeSas.length);
  });
});
