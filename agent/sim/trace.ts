import type { DataplaneCommand, DataplaneEvent } from '../dataplane/types.ts';
import type { Fact } from '../ike/fact.ts';
import { trafficText } from '../ike/negotiation/traffic.ts';
import { decodeHeader } from '../wire/header.ts';
import { nameOf } from '../wire/name-of.ts';

/** What a trace is made of. */
export type TraceEntry =
  | {
      readonly kind: 'sent' | 'arrived' | 'lost';
      readonly node: string;
      readonly to: string;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'command'; readonly node: string; readonly command: DataplaneCommand; readonly refused: string }
  | { readonly kind: 'event'; readonly node: string; readonly event: DataplaneEvent }
  | { readonly kind: 'fact'; readonly node: string; readonly fact: Fact }
  | { readonly kind: 'note'; readonly node: string; readonly text: string };

/**
 * What happened: the last entries, to be read by people after a failure, and a hash over all messages and facts, by
 * which two runs are compared. Entries become text only when somebody wants to read them.
 */
export class Trace {
  readonly #entries: { readonly atMs: number; readonly entry: TraceEntry }[] = [];
  readonly #print: ((line: string) => void) | undefined;
  #hash = 0x811c9dc5;
  #count = 0;

  /** With `print`, every entry is written as it comes. */
  constructor(print: ((line: string) => void) | undefined) {
    this.#print = print;
  }

  add(atMs: number, entry: TraceEntry): void {
    const stored = { atMs, entry };
    if (this.#print !== undefined) this.#print(lineOf(stored));
    this.#entries[this.#count % KEPT_ENTRIES] = stored;
    this.#count += 1;
    if (entry.kind === 'sent') {
      this.#mix(atMs);
      for (const byte of entry.bytes) this.#mix(byte);
    } else if (entry.kind === 'fact') {
      const { kind } = entry.fact;
      this.#mix(kind.length * 256 + kind.charCodeAt(0));
    }
  }

  /** Equal for runs in which the same messages and facts came at the same times. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** The last entries, a line each, oldest first. */
  lines(): readonly string[] {
    const start = this.#count % KEPT_ENTRIES;
    return [...this.#entries.slice(start), ...this.#entries.slice(0, start)].map(lineOf);
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193);
  }
}

function lineOf({ atMs, entry }: { readonly atMs: number; readonly entry: TraceEntry }): string {
  const time = `${(atMs / 1_000).toFixed(3)}`.padStart(9);
  return `${time}  ${entry.node.padEnd(8)} ${textOf(entry)}`;
}

function textOf(entry: TraceEntry): string {
  switch (entry.kind) {
    case 'sent':
      return `--> ${entry.to}  ${datagramText(entry.bytes)}`;
    case 'arrived':
      return `<-- ${entry.to}  ${datagramText(entry.bytes)}`;
    case 'lost':
      return `-/- ${entry.to}  ${datagramText(entry.bytes)}`;
    case 'command':
      return `kernel: ${commandText(entry.command)}${entry.refused === '' ? '' : `  REFUSED: ${entry.refused}`}`;
    case 'event':
      return `kernel says ${eventText(entry.event)}`;
    case 'fact':
      return `fact ${factText(entry.fact)}`;
    case 'note':
      return `*** ${entry.text}`;
  }
}

function datagramText(bytes: Uint8Array): string {
  const header = decodeHeader(bytes);
  if (!header.ok) return `${bytes.length} bytes that are no IKE message`;
  const { exchangeType, flags, messageId, initiatorSpi, responderSpi } = header.value;
  const role = `${flags.response ? 'response' : 'request'} ${messageId} of the ${flags.initiator ? 'initiator' : 'responder'}`;
  return `${nameOf('exchange', exchangeType)} ${role}, SPIs ${initiatorSpi} ${responderSpi}, ${bytes.length} bytes`;
}

function commandText(command: DataplaneCommand): string {
  switch (command.kind) {
    case 'addSa': {
      const { id, direction, mode, reqid } = command.sa;
      return `add ${direction} SA ${hex(id.spi)} to ${id.destination}, ${mode}, reqid ${hex(reqid)}`;
    }
    case 'deleteSa':
      return `delete SA ${hex(command.id.spi)} to ${command.id.destination}`;
    case 'updateEncapsulation': {
      const { sourcePort, destinationPort } = command.udpEncapsulation;
      return `SA ${hex(command.id.spi)} to ${command.id.destination} from port ${sourcePort} to ${destinationPort}`;
    }
    case 'awaitSa':
    case 'forgetSa': {
      const order = command.kind === 'awaitSa' ? 'keep' : 'forget';
      return `${order} what comes early for SA ${hex(command.id.spi)} to ${command.id.destination}`;
    }
    case 'queryCounters':
      return `count SA ${hex(command.id.spi)} to ${command.id.destination}`;
    case 'putPolicy': {
      const { direction, selector, template } = command.policy;
      const demand =
        template === undefined ? 'in plaintext' : `${template.level} ${template.mode}, SPI ${hex(template.spi)}`;
      return `put ${direction} policy ${selectorText(selector)}: ${demand}`;
    }
    case 'deletePolicy':
      return `delete ${command.key.direction} policy ${selectorText(command.key.selector)}`;
  }
}

function eventText(event: DataplaneEvent): string {
  switch (event.kind) {
    case 'expire':
      return `SA ${hex(event.id.spi)} to ${event.id.destination} reached its ${event.hard ? 'hard' : 'soft'} limit`;
    case 'acquire':
      return `a packet waits for an SA, reqid ${hex(event.reqid)}`;
    case 'mapping':
      return `SA ${hex(event.id.spi)} receives from another port`;
    case 'counters':
      return `SA ${hex(event.id.spi)} counted ${event.packets} packets`;
    case 'removed':
      return `somebody deleted SA ${hex(event.id.spi)} to ${event.id.destination}`;
    case 'survey':
      return 'what there is was looked at';
    case 'resync':
      return 'events were lost';
  }
}

function factText(fact: Fact): string {
  const { kind, ...rest } = fact;
  return `${kind} ${JSON.stringify(rest, (key, value) => (key === 'traffic' ? trafficText(value) : value))}`;
}

function selectorText(selector: Extract<DataplaneCommand, { kind: 'deletePolicy' }>['key']['selector']): string {
  const { source, destination, protocol } = selector;
  const what = protocol === 0 ? '' : ` protocol ${protocol}`;
  return `${source.address}/${source.length} to ${destination.address}/${destination.length}${what}`;
}

function hex(number: number): string {
  return number.toString(16).padStart(8, '0');
}

/** A handshake with everything around it takes some forty entries. */
const KEPT_ENTRIES = 400;
