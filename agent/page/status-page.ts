import type { Clock, Timers } from '../ports.ts';
import type { RecentEvent } from '../runtime/status/recent-events.ts';
import type { StatusReport } from '../runtime/status/report.ts';
import { overview } from './overview.ts';
import { type PageFile, pageFiles } from './page-files.ts';

/** What a status page is made of. */
export interface StatusPageParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly version: string;
  /** The agent at this moment; undefined while none runs. */
  readonly report: () => StatusReport | undefined;
  /** The latest first. */
  readonly events: () => readonly RecentEvent[];
}

/** An answer to a browser. */
export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** All that is told until it is asked for anew, of one moment. */
interface Picture {
  readonly report: StatusReport | undefined;
  readonly overview: Uint8Array;
}

/**
 * Answers what a browser asks for below `/status`: the page's files, and what it shows. Everybody is told the same picture,
 * which is made when somebody asks and so rarely that it takes a hundredth of a processor, however many look; the page is
 * told when to ask again.
 */
export class StatusPage {
  readonly #parts: StatusPageParts;
  readonly #files: ReadonlyMap<string, PageFile> = pageFiles();
  #picture: Picture | undefined;

  constructor(parts: StatusPageParts) {
    this.#parts = parts;
  }

  /** Answers GET of a path with its query. */
  answer(url: string): PageAnswer {
    const { pathname, searchParams } = new URL(url, 'http://agent');
    const file = this.#files.get(pathname);
    if (file !== undefined) return told(200, file.contentType, file.text);
    switch (pathname) {
      case '/status':
        // Relative: whoever is in front of the agent may have a path of its own.
        return { ...told(308, 'text/plain', 'see status/\n'), headers: { ...HEADERS, location: 'status/' } };
      case '/status/overview.json':
        return told(200, 'application/json', this.#current().overview);
      case '/status/peer.json':
        return this.#peer(searchParams.get('name') ?? '');
      default:
        return told(404, 'text/plain', 'there is GET /status/\n');
    }
  }

  #peer(name: string): PageAnswer {
    const peer = this.#current().report?.peers.find((each) => each.name === name);
    const error = 'there is no peer of this name any more';
    return told(peer === undefined ? 404 : 200, 'application/json', JSON.stringify(peer ?? { error }));
  }

  #current(): Picture {
    if (this.#picture !== undefined) return this.#picture;
    const { clock, timers, version, report: ask, events } = this.#parts;
    const began = clock.monotonicMs();
    const report = ask();
    const text = JSON.stringify(overview(report, events(), { atMs: clock.wallMs(), version }));
    const tookMs = clock.monotonicMs() - began;
    const refreshMs = Math.round(Math.min(Math.max(SHORTEST_MS, tookMs * IDLE_SHARE), LONGEST_MS));
    this.#picture = { report, overview: new TextEncoder().encode(`{"refreshMs":${refreshMs},${text.slice(1)}`) };
    // Kept for as long as it counts only: at 1,000 peers it is some megabytes.
    timers.after(refreshMs, () => {
      this.#picture = undefined;
    });
    return this.#picture;
  }
}

function told(status: number, contentType: string, body: string | Uint8Array): PageAnswer {
  return { status, headers: { ...HEADERS, 'content-type': `${contentType}; charset=utf-8` }, body };
}

/** Nothing but the page's own files, no markup made by scripts, in nobody's frame, and nothing kept on a disk. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;
/** Making the picture takes one part of so many of the time. */
const IDLE_SHARE = 100;
const SHORTEST_MS = 2_000;
/** The first one, before the code is compiled, takes several times as long as those after it. */
const LONGEST_MS = 10_000;
