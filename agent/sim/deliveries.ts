import type { EspPacket } from '../dataplane/memory/packet.ts';

/** What became of the packets that were sent on an SA. Times are the clock's. */
export interface SaDeliveries {
  /** How many the receiver's kernel has taken. */
  readonly taken: number;
  /** When those were sent that the way or a NAT did not let pass, whatever the chances, since one that the receiver took. */
  readonly filteredAtMs: readonly number[];
}

/** What happened to ESP packets on their way: what agents say of it is compared with this. */
export class Deliveries {
  readonly #sas = new Map<string, Tally>();
  readonly #replayed = new Map<string, number>();

  noteSent(receiver: number, packet: EspPacket, atMs: number): void {
    this.#tally(receiver, packet.spi).sentAtMs.set(packet.authenticator.sequence, atMs);
  }

  /** The way has not let it pass, or its NAT has not let it in. */
  noteFiltered(receiver: number, { spi, authenticator }: EspPacket): void {
    const tally = this.#tally(receiver, spi);
    tally.filteredAtMs.push(tally.sentAtMs.get(authenticator.sequence) ?? 0);
    if (tally.filteredAtMs.length > MOST_FILTERED) tally.filteredAtMs.shift();
  }

  /** The receiver's SA has taken it, whatever its policies then said. */
  noteTaken(receiver: number, { spi, authenticator }: EspPacket, atMs: number): void {
    const tally = this.#tally(receiver, spi);
    tally.taken += 1;
    tally.recent.push({ sentAtMs: tally.sentAtMs.get(authenticator.sequence) ?? 0, takenAtMs: atMs });
    while ((tally.recent[0]?.takenAtMs ?? atMs) < atMs - LONGEST_AGO_MS) {
      tally.lastEarlierSentAtMs = Math.max(tally.lastEarlierSentAtMs, tally.recent.shift()?.sentAtMs ?? 0);
    }
  }

  /** Somebody has sent an old packet once more. */
  noteReplayed(receiver: number, { spi }: EspPacket): void {
    this.#replayed.set(key(receiver, spi), this.replayed(receiver, spi) + 1);
  }

  /** How many old packets have come once more for an SA. */
  replayed(receiver: number, spi: number): number {
    return this.#replayed.get(key(receiver, spi)) ?? 0;
  }

  /** What has become of the packets on an SA of a receiver; of those that it took, by an instant some seconds ago. */
  of(receiver: number, spi: number, byMs: number): SaDeliveries {
    const tally = this.#sas.get(key(receiver, spi));
    if (tally === undefined) return NOTHING;
    const { taken, recent, filteredAtMs, lastEarlierSentAtMs } = tally;
    let lastSentAtMs = lastEarlierSentAtMs;
    for (const { sentAtMs, takenAtMs } of recent) {
      if (takenAtMs <= byMs) lastSentAtMs = Math.max(lastSentAtMs, sentAtMs);
    }
    return { taken, filteredAtMs: filteredAtMs.filter((atMs) => atMs > lastSentAtMs) };
  }

  #tally(receiver: number, spi: number): Tally {
    const known = this.#sas.get(key(receiver, spi));
    if (known !== undefined) return known;
    const tally: Tally = {
      sentAtMs: new Map(),
      filteredAtMs: [],
      recent: [],
      taken: 0,
      lastEarlierSentAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#sas.set(key(receiver, spi), tally);
    return tally;
  }
}

interface Tally {
  /** By full sequence number. */
  readonly sentAtMs: Map<number, number>;
  readonly filteredAtMs: number[];
  /** Of what was taken, the last for as long as anybody asks about. */
  readonly recent: { readonly sentAtMs: number; readonly takenAtMs: number }[];
  taken: number;
  /** When the last one was sent that was taken before those. */
  lastEarlierSentAtMs: number;
}

function key(receiver: number, spi: number): string {
  return `${receiver} ${spi}`;
}

const NOTHING: SaDeliveries = { taken: 0, filteredAtMs: [] };
const MOST_FILTERED = 100;
const LONGEST_AGO_MS = 20_000;
