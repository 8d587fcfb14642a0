import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { chromiumProgram } from '../../hack/browser/chromium.ts';
import { ScrapeGate } from '../../operator/api/scrape-gate.ts';
import { MetricsServer } from '../metrics/metrics-server.ts';
import { createLog } from '../runtime/log/logger.ts';
import { RecentEvents } from '../runtime/status/recent-events.ts';
import type { PeerReport, StatusReport } from '../runtime/status/report.ts';
import { TestWorld } from '../runtime/testing/agents.ts';
import { StatusPage } from './status-page.ts';
import { nodeReport, peerReport, troubledPeers } from './testing/reports.ts';

const DESKTOP = { width: 1_280, height: 900 };
const PHONE = { width: 390, height: 844 };
const HOSTILE = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>&amp;`;

let browser: Browser | undefined;
let reason = '';
let world: TestWorld;
let server: MetricsServer;
let events: RecentEvents;
let report: StatusReport;
let page: Page | undefined;
/** What the browser complains of: errors of scripts, refusals of the policy, files that are missing. */
const complaints: string[] = [];

beforeAll(async () => {
  const program = await chromiumProgram(console.log);
  if (!program.ok) {
    reason = program.error;
    console.log(`skipped, because there is no browser: ${reason}`);
    return;
  }
  // As root it has no sandbox; what it is shown is ours.
  browser = await chromium.launch({ executablePath: program.value, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

beforeEach(async ({ skip }) => {
  if (browser === undefined) skip(`no browser: ${reason}`);
  world = new TestWorld();
  events = new RecentEvents(world.clock);
  report = nodeReport([]);
  complaints.length = 0;
  const { clock, timers } = world;
  const shown = new StatusPage({
    clock,
    timers,
    version: '0.1.0',
    report: () => report,
    events: () => events.latest(),
  });
  const gate = new ScrapeGate({ post: apiServer, fingerprint: (text) => text, nowMs: () => clock.monotonicMs() });
  server = new MetricsServer({
    listen: { address: '127.0.0.1', port: 0 },
    expose: async () => ({ contentType: 'text/plain', text: '' }),
    page: (url) => shown.answer(url),
    judge: (header, path) => gate.judge(header, path),
    timers,
    log: createLog('json', 'error', { write: (line) => void complaints.push(line) }, false),
  });
  for (let turn = 0; turn < 100_000 && server.port === undefined; turn += 1) await setImmediate();
});
afterEach(async () => {
  server?.close();
  await page?.context().close();
  page = undefined;
});

/** An API server that knows two tokens, of which one may get the page. */
async function apiServer(path: string, body: object): Promise<unknown> {
  const { spec } = body as { readonly spec: { readonly token?: string; readonly user?: string } };
  if (path.endsWith('/tokenreviews')) {
    const authenticated = spec.token === 'reader' || spec.token === 'other';
    return { status: { authenticated, user: { username: spec.token } } };
  }
  return { status: { allowed: spec.user === 'reader' } };
}

function address(): string {
  return `http://127.0.0.1:${server.port}/status/`;
}

async function open(options: BrowserContextOptions = {}): Promise<Page> {
  const httpCredentials = { username: 'me', password: 'reader' };
  const context = await browser?.newContext({ viewport: DESKTOP, httpCredentials, ...options });
  page = await context?.newPage();
  if (page === undefined) throw new Error('the browser has ended');
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return page;
}

/** The page, once it shows what the agent says. */
async function look(options: BrowserContextOptions = {}): Promise<Page> {
  const opened = await open(options);
  await opened.clock.install();
  await opened.goto(address());
  await opened.getByText(/^Live: /).waitFor();
  return opened;
}

/** The agent's picture and the page's patience end: what is the case now is asked for and shown. */
async function later(opened: Page): Promise<void> {
  world.pass(10_000);
  const answered = opened.waitForResponse(/overview[.]json/);
  await opened.clock.runFor(10_000);
  await answered;
}

function thousand(): readonly PeerReport[] {
  const proven = Array.from({ length: 996 }, (_, index) => peerReport(`node-${index + 1}`, {}, index + 1));
  return [...proven, ...troubledPeers()];
}

function few(): readonly PeerReport[] {
  return [peerReport('node-10'), peerReport('node-9'), ...troubledPeers()];
}

async function names(opened: Page): Promise<readonly string[]> {
  return opened.locator('#peer-table tbody th button').allTextContents();
}

