import type { ChildSa, IkeSa } from '../ike-daemon/ike-daemon.ts';
import type { StateDump } from '../xfrm/xfrm-dump.ts';
import { suiteOf } from './proposal.ts';

/** Where pluto's SAs show. */
export interface PlutoSources {
  /** What `ipsec whack --showstates` prints: which SAs there are. */
  readonly states: string;
  /** Pluto's log: what was agreed on, which is nowhere else as complete. */
  readonly log: string;
  /** The kernel's SAs, for the counters; pluto counts bytes only. */
  readonly kernel: readonly StateDump[];
}

/** All SAs of a pluto, the oldest first. */
export function listPlutoSas(sources: PlutoSources): readonly IkeSa[] {
  const listed = listedStates(sources.states);
  const children = listed.filter((state) => state.spis !== undefined || state.ikeSa !== undefined);
  return listed
    .filter((state) => !children.includes(state))
    .map((state) => ({
      name: state.name,
      uniqueId: `${state.number}`,
      state: state.word === 'ESTABLISHED_IKE_SA' ? 'ESTABLISHED' : state.word,
      suite: ikeSuite(sources.log, state.number),
      children: children.filter((child) => child.ikeSa === state.number).map((child) => childSa(child, sources)),
    }));
}

interface ListedState {
  readonly number: number;
  readonly name: string;
  /** Such as ESTABLISHED_CHILD_SA. */
  readonly word: string;
  /** The IKE SA of a Child SA. */
  readonly ikeSa?: number;
  readonly spis?: { readonly out: string; readonly in: string };
}

/** A state is one line; an established Child SA has a second one with its SPIs, the peer's first (`esp:` in IPv6). */
function listedStates(text: string): readonly ListedState[] {
  const states = new Map<number, ListedState>();
  for (const line of text.split('\n')) {
    const [, digits, name = '', rest = ''] = /^#(\d+): "([^"]+)"(.*)$/.exec(line) ?? [];
    if (digits === undefined) continue;
    const number = Number(digits);
    const word = /^(?:\[\d+\] \S+?)?:\d+ ([A-Z]\w+)/.exec(rest)?.[1];
    const ikeSa = /; IKE SA #(\d+);/.exec(rest)?.[1];
    const [, out, inbound] = / esp[.:]([0-9a-f]+)@\S+ esp[.:]([0-9a-f]+)@/.exec(rest) ?? [];
    states.set(number, {
      ...(states.get(number) ?? { number, name, word: '' }),
      ...(word === undefined ? {} : { word }),
      ...(ikeSa === undefined ? {} : { ikeSa: Number(ikeSa) }),
      ...(out === undefined || inbound === undefined ? {} : { spis: { out: spiText(out), in: spiText(inbound) } }),
    });
  }
  return [...states.values()].sort((one, other) => one.number - other.number);
}

function childSa(state: ListedState, sources: PlutoSources): ChildSa {
  const { number, name, word } = state;
  const [spiIn, spiOut] = [state.spis?.in ?? '', state.spis?.out ?? ''];
  const agreed = agreement(sources.log, number);
  const packets = (spi: string) => sources.kernel.find((each) => spiText(each.spi.toString(16)) === spi)?.packets ?? 0;
  return {
    name,
    uniqueId: `${number}`,
    state: word === 'ESTABLISHED_CHILD_SA' ? 'INSTALLED' : word,
    spiIn,
    spiOut,
    packetsIn: packets(spiIn),
    packetsOut: packets(spiOut),
    ...agreed,
  };
}

/**
 * What was agreed on for a Child SA, from a line such as `"data" #2: initiator established Child SA using #1; IPsec
 * tunnel [192.0.2.0/24===198.51.100.0/24] {ESPinUDP/ESN=>0xde3d52d1 <0xc6b61c5c xfrm=AES_GCM_16_256-NONE …}`.
 */
function agreement(
  log: string,
  number: number,
): Pick<ChildSa, 'mode' | 'encapsulated' | 'suite' | 'localSelectors' | 'remoteSelectors'> {
  const pattern = new RegExp(
    `#${number}: .*; IPsec (\\w+) \\[(\\S+?)===(\\S+?)\\] \\{(\\S+?)=>\\S+ <\\S+ xfrm=(\\S+)`,
    'g',
  );
  const [, mode = '', local = '', remote = '', protocol = '', transforms = ''] =
    [...log.matchAll(pattern)].at(-1) ?? [];
  const [cipher = '', integrity = ''] = transforms.split('-');
  return {
    mode: mode === 'tunnel' ? 'TUNNEL' : 'TRANSPORT',
    encapsulated: protocol.includes('inUDP'),
    suite: `${suiteOf({ cipher, integrity })}${protocol.includes('/ESN') ? '-esn' : ''}`,
    localSelectors: [selectorText(local)],
    remoteSelectors: [selectorText(remote)],
  };
}

/** The last braces that the log has for an IKE SA: `{cipher=AES_GCM_16_256 integ=n/a prf=HMAC_SHA2_384 group=DH20}`. */
function ikeSuite(log: string, number: number): string {
  const pattern = new RegExp(`#${number}: .*\\{cipher=(\\S+) integ=(\\S+) prf=(\\S+) group=(\\S+)\\}`, 'g');
  const found = [...log.matchAll(pattern)].at(-1);
  if (found === undefined) return '';
  const [, cipher = '', integrity = '', prf = '', group = ''] = found;
  return suiteOf({ cipher, integrity, prf, group });
}

/** `192.0.2.0/24/UDP/53` as `192.0.2.0/24[udp/53]`. */
function selectorText(text: string): string {
  const [address = '', length = '', protocol, port] = text.split('/');
  if (protocol === undefined) return `${address}/${length}`;
  return `${address}/${length}[${protocol.toLowerCase()}${port === undefined || port === '0' ? '' : `/${port}`}]`;
}

function spiText(hexadecimal: string): string {
  return hexadecimal.padStart(8, '0');
}
