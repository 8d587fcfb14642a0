import { describe, expect, it } from 'vitest';

import type { SaSpec } from '../../dataplane/types.ts';
import { address, childConfig, connectionConfig, Pair, type Side } from '../testing/pair.ts';

/** The SAs that a side has installed. */
function installed({ commands }: Side): readonly SaSpec[] {
  return commands.flatMap((command) => (command.kind === 'addSa' ? [command.sa] : []));
}

describe('the SAs of a Child in the kernel', () => {
  it.each([
    ['bare', {}],
    ['in UDP', { natTraversal: 'Always' }],
  ] as const)(
    'in transport mode, %s, are for packets between the two hosts alone: no other address of ours uses them',
    (_, changes) => {
      const pair = new Pair().configure(changes, changes).settle();
      for (const side of [pair.left, pair.right]) {
        const sas = installed(side);
        expect(sas).toHaveLength(2);
        for (const { source, id, selector } of sas) {
          expect([selector?.source, selector?.destination]).toEqual([
            { address: source, length: 32 },
            { address: id.destination, length: 32 },
          ]);
          expect(selector).toMatchObject({ protocol: 0, sourcePort: { mask: 0 }, destinationPort: { mask: 0 } });
        }
      }
      expect(pair.encrypts()).toBe(true);
    },
  );

  it('in tunnel mode are for whatever the policies say', () => {
    const net = (text: string) => ({
      prefix: { address: address(text), length: 16 },
      protocol: 0,
      fromPort: 0,
      toPort: 65_535,
    });
    const tunnel = (local: string, remote: string) => ({
      children: [childConfig({ mode: 'tunnel', local: [net(local)], remote: [net(remote)] })],
    });
    const pair = new Pair().configure(tunnel('10.1.0.0', '10.2.0.0'), tunnel('10.2.0.0', '10.1.0.0')).settle();
    expect(installed(pair.left).map(({ selector }) => selector)).toEqual([undefined, undefined]);
  });

  it('are never without a replay window: such a configuration is refused', () => {
    const children = [childConfig({ replayWindow: 0 })];
    expect(() => new Pair().configureLeft({ children })).toThrow(
      'Child hosts of connection right has no replay window',
    );
    const pair = new Pair().configure().settle();
    const connection = connectionConfig(pair.left, pair.right, { children });
    expect(() => pair.command(pair.left, { kind: 'updateConnection', connection })).toThrow('no replay window');
  });
});
