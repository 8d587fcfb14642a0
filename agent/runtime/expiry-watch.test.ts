import { describe, expect, it } from 'vitest';

import type { Fact } from '../ike/fact.ts';
import type { WatchedCertificate } from './config/watched-certificate.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { TestWorld } from './testing/agents.ts';

const HOUR = 3_600_000;

function watching() {
  const world = new TestWorld();
  const facts: Fact[] = [];
  const watch = new ExpiryWatch({ clock: world.clock, timers: world.timers, report: (fact) => void facts.push(fact) });
  const at = world.clock.wallMs();
  const certificate = (fingerprint: string, lifeMs = 24 * HOUR): WatchedCertificate => ({
    kind: 'own',
    file: 'tls.crt',
    name: 'node-a',
    fingerprint,
    notBeforeMs: at,
    notAfterMs: at + lifeMs,
  });
  const left = () => facts.flatMap((fact) => (fact.kind === 'credentialEnding' ? [fact.leftMs / HOUR] : []));
  return { world, facts, watch, certificate, left };
}

describe('a certificate that ends', () => {
  it('is told of when a quarter of its life is left, ever more often, and once it has ended', () => {
    const { world, watch, certificate, left } = watching();
    watch.watch([certificate('one')]);
    world.pass(17.9 * HOUR);
    expect(left()).toEqual([]);
    world.pass(0.2 * HOUR);
    expect(left()).toHaveLength(1);
    world.pass(40 * HOUR);
    const [quarter = 0, eighth = 0, sixteenth = 0, last = 0, ended = 1] = left();
    expect([quarter, eighth, sixteenth, last].map((hours) => Math.round(hours * 100) / 100)).toEqual([6, 3, 1.5, 0.75]);
    expect(ended).toBeLessThanOrEqual(0);
    expect(left()).toHaveLength(5);
  });

  it('is not told of any more once another one has come in its place, which is reported', () => {
    const { world, watch, certificate, left, facts } = watching();
    watch.watch([certificate('one')]);
    world.pass(18.5 * HOUR);
    watch.watch([certificate('two', 48 * HOUR)]);
    world.pass(6 * HOUR);
    expect(left()).toHaveLength(1);
    expect(facts.filter(({ kind }) => kind === 'credentialTaken')).toHaveLength(2);
  });

  it('is told of at once, and once, where it has ended long ago, and where two files have the same', () => {
    const { world, watch, certificate, left } = watching();
    world.pass(100 * HOUR);
    watch.watch([certificate('one'), { ...certificate('one'), file: 'copy.crt' }]);
    expect(left()).toEqual([-76]);
    world.pass(100 * HOUR);
    expect(left()).toHaveLength(1);
  });

  it('leaves no timer behind when the watch is stopped', () => {
    const { world, watch, certificate, left } = watching();
    watch.watch([certificate('one')]);
    watch.stop();
    world.pass(100 * HOUR);
    expect(left()).toEqual([]);
  });
});
