import { err, ok, type Result } from '../../../agent/result.ts';

import type { ChildSa, IkeSa } from '../ike-daemon/ike-daemon.ts';
import { parseVici, type ViciSection } from './vici-text.ts';

/** A Child SA as charon lists it. */
export interface CharonChildSa extends ChildSa {
  readonly reqid: number;
  readonly protocol: string;
  readonly encryption: string;
  readonly integrity: string;
  readonly esn: boolean;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Everything, under charon's own names. */
  readonly fields: ViciSection;
}

/** An IKE SA as charon lists it. */
export interface CharonIkeSa extends IkeSa {
  readonly version: number;
  readonly localHost: string;
  readonly remoteHost: string;
  readonly localId: string;
  readonly remoteId: string;
  readonly initiator: boolean;
  /** 16 hexadecimal digits. */
  readonly initiatorSpi: string;
  readonly responderSpi: string;
  readonly encryption: string;
  readonly integrity: string;
  readonly prf: string;
  readonly keyExchange: string;
  readonly children: readonly CharonChildSa[];
  readonly fields: ViciSection;
}

/** Reads what `swanctl --list-sas --pretty` prints, the oldest SA first. */
export function parseListSas(text: string): Result<readonly CharonIkeSa[], string> {
  const messages = parseVici(text);
  if (!messages.ok) return err(`swanctl --list-sas: ${messages.error}`);
  const sections = messages.value.flatMap((message) => Object.entries(message));
  const sas = sections.flatMap(([name, fields]) => (isSection(fields) ? [ikeSa(name, fields)] : []));
  return ok(sas.sort((one, other) => Number(one.uniqueId) - Number(other.uniqueId)));
}

function ikeSa(name: string, fields: ViciSection): CharonIkeSa {
  const children = fields['child-sas'];
  const entries = isSection(children) ? Object.values(children) : [];
  return {
    name,
    uniqueId: word(fields, 'uniqueid'),
    version: Number(word(fields, 'version')),
    state: word(fields, 'state'),
    localHost: word(fields, 'local-host'),
    remoteHost: word(fields, 'remote-host'),
    localId: word(fields, 'local-id'),
    remoteId: word(fields, 'remote-id'),
    initiator: word(fields, 'initiator') === 'yes',
    initiatorSpi: word(fields, 'initiator-spi'),
    responderSpi: word(fields, 'responder-spi'),
    encryption: algorithm(fields, 'encr'),
    integrity: algorithm(fields, 'integ'),
    prf: word(fields, 'prf-alg'),
    keyExchange: word(fields, 'dh-group'),
    suite: suite(
      algorithm(fields, 'encr'),
      algorithm(fields, 'integ'),
      word(fields, 'prf-alg'),
      word(fields, 'dh-group'),
    ),
    children: entries.filter(isSection).map(childSa),
    fields,
  };
}

function childSa(fields: ViciSection): CharonChildSa {
  return {
    name: word(fields, 'name'),
    uniqueId: word(fields, 'uniqueid'),
    reqid: Number(word(fields, 'reqid')),
    state: word(fields, 'state'),
    mode: word(fields, 'mode'),
    protocol: word(fields, 'protocol'),
    encapsulated: word(fields, 'encap') === 'yes',
    spiIn: word(fields, 'spi-in'),
    spiOut: word(fields, 'spi-out'),
    encryption: algorithm(fields, 'encr'),
    integrity: algorithm(fields, 'integ'),
    esn: word(fields, 'esn') === '1',
    suite: suite(algorithm(fields, 'encr'), algorithm(fields, 'integ'), word(fields, 'esn') === '1' ? 'ESN' : ''),
    localSelectors: words(fields, 'local-ts'),
    remoteSelectors: words(fields, 'remote-ts'),
    packetsIn: Number(word(fields, 'packets-in')),
    packetsOut: Number(word(fields, 'packets-out')),
    bytesIn: Number(word(fields, 'bytes-in')),
    bytesOut: Number(word(fields, 'bytes-out')),
    fields,
  };
}

/** Name and key size, such as AES_GCM_16-256. */
function algorithm(fields: ViciSection, prefix: string): string {
  const size = word(fields, `${prefix}-keysize`);
  return `${word(fields, `${prefix}-alg`)}${size === '' ? '' : `-${size}`}`;
}

/** Charon's names of algorithms as words of a proposal, in their order. */
function suite(...names: readonly string[]): string {
  const words = names.map((name) =>
    name
      .replace(/^AES_GCM_(\d+)-(\d+)$/, 'aes$2gcm$1')
      .replace(/^AES_CBC-(\d+)$/, 'aes$1')
      .replace(/^CHACHA20_POLY1305.*$/, 'chacha20poly1305')
      .replace(/^(PRF_)?HMAC_SHA2_(\d+)(_\d+)?$/, '$1sha$2')
      .replace(/^(PRF_)?HMAC_SHA1(_\d+)?$/, '$1sha1')
      .replace(/^CURVE_(25519|448)$/, 'x$1')
      .replace(/^(ECP|MODP)_(\d+)$/, '$1$2'),
  );
  return words
    .filter((each) => each !== '')
    .map((each) => each.replace('PRF_', 'prf').toLowerCase())
    .join('-');
}

function word(fields: ViciSection, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}

function words(fields: ViciSection, name: string): readonly string[] {
  const value = fields[name];
  return value !== undefined && typeof value !== 'string' && !isSection(value) ? value : [];
}

function isSection(value: string | readonly string[] | ViciSection | undefined): value is ViciSection {
  return typeof value === 'object' && !Array.isArray(value);
}
