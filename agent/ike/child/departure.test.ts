import { describe, expect, it } from 'vitest';

import { address, childConfig, Pair } from '../testing/pair.ts';

const pods = { source: address('10.1.0.1'), destination: address('10.2.0.1') };
const back = { source: pods.destination, destination: pods.source };

type Enforcement = 'Permissive' | 'Required';

function between(enforcement: Enforcement, local: string, remote: string) {
  const net = (text: string) => ({
    prefix: { address: address(text), length: 16 },
    protocol: 0,
    fromPort: 0,
    toPort: 0xffff,
  });
  return { children: [childConfig({ mode: 'tunnel', enforcement, local: [net(local)], remote: [net(remote)] })] };
}

const atLeft = (enforcement: Enforcement) => between(enforcement, '10.1.0.0', '10.2.0.0');

function tunnels(enforcement: Enforcement): Pair {
  return new Pair()
    .configure(atLeft(enforcement), between(enforcement, '10.2.0.0', '10.1.0.0'))
    .settle()
    .advance(60_000);
}

describe.each(['Permissive', 'Required'] as const)(
  'a %s tunnel that is configured no more at one end',
  (enforcement) => {
    it('receives what the peer sends until that has heard of it, and plaintext as well', () => {
      const pair = tunnels(enforcement);
      expect(pair.encrypts(pods)).toBe(true);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      expect(pair.packet(pair.right, back)).toBe('encrypted');
      pair.command(pair.right, { kind: 'removeConnection', name: 'left' });
      expect(pair.packet(pair.right, back)).toBe('plain');
    });

    it('is sent on no more, and leaves nothing when the peer has heard', () => {
      const pair = tunnels(enforcement);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      expect(pair.policies(pair.left).filter(({ direction }) => direction === 'out')).toEqual([]);
      pair.settle().advance(20_000);
      expect([pair.policies(pair.left), pair.sas(pair.left)]).toEqual([[], []]);
    });

    it('leaves nothing when the peer never answers', () => {
      const pair = tunnels(enforcement);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      pair.advanceLosing(3_600_000);
      expect([pair.policies(pair.left), pair.sas(pair.left)]).toEqual([[], []]);
    });

    it('does not come back in the place of new policies when orders that were refused are given again', () => {
      const pair = tunnels(enforcement);
      const before = pair.policies(pair.left).map(({ direction, template }) => `${direction} ${template?.level}`);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      let refusals = 1;
      pair.left.refuse = ({ kind }) => (kind === 'putPolicy' && refusals-- > 0 ? 'no memory' : undefined);
      pair.configureLeft(atLeft(enforcement));
      pair.settle().advance(60_000);
      const after = pair.policies(pair.left).map(({ direction, template }) => `${direction} ${template?.level}`);
      expect(after.sort()).toEqual(before.sort());
      expect(pair.encrypts(pods)).toBe(true);
    });

    it('lets in what comes as soon as the kernel takes the policies for that', () => {
      const pair = tunnels(enforcement);
      let refusals = 2;
      pair.left.refuse = ({ kind }) => (kind === 'putPolicy' && refusals-- > 0 ? 'no memory' : undefined);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      pair.advanceLosing(3_000);
      expect(pair.policies(pair.left).map(({ template }) => template?.level)).toEqual(['optional', 'optional']);
    });

    it('keeps its new policies where it is configured again meanwhile', () => {
      const pair = tunnels(enforcement);
      pair.command(pair.left, { kind: 'removeConnection', name: 'right' });
      pair.configureLeft(atLeft(enforcement));
      const { length } = pair.policies(pair.left);
      pair.settle().advance(60_000);
      expect(pair.policies(pair.left)).toHaveLength(length);
      expect(pair.encrypts(pods)).toBe(true);
    });
  },
);
