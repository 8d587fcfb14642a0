import type { ChildSa, IkeSa } from '../ike-daemon/ike-daemon.ts';
import type { StateDump } from '../xfrm/xfrm-dump.ts';
import { suiteOf } from './proposal.ts';

/** Where iked's SAs show. */
export interface IkedSources {
  /** What `ikectl show sa` prints: which SAs there are. */
  readonly sas: string;
  /** Iked's log: what was agreed on, which is nowhere else. */
  readonly log: string;
  /** The kernel's SAs, for mode and counters. */
  readonly kernel: readonly StateDump[];
  /** The name of the only connection, which is that of its Child SA, too. */
  readonly name: string;
}

/** All SAs of an iked with one connection, in its own order. */
export function listIkedSas(sources: IkedSources): readonly IkeSa[] {
  const [listed = ''] = sources.sas.split(/^iked_(?!sas)/m);
  return listed
    .split(/^iked_sas: /m)
    .slice(1)
    .map((text) => ikeSa(text, sources));
}

/**
 * A first line such as `0x55 rspi 0x93e9 ispi 0xfa37 192.0.2.2:500->192.0.2.1:500<FQDN/agent.lab.test>[] ESTABLISHED i nexti
 * (nil) pol 0x55`, then one for each ESP SA: `sa_childsas: 0x55 ESP 0x7a93bd54 out 192.0.2.2:500 -> … (L) B=(nil) P=0x56 @0x55`.
 */
function ikeSa(text: string, sources: IkedSources): IkeSa {
  const [, ispi = '', state = ''] = /ispi 0x([0-9a-f]+) \S+ (\w+)/.exec(text) ?? [];
  const agreed = new RegExp(`spi=0x${ispi}: established peer .* (\\(enc .*\\))`).exec(sources.log)?.[1] ?? '';
  const halves = [...text.matchAll(/sa_childsas: (\S+) ESP 0x([0-9a-f]+) (in|out) .* P=(\S+) /g)].map(
    ([, id = '', spi = '', direction = '', twin = '']) => ({ id, spi, direction, twin }),
  );
  return {
    name: sources.name,
    uniqueId: ispi,
    state,
    suite: suiteOf(agreed),
    children: halves
      .filter(({ direction }) => direction === 'in')
      .map(({ spi, twin }) => childSa(spi, halves.find(({ id }) => id === twin)?.spi ?? '', sources)),
  };
}

function childSa(spiIn: string, spiOut: string, { name, log, kernel }: IkedSources): ChildSa {
  const states = [spiIn, spiOut].map((spi) => kernel.find((each) => each.spi === Number.parseInt(spi, 16)));
  const [inbound, outbound] = states;
  const agreed = new RegExp(`loaded SPIs: .*0x0*${spiIn.replace(/^0+/, '')}\\b.*(\\(enc .*\\))`).exec(log)?.[1] ?? '';
  return {
    name,
    uniqueId: spiIn,
    state: inbound !== undefined && outbound !== undefined ? 'INSTALLED' : 'INCOMPLETE',
    mode: inbound?.mode === 'tunnel' ? 'TUNNEL' : 'TRANSPORT',
    encapsulated: inbound?.encapsulation !== undefined,
    spiIn: spiIn.padStart(8, '0'),
    spiOut: spiOut.padStart(8, '0'),
    suite: suiteOf(agreed),
    localSelectors: [],
    remoteSelectors: [],
    packetsIn: inbound?.packets ?? 0,
    packetsOut: outbound?.packets ?? 0,
  };
}
