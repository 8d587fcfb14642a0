import type { ExemptionConfig } from '../../ike/types.ts';
import type { Cidr } from '../../wire/ip-address.ts';
import type { PortRange } from './resolve-child.ts';
import { networkText, protocolText } from './scalars.ts';

/** What stays in plaintext, as a configuration says it. */
export interface ExemptionFields {
  readonly protocol?: number | undefined;
  /** Of the side that is called. */
  readonly ports?: readonly PortRange[] | undefined;
  readonly cidr: Cidr;
  /** Who calls: `Outbound` is from here to `cidr`. */
  readonly direction: 'Both' | 'Inbound' | 'Outbound';
  /** Whether it is received in plaintext only, or sent as well. */
  readonly stage: 'Accept' | 'Send';
}

/**
 * What the core is told of exemptions. A peer that `mirrors` them has the same, of its side: then what it may send to us
 * is exempt here, where `cidr` names us, just as what we may send to it.
 */
export function exemptionConfigs(exemptions: readonly ExemptionFields[], mirrors: boolean): readonly ExemptionConfig[] {
  return exemptions.flatMap((exemption) => {
    const { cidr, direction, stage, protocol = 0 } = exemption;
    const prefix = { address: cidr.address, length: cidr.prefixLength };
    const shared = { name: exemptionName(exemption), protocol, isSent: stage === 'Send' };
    return (exemption.ports ?? [ANY_PORT]).flatMap((ports) => {
      const calls = (called: 'local' | 'remote') => ({
        ...shared,
        localPorts: called === 'local' ? ports : ANY_PORT,
        remotePorts: called === 'remote' ? ports : ANY_PORT,
      });
      return [
        ...(direction === 'Inbound' ? [] : [{ ...calls('remote'), remote: prefix }]),
        ...(direction === 'Outbound' ? [] : [{ ...calls('local'), remote: prefix }]),
        ...(mirrors && direction !== 'Inbound' ? [{ ...calls('local'), local: prefix }] : []),
        ...(mirrors && direction !== 'Outbound' ? [{ ...calls('remote'), local: prefix }] : []),
      ];
    });
  });
}

/** `TCP/6443,30000-32767 10.0.0.0/24 Outbound` */
export function exemptionName({ protocol, ports, cidr, direction }: Omit<ExemptionFields, 'stage'>): string {
  const ranges = (ports ?? []).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
  const what = `${protocol === undefined ? 'any' : protocolText(protocol)}${ranges === '' ? '' : `/${ranges}`}`;
  return `${what} ${networkText(cidr)} ${direction}`;
}

const ANY_PORT: PortRange = { from: 0, to: 65_535 };
