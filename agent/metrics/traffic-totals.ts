import type { ChildSaReport, PeerReport, SaReport } from '../runtime/status/report.ts';

/** Bytes and packets. */
export interface Volume {
  readonly bytes: number;
  readonly packets: number;
}

/** What passed in both directions. */
export interface Traffic {
  readonly in: Volume;
  readonly out: Volume;
}

/** What passed by the Child SAs of one name with one peer. */
export interface ChildTraffic extends Traffic {
  readonly peer: string;
  readonly child: string;
}

/**
 * Adds up the kernel's counters over the SAs that follow one another: those of an SA begin at zero, a total must never
 * go back. Remembers the SAs and the peers of the last report only.
 */
export class TrafficTotals {
  #children: ReadonlyMap<string, ChildTraffic> = new Map();
  #seen: ReadonlyMap<string, Volume> = new Map();
  #total: Traffic = NO_TRAFFIC;

  /** Takes in what the kernel counts at this moment. */
  take(peers: readonly PeerReport[]): void {
    const seen = new Map<string, Volume>();
    const names = new Set(peers.map(({ name }) => name));
    // A peer that has no SA for a while keeps its totals.
    const children = new Map([...this.#children].filter(([, { peer }]) => names.has(peer)));
    for (const { name: peer, ikeSas } of peers) {
      for (const sa of ikeSas.flatMap((each) => each.children)) {
        const key = `${peer}\0${sa.name}`;
        const known = children.get(key) ?? { peer, child: sa.name, ...NO_TRAFFIC };
        const since = this.#since(sa, seen);
        children.set(key, { ...known, ...sum(known, since) });
        this.#total = sum(this.#total, since);
      }
    }
    this.#children = children;
    this.#seen = seen;
  }

  get total(): Traffic {
    return this.#total;
  }

  get children(): Iterable<ChildTraffic> {
    return this.#children.values();
  }

  /** What has passed by an SA since it was looked at last. */
  #since({ inbound, outbound }: ChildSaReport, seen: Map<string, Volume>): Traffic {
    const volume = (sa: SaReport): Volume => {
      const { bytes = 0, packets = 0 } = sa;
      const key = `${sa.destination} ${sa.spi}`;
      const before = this.#seen.get(key) ?? NOTHING;
      if (!sa.installed) return NOTHING;
      seen.set(key, { bytes, packets });
      // Fewer than before: another SA has come to have this SPI.
      return bytes < before.bytes || packets < before.packets
        ? { bytes, packets }
        : { bytes: bytes - before.bytes, packets: packets - before.packets };
    };
    return { in: volume(inbound), out: volume(outbound) };
  }
}

function sum(left: Traffic, right: Traffic): Traffic {
  return { in: added(left.in, right.in), out: added(left.out, right.out) };
}

function added(left: Volume, right: Volume): Volume {
  return { bytes: left.bytes + right.bytes, packets: left.packets + right.packets };
}

const NOTHING: Volume = { bytes: 0, packets: 0 };
const NO_TRAFFIC: Traffic = { in: NOTHING, out: NOTHING };
