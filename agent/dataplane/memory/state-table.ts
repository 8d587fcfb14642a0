import type { SecretBytes } from '../../crypto/secret.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { IpsecMode, PolicyTemplate, SaId, SaLifetime, SaSpec, Selector } from '../types.ts';
import { compileSelector, type Flow, selectorMatches } from './packet.ts';
import { ReplayWindow } from './replay-window.ts';

/** An SA in the table, or a larval one: the trace of an ACQUIRE that nobody has answered. */
export interface TableState {
  /** The SPI of a larval state is that of the template, often 0. */
  readonly id: SaId;
  readonly source: IpAddress;
  readonly direction: 'in' | 'out' | 'any';
  readonly mode: IpsecMode;
  readonly reqid: number;
  readonly esn: boolean;
  readonly replayWindow: number;
  udpEncapsulation: SaSpec['udpEncapsulation'];
  /** The last change of the peer's mapping that was told; the kernel bounds how often the same port is. */
  mappingTold: { readonly sourcePort: number; readonly atSeconds: number } | undefined;
  readonly selector: Selector | undefined;
  readonly lifetime: SaLifetime;
  readonly mark: SaSpec['mark'];
  readonly ifId: number;
  readonly larval: boolean;
  /** Stands for keys and algorithms, without telling them. */
  readonly fingerprint: number;
  /** Clock of the table, milliseconds. */
  readonly addedAtMs: number;
  /** Seconds since the epoch. */
  readonly addedAt: number;
  usedAt: number;
  packets: number;
  bytes: number;
  integrityFailures: number;
  /** Soft-expired: others are preferred to it. */
  dying: boolean;
  /** Last sequence number sent. */
  sequence: number;
  readonly replay: ReplayWindow;
}

/** The outer addresses of a packet that a template asks for. */
export interface Endpoints {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

/** What the table has for a template. */
export type StateChoice =
  | { readonly kind: 'state'; readonly state: TableState }
  /** A larval state stands for an ACQUIRE under way. */
  | { readonly kind: 'acquiring' }
  /** The pinned SPI exists, but is not an SA that the template may use. */
  | { readonly kind: 'unusablePin' }
  | { readonly kind: 'none' };

/** The security association database of ESP: xfrm_state_find and xfrm_state_lookup of net/xfrm/xfrm_state.c. */
export class StateTable {
  /** Those that have an SPI. */
  readonly #bySpi = new Map<number, readonly TableState[]>();
  /** Newest first, the order in which the kernel looks. */
  readonly #byReqid = new Map<number, readonly TableState[]>();
  /** All of them; undefined after a change until somebody asks. */
  #all: readonly TableState[] | undefined;

  all(): readonly TableState[] {
    this.#all ??= [...this.#byReqid.values()].flat();
    return this.#all;
  }

  find(id: SaId): TableState | undefined {
    return this.#bySpi.get(id.spi)?.find((state) => state.id.destination === id.destination);
  }

  /**
   * NEWSA; false where the destination has that SPI already, a larval state included. Ends the search of a larval
   * state without an SPI for the same path.
   */
  add(state: TableState): boolean {
    const { id, reqid } = state;
    if (id.spi !== 0) {
      if (this.find(id) !== undefined) return false;
      this.#bySpi.set(id.spi, before(state, this.#bySpi.get(id.spi)));
    }
    const others = this.#byReqid.get(reqid);
    const answered = state.larval ? undefined : others?.find((other) => isAnsweredBy(other, state));
    this.#byReqid.set(reqid, before(state, answered === undefined ? others : without(others ?? [], answered)));
    this.#all = undefined;
    return true;
  }

