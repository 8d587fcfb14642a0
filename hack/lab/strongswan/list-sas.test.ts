import { describe, expect, it } from 'vitest';

import { parseListSas } from './list-sas.ts';

describe('parseListSas', () => {
  it('reads IKE SAs with their Child SAs, the oldest first', () => {
    const parsed = parseListSas(`${listed('other', 2)}${listed('net', 1)}list-sas reply {\n}\n`);
    expect(parsed.ok && parsed.value.map((sa) => sa.name)).toEqual(['net', 'other']);
    const [sa] = parsed.ok ? parsed.value : [];
    expect(sa).toMatchObject({
      state: 'ESTABLISHED',
      version: 2,
      initiator: true,
      initiatorSpi: '0ea18d67c5ebfa78',
      encryption: 'AES_GCM_16-256',
      integrity: '',
      prf: 'PRF_HMAC_SHA2_384',
      keyExchange: 'ECP_384',
    });
    expect(sa?.children).toMatchObject([
      {
        name: 'net',
        reqid: 1,
        state: 'INSTALLED',
        mode: 'TRANSPORT',
        spiIn: 'cc4b5eaa',
        esn: true,
        encapsulated: false,
        packetsIn: 3,
        localSelectors: ['10.78.0.1/32', '10.79.0.0/16'],
        remoteSelectors: ['10.78.0.2/32'],
      },
    ]);
  });

  it('keeps identities that hold spaces and equal signs whole', () => {
    const parsed = parseListSas(listed('net', 1));
    expect(parsed.ok && parsed.value[0]?.localId).toBe('CN=a, O=x y = z');
  });

  it('gives an empty list when charon has no SA', () => {
    expect(parseListSas('list-sas reply {\n}\n')).toEqual({ ok: true, value: [] });
  });

  it.each([
    ['a cut text', 'list-sas event {\n  net {\n'],
    ['an error in words', 'connecting to the socket failed'],
    ['an end without a beginning', '}\n'],
  ])('refuses %s', (_, text) => {
    expect(parseListSas(text).ok).toBe(false);
  });
});

// As strongSwan 6.0.1 prints it.
function listed(name: string, number: number): string {
  return `list-sa event {
  ${name} {
    uniqueid = ${number}
    version = 2
    state = ESTABLISHED
    local-host = 10.78.0.1
    local-port = 4500
    local-id = CN=a, O=x y = z
    remote-host = 10.78.0.2
    remote-port = 4500
    remote-id = CN=b, O=x y
    initiator = yes
    initiator-spi = 0ea18d67c5ebfa78
    responder-spi = cc89e0a68d9de23b
    encr-alg = AES_GCM_16
    encr-keysize = 256
    prf-alg = PRF_HMAC_SHA2_384
    dh-group = ECP_384
    established = 1
    rekey-time = 13717
    child-sas {
      ${name}-1 {
        name = ${name}
        uniqueid = 1
        reqid = 1
        state = INSTALLED
        mode = TRANSPORT
        protocol = ESP
        spi-in = cc4b5eaa
        spi-out = cb510417
        encr-alg = AES_GCM_16
        encr-keysize = 256
        esn = 1
        bytes-in = 192
        packets-in = 3
        bytes-out = 0
        packets-out = 0
        local-ts = [
          10.78.0.1/32
          10.79.0.0/16
        ]
        remote-ts = [
          10.78.0.2/32
        ]
      }
    }
  }
}
`;
}
