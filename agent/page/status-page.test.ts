import { describe, expect, it } from 'vitest';

import type { StatusReport } from '../runtime/status/report.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import { StatusPage } from './status-page.ts';
import { nodeReport, peerReport } from './testing/reports.ts';

/** A page in virtual time, whose agent takes `tookMs` to report. */
function bench(report: StatusReport = nodeReport([peerReport('node-b')]), tookMs = 0) {
  const world = new TestWorld();
  const made = { times: 0 };
  const page = new StatusPage({
    clock: world.clock,
    timers: world.timers,
    version: '0.1.0',
    report: () => {
      made.times += 1;
      world.clock.advance(tookMs);
      return report;
    },
    events: () => [],
  });
  return { world, page, made };
}

function body(page: StatusPage, url: string): unknown {
  return JSON.parse(Buffer.from(page.answer(url).body).toString());
}

describe('the status page', () => {
  it('is made of files that load nothing from elsewhere', () => {
    const { page } = bench();
    for (const [path, type] of [
      ['/status/', 'text/html'],
      ['/status/page.css', 'text/css'],
      ['/status/page.js', 'text/javascript'],
      ['/status/icon.svg', 'image/svg+xml'],
    ] as const) {
      const { status, headers, body: text } = page.answer(path);
      expect([status, headers['content-type']], path).toEqual([200, `${type}; charset=utf-8`]);
      expect(String(text).replaceAll('http://www.w3.org/2000/svg', ''), path).not.toMatch(/(https?:)?[/][/]\w/);
    }
    for (const path of ['/status/../metrics', '/status/page.css/', '/status/x', '/status//page.js'])
      expect(page.answer(path).status, path).toBe(404);
    expect(page.answer('/status')).toMatchObject({ status: 308, headers: { location: 'status/' } });
  });

  it('lets a browser do nothing but show it, whatever the answer is', () => {
    const { page } = bench();
    for (const path of ['/status', '/status/', '/status/overview.json', '/status/peer.json?name=x', '/status/x']) {
      const { headers } = page.answer(path);
      expect(headers['content-security-policy'], path).toMatch(
        /^default-src 'none'; script-src 'self'.*frame-ancestors 'none'; require-trusted-types-for 'script'/,
      );
      expect(headers, path).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    }
  });

  it('tells the SAs of a peer by its name, whatever that is, and that there is none', () => {
    const name = '<b>&"/?#é';
    const { page } = bench(nodeReport([peerReport('node-b'), peerReport(name)]));
    expect(body(page, `/status/peer.json?name=${encodeURIComponent(name)}`)).toMatchObject({ name });
    expect(page.answer('/status/peer.json?name=gone').status).toBe(404);
    expect(page.answer('/status/peer.json').status).toBe(404);
  });

  it('makes one picture for all who look, and another only after it has said so', () => {
    const { world, page, made } = bench();
    for (let count = 0; count < 50; count += 1) page.answer('/status/overview.json');
    page.answer('/status/peer.json?name=node-b');
    expect(made.times).toBe(1);
    expect(body(page, '/status/overview.json')).toMatchObject({ refreshMs: 2_000, node: 'node-a' });
    world.pass(2_000);
    page.answer('/status/overview.json');
    expect(made.times).toBe(2);
    // Nobody asks: nothing is made.
    world.pass(60_000);
    expect(made.times).toBe(2);
  });

  it.each([
    [10, 2_000],
    [50, 5_000],
    [2_000, 10_000],
  ])('is made so rarely, where it takes %i ms, that it is asked for after %i ms', (tookMs, refreshMs) => {
    const { page } = bench(nodeReport([]), tookMs);
    expect(body(page, '/status/overview.json')).toMatchObject({ refreshMs });
  });
});