  remove(state: TableState): void {
    removeFrom(this.#bySpi, state.id.spi, state);
    removeFrom(this.#byReqid, state.reqid, state);
    this.#all = undefined;
  }

  /**
   * The SA for an outbound packet: not dying before dying, then the newest by the second. Among those of one second it
   * is the last added here; in Linux the order turns round whenever the hash table grows, so do not build on it.
   */
  choose(template: PolicyTemplate, endpoints: Endpoints, flow: Flow): StateChoice {
    let best: TableState | undefined;
    let acquiring = false;
    for (const state of this.#byReqid.get(template.reqid) ?? []) {
      if (!isOnPath(state, endpoints.source, endpoints.destination) || !servesTemplate(state, template, flow)) continue;
      if (state.larval) {
        if (best === undefined) acquiring = true;
      } else if (state.selector === undefined || selectorMatches(compileSelector(state.selector), flow)) {
        if (best === undefined || isPreferred(state, best)) best = state;
      }
    }
    if (best !== undefined) return { kind: 'state', state: best };
    if (acquiring) return { kind: 'acquiring' };
    const pinned = template.spi !== 0 && this.find({ destination: endpoints.destination, spi: template.spi });
    return { kind: pinned ? 'unusablePin' : 'none' };
  }
}

/** The table's form of an SA. Its keys are read once, for the fingerprint. */
export function stateOf(sa: SaSpec, addedAtMs: number, addedAt: number): TableState {
  return {
    id: sa.id,
    source: sa.source,
    direction: sa.direction,
    mode: sa.mode,
    reqid: sa.reqid,
    esn: sa.esn,
    replayWindow: sa.direction === 'in' ? sa.replayWindow : 0,
    udpEncapsulation: sa.udpEncapsulation,
    mappingTold: undefined,
    selector: sa.selector,
    lifetime: sa.lifetime,
    mark: sa.mark,
    ifId: sa.ifId ?? 0,
    larval: false,
    fingerprint: fingerprintOf(sa),
    addedAtMs,
    addedAt,
    usedAt: 0,
    packets: 0,
    bytes: 0,
    integrityFailures: 0,
    dying: false,
    sequence: 0,
    // What is sent on is received on by nobody.
    replay: sa.direction === 'out' ? NO_WINDOW : new ReplayWindow(sa.replayWindow, sa.esn),
  };
}

/** The larval state that an ACQUIRE leaves behind. */
export function larvalState(
  template: PolicyTemplate,
  endpoints: Endpoints,
  hardSeconds: number,
  addedAtMs: number,
  addedAt: number,
): TableState {
  return {
    id: { destination: endpoints.destination, spi: template.spi },
    source: endpoints.source,
    direction: 'any',
    mode: template.mode,
    reqid: template.reqid,
    esn: false,
    replayWindow: 0,
    udpEncapsulation: undefined,
    mappingTold: undefined,
    selector: undefined,
    lifetime: { hardSeconds },
    mark: undefined,
    ifId: 0,
    larval: true,
    fingerprint: 0,
    addedAtMs,
    addedAt,
    usedAt: 0,
    packets: 0,
    bytes: 0,
    integrityFailures: 0,
    dying: false,
    sequence: 0,
    replay: NO_WINDOW,
  };
}

function servesTemplate(state: TableState, template: PolicyTemplate, flow: Flow): boolean {
  const { mark } = state;
  return (
    state.mode === template.mode &&
    (template.spi === 0 || state.id.spi === template.spi) &&
    state.direction !== 'in' &&
    state.ifId === 0 &&
    (mark === undefined || ((flow.packet.mark ?? 0) & mark.mask) === mark.value)
  );
}

function isPreferred(state: TableState, best: TableState): boolean {
  if (state.dying !== best.dying) return best.dying;
  return state.addedAt > best.addedAt;
}

function isAnsweredBy(larval: TableState, state: TableState): boolean {
  return (
    larval.larval &&
    larval.id.spi === 0 &&
    larval.mode === state.mode &&
    larval.ifId === state.ifId &&
    isOnPath(larval, state.source, state.id.destination)
  );
}

function isOnPath(state: TableState, source: IpAddress, destination: IpAddress): boolean {
  return state.source === source && state.id.destination === destination;
}

/** Most keys have one state. */
function before(state: TableState, others: readonly TableState[] | undefined): readonly TableState[] {
  return others === undefined ? [state] : [state, ...others];
}

function removeFrom(index: Map<number, readonly TableState[]>, key: number, state: TableState): void {
  const rest = without(index.get(key) ?? [], state);
  if (rest.length === 0) index.delete(key);
  else index.set(key, rest);
}

function without(states: readonly TableState[], unwanted: TableState): readonly TableState[] {
  return states.filter((state) => state !== unwanted);
}

/** 52 bits: of the encryption key's hash all 32, of the integrity key's the upper 20. */
function fingerprintOf({ algorithms, esn, encryptionKey, integrityKey }: SaSpec): number {
  const { encryption, keyBits, integrity } = algorithms;
  const first = hashed(hashed(hashed(FNV_START, encryption), keyBits), Number(esn));
  return hashOf(encryptionKey, first) * 2 ** 20 + (hashOf(integrityKey, hashed(FNV_START, integrity)) >>> 12);
}

/** FNV-1a. It tells equal keys from different ones in a simulation and is no protection of anything. */
function hashOf(key: SecretBytes, start: number): number {
  return key.use((bytes) => {
    let hash = start;
    for (const byte of bytes) hash = hashed(hash, byte);
    return hash >>> 0;
  });
}

function hashed(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193);
}

const FNV_START = 0x811c9dc5;

const NO_WINDOW = new ReplayWindow(0, false);
