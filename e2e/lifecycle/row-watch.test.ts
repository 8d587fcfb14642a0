import { expect, it } from 'vitest';

import { rowWatch } from './row-watch.ts';

it('tells steps and ends of rows, however the output is cut, and takes no log of a failure for either', () => {
  const told: string[] = [];
  const watch = rowWatch({
    step: (name, text) => told.push(`${name}: ${text}`),
    ended: (name) => told.push(`${name} ended`),
  });
  const output = [
    '--- agent-killed-tunnel-ipv4: agents end',
    '    packets flow',
    'FAIL agent-killed-tunnel-ipv4 (12.3 s): Error: 3 packets lost',
    '    at somewhere',
    '  a-agent.log:',
    '    ok   other-row (1 s)',
    '--- agent-stopped-tunnel-ipv4: agents end',
    '    über die Leitung',
    'ok   agent-stopped-tunnel-ipv4 (9 s)',
    '',
  ].join('\n');
  for (const byte of new TextEncoder().encode(output)) watch.write(Uint8Array.of(byte));
  watch.end();
  expect(told).toEqual([
    'agent-killed-tunnel-ipv4: packets flow',
    'agent-killed-tunnel-ipv4 ended',
    'agent-stopped-tunnel-ipv4: über die Leitung',
    'agent-stopped-tunnel-ipv4 ended',
  ]);
});
