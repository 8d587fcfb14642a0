import type { InstalledSa } from '../../dataplane/types.ts';
import type { ProbeTarget } from './probe-plan.ts';

/** How many packets an SA has counted meanwhile. */
export interface SaCount {
  /** Hexadecimal. */
  readonly spi: string;
  readonly packets: number;
}

/** What the kernel's SAs with each target have counted since the first look; SAs may come and go meanwhile. */
export class SaCounts {
  readonly #targets: readonly ProbeTarget[];
  readonly #seen = new Map<string, { readonly sa: InstalledSa; readonly first: number; last: number }>();
  #looked = false;

  constructor(targets: readonly ProbeTarget[]) {
    this.#targets = targets;
  }

  look(sas: readonly InstalledSa[]): void {
    const wanted = new Set(this.#targets.flatMap(({ reqids }) => reqids));
    for (const sa of sas) {
      if (!wanted.has(sa.reqid)) continue;
      const key = `${sa.id.destination} ${sa.id.spi}`;
      const seen = this.#seen.get(key);
      // One that comes later has counted nothing before.
      if (seen === undefined) this.#seen.set(key, { sa, first: this.#looked ? 0 : sa.packets, last: sa.packets });
      else seen.last = Math.max(seen.last, sa.packets);
    }
    this.#looked = true;
  }

  of({ reqids, outerRemote }: ProbeTarget): {
    readonly outbound: readonly SaCount[];
    readonly inbound: readonly SaCount[];
  } {
    const own = [...this.#seen.values()].filter(({ sa }) => reqids.includes(sa.reqid));
    const counts = (all: typeof own) =>
      all.map(({ sa, first, last }) => ({ spi: sa.id.spi.toString(16).padStart(8, '0'), packets: last - first }));
    return {
      outbound: counts(own.filter(({ sa }) => sa.id.destination === outerRemote)),
      inbound: counts(own.filter(({ sa }) => sa.source === outerRemote)),
    };
  }
}