describe('the status page in a browser', () => {
  it.each([
    ['desktop', 'light', DESKTOP, 'few'],
    ['desktop', 'dark', DESKTOP, 'few'],
    ['phone', 'light', PHONE, 'few'],
    ['phone', 'dark', PHONE, 'few'],
    ['desktop', 'light', DESKTOP, '1000'],
    ['desktop', 'dark', DESKTOP, '1000'],
    ['phone', 'light', PHONE, '1000'],
    ['phone', 'dark', PHONE, '1000'],
  ] as const)(
    'of a %s, %s (%o), with %s peers, can be read: worst first, nothing cut off, with contrast',
    async (device, colorScheme, viewport, size) => {
      report = nodeReport(size === 'few' ? few() : thousand(), { heldBack: ['tls.key: is not the key of tls.crt'] });
      noteSomething();
      const opened = await look({ viewport, colorScheme });
      const shown = await names(opened);
      expect(shown.slice(0, 6)).toEqual([
        'no-answer',
        'being-negotiated',
        'not-arriving',
        'peer-silent',
        ...(size === 'few' ? ['node-9', 'node-10'] : ['node-1', 'node-2']),
      ]);
      expect(shown).toHaveLength(size === 'few' ? 6 : 100);
      const [first] = await opened.locator('#peer-table tbody tr').all();
      expect(await first?.textContent()).toMatch(
        /down\s*NotEstablished\s*there is no IKE SA: no answer from 10[.]9[.]0[.]1: is it running/,
      );
      await opened.getByRole('button', { name: 'not-arriving' }).click();
      await opened.getByRole('heading', { name: 'Child SA hosts: installed' }).waitFor();
      await keep(opened, `${device}-${colorScheme}-${size}`);
      expect(await opened.evaluate(overflow)).toEqual([]);
      expect(await opened.evaluate(faintTexts)).toEqual([]);
      const backdrop = await opened.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(backdrop).toBe(colorScheme === 'light' ? 'rgb(251, 251, 252)' : 'rgb(19, 21, 24)');
      expect(complaints).toEqual([]);
    },
  );

  it('follows a change of state by itself, tells the event, and leaves the focus where it is', async () => {
    report = nodeReport([peerReport('node-1'), peerReport('node-2'), peerReport('node-3')]);
    const opened = await look();
    expect(await names(opened)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(await opened.getByRole('table', { name: /lately/ }).textContent()).toContain('nothing yet');
    await opened.getByRole('button', { name: 'node-3' }).focus();
    const [worse] = troubledPeers().slice(-1);
    report = nodeReport([peerReport('node-1'), peerReport('node-2'), { ...worse, name: 'node-3' } as PeerReport]);
    noteSomething('node-3');
    await later(opened);
    await opened.getByText('NotEstablished').waitFor();
    expect(await names(opened)).toEqual(['node-3', 'node-1', 'node-2']);
    expect(await opened.evaluate(() => document.activeElement?.textContent)).toBe('node-3');
    expect(await opened.locator('#announcement').textContent()).toBe('1 of 3 peers are in trouble');
    const told = await opened.getByRole('table', { name: /lately/ }).textContent();
    expect(told).toMatch(/node-3LostpeerDead: the peer no longer answers; is it running/);
    expect(told).not.toContain('nothing yet');
    expect(complaints).toEqual([]);
  });

  it('counts a peer for which the first packet makes SAs as idle, and not as one in trouble', async () => {
    const idle = { state: 'idle', reason: 'WaitingForTraffic', ikeSas: [] } as const;
    report = nodeReport([peerReport('node-1'), peerReport('node-2', idle)]);
    const opened = await look();
    await opened.getByRole('button', { name: '0 in trouble' }).waitFor();
    await opened.getByRole('button', { name: '1 idle' }).click();
    expect(await names(opened)).toEqual(['node-2']);
  });

  it('finds one of a thousand peers, and shows more of them by and by', async () => {
    report = nodeReport(thousand());
    const opened = await look();
    await opened.getByRole('searchbox').fill('ESP protocol');
    expect(await names(opened)).toEqual(['not-arriving']);
    await opened.getByRole('searchbox').fill('NODE-77');
    expect(await names(opened)).toEqual(['node-77', ...Array.from({ length: 10 }, (_, index) => `node-77${index}`)]);
    expect(await opened.locator('#shown').textContent()).toBe('11 of 1,000 peers, what is worst first');
    await opened.getByRole('searchbox').fill('');
    await opened.getByRole('button', { name: '4 in trouble' }).click();
    expect(await names(opened)).toEqual(['no-answer', 'being-negotiated', 'not-arriving', 'peer-silent']);
    await opened.getByRole('button', { name: '1,000 peers' }).click();
    await opened.getByRole('button', { name: 'Show 100 more' }).click();
    expect(await names(opened)).toHaveLength(200);
  });

  it('shows as text whatever peers call themselves and send', async () => {
    report = nodeReport([peerReport(HOSTILE, { state: 'established', message: HOSTILE, remoteIdentity: HOSTILE })], {
      node: HOSTILE,
      heldBack: [HOSTILE],
    });
    noteSomething(HOSTILE);
    const opened = await look();
    expect(await names(opened)).toEqual([HOSTILE]);
    await opened.locator('#peer-table tbody button').click();
    await opened.getByText(`${HOSTILE} @ `).waitFor();
    expect(await opened.title()).toBe(`${HOSTILE} – ikemesh`);
    expect(await opened.locator('img, body script').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('lets no script in that is not its own, and no connection out', async () => {
    const opened = await look();
    const outcome = await opened.evaluate(async () => {
      const refused: string[] = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) =>
        refused.push(effectiveDirective),
      );
      try {
        document.body.innerHTML = '<b>markup</b>';
      } catch (error) {
        refused.push(String(error));
      }
      try {
        document.createElement('script').src = 'http://127.0.0.2:1/x.js';
      } catch (error) {
        refused.push(String(error));
      }
      await fetch('http://127.0.0.2:1/').catch(() => undefined);
      await new Promise((resolve) => requestAnimationFrame(resolve));
      return refused;
    });
    expect(outcome.join()).toMatch(/TrustedHTML.*TrustedScriptURL/);
    expect(outcome).toContain('connect-src');
  });

  it('is worked by keys alone: past the head, to a peer, and its SAs', async () => {
    report = nodeReport(few());
    const opened = await look();
    await opened.keyboard.press('Tab');
    await opened.keyboard.press('Enter');
    expect(await opened.evaluate(() => document.activeElement?.id)).toBe('peers');
    const seen: string[] = [];
    for (let count = 0; count < 12 && seen.at(-1) !== 'no-answer'; count += 1) {
      await opened.keyboard.press('Tab');
      seen.push((await opened.evaluate(() => document.activeElement?.textContent)) ?? '');
    }
    expect(seen.at(-1)).toBe('no-answer');
    await opened.keyboard.press('Enter');
    await opened.getByText('next attempt').waitFor();
    const button = opened.getByRole('button', { name: 'no-answer' });
    expect(await button.getAttribute('aria-expanded')).toBe('true');
    await opened.keyboard.press('Enter');
    expect(await button.getAttribute('aria-expanded')).toBe('false');
    expect(await opened.getByText('next attempt').count()).toBe(0);
    expect(await opened.getByRole('rowheader', { name: /no-answer/ }).count()).toBe(1);
    expect(await opened.getByRole('columnheader', { name: 'Peer' }).count()).toBe(2);
  });

  it('says when it is not live any more, and is again by itself', async () => {
    report = nodeReport(few());
    const opened = await look();
    let isAway = true;
    await opened.route(/overview[.]json/, (route) => (isAway ? route.abort() : route.continue()));
    await opened.clock.runFor(10_000);
    await opened
      .getByRole('alert')
      .getByText(/^Not live: the agent does not answer[.] What is shown is of /)
      .waitFor();
    expect(await names(opened)).toHaveLength(6);
    isAway = false;
    await later(opened);
    await opened.getByText(/^Live: /).waitFor();
    expect(await opened.getByRole('alert').isVisible()).toBe(false);
  });

  it('asks nothing while it is paused', async () => {
    report = nodeReport(few());
    const opened = await look();
    await opened.getByRole('button', { name: 'Pause' }).click();
    let asked = 0;
    opened.on('request', () => {
      asked += 1;
    });
    world.pass(60_000);
    await opened.clock.runFor(60_000);
    expect(asked).toBe(0);
    await opened.getByRole('button', { name: 'Pause' }).click();
    await opened.getByText(/^Live: /).waitFor();
    expect(asked).toBe(1);
  });

  it('is kept from whoever has no token, and from whom RBAC does not let get it', async () => {
    report = nodeReport(few());
    for (const [password, status] of [
      ['made-up', 401],
      ['other', 403],
      ['reader', 200],
    ] as const) {
      const opened = await open({ httpCredentials: { username: 'me', password } });
      for (const path of ['', 'page.js', 'overview.json', 'peer.json?name=no-answer'])
        expect((await opened.request.get(`${address()}${path}`)).status(), `${password} ${path}`).toBe(status);
      expect((await opened.goto(address()))?.status()).toBe(status);
      expect((await opened.content()).includes('peer-table')).toBe(status === 200);
      await opened.context().close();
    }
    const opened = await open();
    await opened.context().close();
    expect((await fetch(`${address()}overview.json`)).status).toBe(401);
  });
});

function noteSomething(connection = 'no-answer'): void {
  const { clock } = world;
  const ip = (text: string) => text as never;
  const path = { localAddress: ip('10.0.0.1'), localPort: 500, remoteAddress: ip('10.9.0.1'), remotePort: 500 };
  const suite = 'aes256gcm16-prfsha384-ecp384' as never;
  const spis = { initiatorSpi: '8fb1a2b3c4d5e6f7', responderSpi: '0011223344556677' };
  events.note({
    kind: 'ikeSaEstablished',
    connection,
    ikeSa: 1,
    role: 'initiator',
    path,
    ...spis,
    suite,
    handshakeMs: 12,
    renews: false,
  });
  clock.advance(1_000);
  events.note({
    kind: 'childSaRekeyed',
    connection: 'node-9',
    child: 'hosts',
    by: 'peer',
    replacedInboundSpi: 1,
    inboundSpi: 2,
  });
  clock.advance(1_000);
  events.note({ kind: 'ikeSaClosed', connection, ikeSa: 1, path, reason: 'peerDead', established: true });
}

/** What reaches beyond the window's right edge, or makes it scroll sideways. */
function overflow(): readonly string[] {
  const { clientWidth, scrollWidth } = document.documentElement;
  const wide = [...document.body.querySelectorAll<HTMLElement>('*:not(.unseen):not(.skip)')].filter((element) => {
    const { right, width } = element.getBoundingClientRect();
    return width > 0 && right > clientWidth + 1;
  });
  const found = wide.map(({ tagName, textContent }) => `${tagName}: ${(textContent ?? '').slice(0, 40)}`);
  return scrollWidth > clientWidth ? [`the page is ${scrollWidth} wide`, ...found] : found;
}

/** Texts whose contrast is less than WCAG 2.2 AA asks for (1.4.3: 4.5, or 3 where they are large). */
function faintTexts(): readonly string[] {
  const numbers = (color: string): readonly number[] => (color.match(/[0-9.]+/g) ?? []).map(Number);
  const luminance = (color: string): number => {
    const [red = 0, green = 0, blue = 0] = numbers(color).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backdrop = (element: Element | null): string => {
    if (element === null) return 'rgb(255, 255, 255)';
    const { backgroundColor } = getComputedStyle(element);
    return numbers(backgroundColor)[3] === 0 ? backdrop(element.parentElement) : backgroundColor;
  };
  const faint: string[] = [];
  let looked = 0;
  for (const element of document.body.querySelectorAll('*')) {
    const isText = [...element.childNodes].some(
      (node) => node.nodeType === 3 && (node.textContent ?? '').trim() !== '',
    );
    if (!isText || !element.checkVisibility()) continue;
    looked += 1;
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const [lower = 0, higher = 0] = [luminance(color), luminance(backdrop(element))].sort((one, other) => one - other);
    const contrast = (higher + 0.05) / (lower + 0.05);
    const pixels = Number.parseFloat(fontSize);
    const isLarge = pixels >= 24 || (pixels >= 18.66 && Number(fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${contrast.toFixed(2)} ${element.tagName} ${element.textContent}`);
  }
  return looked > 30 ? faint : [`only ${looked} texts`];
}

/** For people to look at, where they want to. */
async function keep(opened: Page, name: string): Promise<void> {
  const { IKEMESH_SCREENSHOTS: folder } = process.env;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await opened.screenshot({ path: join(folder, `${name}.png`) });
  if (!name.includes('1000')) await opened.screenshot({ path: join(folder, `${name}-whole.png`), fullPage: true });
}
