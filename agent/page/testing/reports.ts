import type { ChildSaReport, IkeSaReport, PeerReport, SaReport, StatusReport } from '../../runtime/status/report.ts';

/** A peer whose packets get through in both directions, but for what is said of it. */
export function peerReport(name: string, more: Partial<PeerReport> = {}, index = 1): PeerReport {
  const remoteAddress = `10.1.${index >> 8}.${index & 255}`;
  return {
    name,
    state: 'encrypting',
    reason: 'Proven',
    message: 'packets get through in both directions',
    localAddress: '10.0.0.1',
    remoteAddress,
    localIdentity: 'node-a.mesh.test',
    remoteIdentity: `${name}.mesh.test`,
    certificate: {
      subject: `CN=${name}`,
      issuer: 'CN=Mesh CA',
      serial: '0a1b2c',
      notAfter: '2026-11-29 20:00:00Z',
      secondsLeft: 86_400,
    },
    ikeSas: [ikeSaReport(remoteAddress, index)],
    mtu: { link: 1_500, path: 1_500, children: [{ name: 'hosts', payload: 1_446, overhead: 54 }] },
    ...more,
  };
}

/** Peers of which nothing works, or not everything. */
export function troubledPeers(): readonly PeerReport[] {
  const down = 'there is no IKE SA: no answer from 10.9.0.1: is it running, and are UDP 500 and 4500 let through?';
  const lost =
    'hosts: the peer answers IKE and counts none of the packets that we send: is ESP (IP protocol 50) let through on the path?';
  return [
    peerReport('peer-silent', {
      reason: 'PeerSilent',
      message: 'the peer has not answered for 12 s, and was heard 14 s ago; packets come all the same',
    }),
    peerReport('not-arriving', { state: 'established', reason: 'NotArriving', message: lost }),
    peerReport('being-negotiated', {
      state: 'connecting',
      reason: 'Connecting',
      message: 'the IKE SA is being negotiated',
      ikeSas: [{ ...ikeSaReport('10.9.0.3', 3), state: 'connecting', suite: '', children: [] }],
    }),
    peerReport('no-answer', {
      state: 'down',
      reason: 'NotEstablished',
      message: down,
      ikeSas: [],
      lastFailure: {
        secondsAgo: 31,
        text: 'no answer from 10.9.0.1: is it running, and are UDP 500 and 4500 let through?',
      },
      nextAttemptSeconds: 9,
    }),
  ];
}

/** A node with peers, as its agent reports them. */
export function nodeReport(peers: readonly PeerReport[], more: Partial<StatusReport> = {}): StatusReport {
  return {
    node: 'node-a',
    version: '0.1.0',
    cryptoProvider: 'openssl',
    uptimeSeconds: 93_784,
    peers,
    earlierSas: [],
    certificates: [
      {
        kind: 'own',
        name: 'node-a.mesh.test',
        file: '/run/ikemesh/credentials/tls.crt',
        until: '2026-11-29 20:00:00Z',
        secondsLeft: 86_400,
      },
    ],
    authorities: [],
    heldBack: [],
    halfOpen: 0,
    demandsCookies: false,
    remembered: {} as StatusReport['remembered'],
    dropped: { unknownSpi: 3, integrity: 1 },
    unsent: {},
    bypasses: [{ traffic: 'IKE and ESP in UDP of this node (UDP 500 and 4500)', policies: 4, installed: 4 }],
    ...more,
  };
}

function ikeSaReport(remoteAddress: string, number: number): IkeSaReport {
  return {
    number,
    state: 'established',
    role: 'initiator',
    local: { address: '10.0.0.1', port: 500 },
    remote: { address: remoteAddress, port: 500 },
    initiatorSpi: '8fb1a2b3c4d5e6f7',
    responderSpi: '0011223344556677',
    suite: 'aes256gcm16-prfsha384-ecp384',
    nat: { local: false, remote: false },
    ageSeconds: 3_723,
    lastHeardSeconds: 7,
    rekeySeconds: 9_000,
    children: [childSaReport(remoteAddress, number)],
  };
}

function childSaReport(remoteAddress: string, number: number): ChildSaReport {
  return {
    name: 'hosts',
    state: 'installed',
    mode: 'transport',
    reqid: 1_610_612_736 + number,
    suite: 'aes256gcm16-esn',
    udpEncapsulation: false,
    localSelectors: ['10.0.0.1/32'],
    remoteSelectors: [`${remoteAddress}/32`],
    ageSeconds: 65,
    rekeySeconds: 3_535,
    expirySeconds: 7_135,
    inbound: saReport('10.0.0.1', number, 1_234_567),
    outbound: saReport(remoteAddress, number, 7_654_321),
  };
}

function saReport(destination: string, number: number, bytes: number): SaReport {
  return {
    spi: (0xc000_0000 + number).toString(16),
    destination,
    reqid: 1_610_612_736 + number,
    installed: true,
    bytes,
    packets: Math.ceil(bytes / 1_000),
    firstUsedSecondsAgo: 60,
  };
}
