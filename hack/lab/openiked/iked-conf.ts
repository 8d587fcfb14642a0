import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What an iked is configured with: one connection, which is one Child SA. */
export interface IkedConfiguration {
  readonly name: string;
  readonly mode: 'transport' | 'tunnel';
  /** What is protected: addresses or networks. */
  readonly selectors: { readonly local: string; readonly remote: string };
  readonly addresses: { readonly local: string; readonly remote: string };
  readonly identities: { readonly local: string; readonly remote: string };
  /** Words of iked.conf. */
  readonly ikeProposal: string;
  readonly espProposal: string;
  /** Absent: certificates. */
  readonly preSharedKey?: string;
  /** Seconds after which it rekeys a Child SA. Default its own, three hours. */
  readonly childLifetimeSeconds?: number;
  /** Seconds of silence after which it asks whether the peer is alive. */
  readonly livenessSeconds?: number;
  /** Files below /etc/iked: certificates in certs, authorities in ca, its key as private/local.key. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The text of iked.conf; an active iked begins two seconds after it has read it, a passive one waits. */
export function ikedConfText(configuration: IkedConfiguration, begins: 'active' | 'passive'): string {
  const { name, mode, selectors, addresses, identities, preSharedKey } = configuration;
  const { ikeProposal, espProposal, childLifetimeSeconds, livenessSeconds } = configuration;
  return [
    ...(livenessSeconds === undefined ? [] : [`set dpd_check_interval ${livenessSeconds}`]),
    'set fragmentation',
    [
      `ikev2 "${name}" ${begins} ${mode} esp from ${selectors.local} to ${selectors.remote}`,
      `local ${addresses.local} peer ${addresses.remote}`,
      `ikesa ${ikeProposal} childsa ${espProposal}`,
      `srcid ${identities.local} dstid ${identities.remote}`,
      ...(childLifetimeSeconds === undefined ? [] : [`lifetime ${childLifetimeSeconds}`]),
      ...(preSharedKey === undefined ? [] : [`psk "${preSharedKey}"`]),
    ].join(' '),
    '',
  ].join('\n');
}

/** Writes what iked looks for in /etc/iked to a folder that will stand in its place. */
export function writeIkedFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const name of [
    'ca',
    'certs',
    'crls',
    'private',
    'pubkeys/fqdn',
    'pubkeys/ipv4',
    'pubkeys/ipv6',
    'pubkeys/ufqdn',
  ]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    // It reads all but its key as a user of its own.
    writeFileSync(join(folder, name), content, { mode: name.startsWith('private/') ? 0o600 : 0o644 });
  }
}
