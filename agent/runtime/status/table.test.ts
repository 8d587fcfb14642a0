import { describe, expect, it } from 'vitest';

import { agentReport } from '../../../operator/cli/diagnosis/agent-report.ts';
import { ip } from '../../dataplane/testing/builders.ts';
import type { InstalledPolicy, InstalledSa } from '../../dataplane/types.ts';
import { policyCommands } from '../../ike/child/policies.ts';
import { DEFAULT_LIMITS } from '../../ike/limits.ts';
import { childConfig, connectionConfig } from '../../ike/testing/pair.ts';
import type {
  ChildSaStatus,
  ConnectionConfig,
  ConnectionStatus,
  EndpointStatus,
  IkeSaStatus,
} from '../../ike/types.ts';
import { bypasses } from '../bypass.ts';
import { type ReportInputs, statusReport } from './report.ts';
import { statusText } from './table.ts';

const NOW = 10_000_000;

const child: ChildSaStatus = {
  name: 'nets',
  state: 'installed',
  mode: 'tunnel',
  reqid: 1_610_612_741,
  inboundSpi: 0xc1b2c3d4,
  outboundSpi: 0x00d4e5f6,
  suite: 'aes256gcm16-esn',
  udpEncapsulation: true,
  localSelectors: ['10.1.0.0/24[tcp/443]'],
  remoteSelectors: ['10.2.0.0/24', '10.3.0.0/24'],
  installedAt: NOW - 65_000,
  arrival: undefined,
  rekeyAt: NOW + 3_535_000,
  expiresAt: NOW + 7_135_000,
};

const ikeSa: IkeSaStatus = {
  number: 3,
  state: 'established',
  role: 'responder',
  path: { localAddress: ip('10.78.0.1'), localPort: 4500, remoteAddress: ip('10.78.0.2'), remotePort: 61_000 },
  initiatorSpi: '8fb1a2b3c4d5e6f7',
  responderSpi: '0011223344556677',
  suite: 'aes256gcm16-prfsha384-x25519',
  nat: { local: false, remote: true },
  startedAt: NOW - 66_000,
  establishedAt: NOW - 65_000,
  rekeyAt: NOW + 14_335_000,
  reauthenticateAt: NOW + 86_000_000,
  lastHeardAt: NOW - 4_000,
  unansweredSince: undefined,
  children: [child],
};

const connection: ConnectionStatus = {
  name: 'node-b',
  localAddress: ip('10.78.0.1'),
  remoteAddress: ip('10.78.0.2'),
  localIdentity: 'node-a.mesh.test',
  remoteIdentity: 'node-b.mesh.test',
  ikeSas: [ikeSa],
  espInUdp: false,
  pathMtu: undefined,
  policies: [],
  lastFailure: undefined,
  nextAttemptAt: undefined,
};

const config = {
  name: 'node-b',
  children: [{ name: 'nets' }],
  remoteAuthentication: { kind: 'preSharedKey' },
} as unknown as ConnectionConfig;

function installed(destination: string, spi: number, more: Partial<InstalledSa> = {}): InstalledSa {
  return {
    id: { destination: ip(destination), spi },
    source: ip('10.78.0.9'),
    mode: 'tunnel',
    reqid: 1_610_612_741,
    esn: true,
    replayWindow: 1_024,
    packets: 12,
    bytes: 1_234,
    integrityFailures: 0,
    addedAt: 1_000,
    usedAt: 1_998,
    ours: true,
    ...more,
  };
}

const inbound = installed('10.78.0.1', 0xc1b2c3d4);
const outbound = installed('10.78.0.2', 0x00d4e5f6, { packets: 0, bytes: 0, usedAt: 0 });

function picture(connections: readonly ConnectionStatus[], halfOpen = 0, demandsCookies = false): EndpointStatus {
  const tables = { ikeSas: 1, espSpis: 1, verifications: 0, queuedRequests: 0, incompleteMessages: 0 };
  return { connections, halfOpen, demandsCookies, unselected: [], tables };
}

function inputs(more: Partial<ReportInputs> = {}): ReportInputs {
  return {
    node: 'node-a',
    version: '1.2.3',
    cryptoProvider: 'openssl',
    startedAt: NOW - 90_061_000,
    now: NOW,
    wallMs: 2_000_000,
    endpoint: picture([connection]),
    connections: [config],
    watched: [],
    shownCertificate: () => undefined,
    heldBack: [],
    snapshot: { sas: [inbound, outbound], policies: [] },
    kernelFailure: undefined,
    dropped: {},
    unsent: {},
    ...more,
  };
}

describe('the status for people', () => {
  it('shows when certificates end, the next one first, and which files are not in use', () => {
    const own = { kind: 'own', file: '/certs/tls.crt', name: 'node-a', fingerprint: '1', notBeforeMs: 0 } as const;
    const text = statusText(
      statusReport(
        inputs({
          wallMs: Date.UTC(2026, 10, 27),
          watched: [
            {
              ...own,
              kind: 'authority',
              name: 'CN=Root',
              file: '/certs/ca.crt',
              fingerprint: '2',
              notAfterMs: Date.UTC(2026, 11, 27),
            },
            { ...own, notAfterMs: Date.UTC(2026, 10, 27, 8) },
            { ...own, notAfterMs: Date.UTC(2026, 10, 27, 8), file: '/the/same/again.crt' },
            {
              ...own,
              kind: 'revocationList',
              name: 'CN=Root',
              file: '/certs/ca.crl',
              fingerprint: '3',
              notAfterMs: Date.UTC(2026, 10, 26),
            },
          ],
          heldBack: ['peers[0].authentication.certificate.keyFile: /certs/tls.key is not the key of the certificate'],
        }),
      ),
    );
    expect(text).toContain(
      `
certificates:
  revocation list of CN=Root, until 2026-11-26 00:00:00Z, ENDED (/certs/ca.crl)
  ours, for node-a, until 2026-11-27 08:00:00Z, 8h left (/the/same/again.crt)
  authority CN=Root, until 2026-12-27 00:00:00Z, 30d left (/certs/ca.crt)
  NOT IN USE: peers[0].authentication.certificate.keyFile: /certs/tls.key is not the key of the certificate
`,
    );
  });

  it('shows what was found to arrive, where that is less than the kernel knows, and what fits then', () => {
    const pathMtus = { between: () => ({ link: 1_500, path: 1_500 }) };
    const probed = statusReport(inputs({ pathMtus, endpoint: picture([{ ...connection, pathMtu: 1_399 }]) }));
    expect(probed.peers[0]?.mtu).toMatchObject({ link: 1_500, path: 1_399, probed: 1_399 });
    expect(probed.peers[0]?.mtu?.children[0]?.payload).toBeLessThan(1_399);
    expect(statusText(probed)).toMatch(/^ {2}MTU of the link 1500, of the way 1399 \(what arrives\); /m);
  });

  it('says why segments of TCP are not clamped', () => {
    const clamps = { sizes: new Map(), failure: 'no nf_tables' };
    expect(statusText(statusReport(inputs({ clamps })))).toContain('\nTCP segments are NOT CLAMPED: no nf_tables\n');
  });

  it('shows how long packets may be, and what is never encrypted, with what the kernel lacks of it', () => {
    const report = statusReport(
      inputs({
        pathMtus: { between: () => ({ link: 1_500, path: 1_400 }) },
        bypasses: bypasses({ ike: 500, natTraversal: 4500 }, [ip('10.78.0.1'), ip('fd00::1')]),
      }),
    );
    expect(report.peers[0]?.mtu).toMatchObject({ link: 1_500, path: 1_400 });
    const text = statusText(report);
    expect(text).toMatch(/^ {2}MTU of the link 1500, of the way 1400; \S+ takes 13\d\d \(\d+ for ESP\)$/m);
    expect(text).toContain(`
never encrypted:
  IKE and ESP in UDP of this node (UDP 500 and 4500); 8 of 8 policies NOT IN THE KERNEL
`);
  });

  it('shows each peer with its SAs, their ages and the kernel’s counters', () => {
    expect(
      statusText(statusReport(inputs())),
    ).toBe(`node-a: 1 peer, 1 encrypting, 1 Child SA, up 1d1h (ikemesh 1.2.3, openssl)

node-b: ENCRYPTING (Unproven: nets: the kernel has not been asked yet)
  local  node-a.mesh.test @ 10.78.0.1
  remote node-b.mesh.test @ 10.78.0.2
  IKE SA #3: ESTABLISHED, IKEv2, 8fb1a2b3c4d5e6f7_i 0011223344556677_r*
    10.78.0.1[4500] to 10.78.0.2[61000], peer behind NAT
    aes256gcm16-prfsha384-x25519
    established 1m5s ago, rekey in 3h58m, reauthentication in 23h53m, peer heard 4s ago
    nets: INSTALLED, TUNNEL, reqid 1610612741, ESP in UDP: aes256gcm16-esn
      installed 1m5s ago, rekey in 58m55s, expires in 1h58m
      in  c1b2c3d4  1234 bytes, 12 packets, first used 2s ago
      out 00d4e5f6  0 bytes, 0 packets, never used
      local  10.1.0.0/24[tcp/443]
      remote 10.2.0.0/24 10.3.0.0/24
`);
  });

  it('tells who holds the sockets of ESP in UDP, and what it costs where nobody else does', () => {
    const path = '/run/ikemesh/holder.sock';
    const held = statusReport(inputs({ holder: { kind: 'holding', path, sinceMs: NOW - 65_000 } }));
    expect(held.holder).toEqual({ socket: path, state: 'holding', seconds: 65 });
    expect(statusText(held).split('\n')).toContain(
      'sockets of port 4500: held by /run/ikemesh/holder.sock since 1m5s: they outlive this agent',
    );
    const alone = statusReport(inputs({ holder: { kind: 'absent', path, reason: 'nobody is there' } }));
    expect(alone.holder).toEqual({ socket: path, state: 'absent', reason: 'nobody is there' });
    expect(statusText(alone).split('\n')).toContain(
      "sockets of port 4500: this agent's alone, without a holder at /run/ikemesh/holder.sock (nobody is there): " +
        'ESP in UDP is lost while no agent runs',
    );
  });

  it('shows why a peer is down and when it is tried again', () => {
    const text = 'node-b (10.78.0.2) does not answer IKE_SA_INIT: is it running?';
    const down = { ...connection, ikeSas: [], lastFailure: { at: NOW - 12_000, text }, nextAttemptAt: NOW + 3_400 };
    const lines = statusText(statusReport(inputs({ endpoint: picture([down], 2) }))).split('\n');
    expect(lines).toContain(`node-b: DOWN (NotEstablished: there is no IKE SA: ${text})`);
    expect(lines).toContain(`  last failure 12s ago: ${text}`);
    expect(lines).toContain('  next attempt in 3s');
    expect(lines).toContain("2 IKE SAs wait for the peer's proof");
  });

  it('does not call it a failure that there was no traffic to make SAs for, but that they could not be made', () => {
    const idle = { ...connection, ikeSas: [] };
    const connections = [{ ...config, initiation: 'onDemand' as const }];
    const first = (each: typeof idle) => statusReport(inputs({ endpoint: picture([each]), connections })).peers[0];
    expect(first(idle)).toMatchObject({ state: 'idle', reason: 'WaitingForTraffic' });
    const failed = { ...idle, lastFailure: { at: NOW - 12_000, text: 'no answer' } };
    expect(first(failed)).toMatchObject({ state: 'down', reason: 'NotEstablished' });
  });

  it('shows what stays in plaintext with a peer, and what of it the kernel lacks', () => {
    const any = { protocol: 0, fromPort: 0, toPort: 65_535 };
    const ports = { localPorts: { from: 0, to: 65_535 }, remotePorts: { from: 22, to: 23 } };
    const exempt = [
      { name: 'TCP/22-23 10.78.0.0/24 Outbound', protocol: 6, ...ports, isSent: true },
      { name: 'UDP/22-23 10.78.0.0/24 Outbound', protocol: 17, ...ports, isSent: false },
    ];
    const exempting = {
      ...connectionConfig({ name: 'a', address: ip('10.78.0.1') }, { name: 'node-b', address: ip('10.78.0.2') }),
      children: [childConfig({ name: 'nets', local: [any], remote: [any], exempt })],
    };
    const commands = policyCommands(
      { config: exempting, remoteAddress: ip('10.78.0.2') },
      [],
      new Map(),
      { next: 1 },
      DEFAULT_LIMITS,
      false,
    );
    const policies = commands.flatMap((command) => {
      return command.kind === 'putPolicy' ? [{ ...command.policy, ours: true }] : [];
    });
    const lacking = policies.filter(({ direction, selector }) => direction !== 'out' || selector.protocol !== 6);
    const of = (installed: readonly InstalledPolicy[]) =>
      statusReport(inputs({ connections: [exempting], snapshot: { sas: [], policies: installed } }));
    expect(of(policies).peers[0]?.exempt).toEqual([
      { traffic: 'TCP/22-23 10.78.0.0/24 Outbound', stage: 'Send', policies: 2, installed: 2 },
      { traffic: 'UDP/22-23 10.78.0.0/24 Outbound', stage: 'Accept', policies: 1, installed: 1 },
    ]);
    const lines = statusText(of(lacking)).split('\n');
    expect(lines).toContain(
      '  in plaintext: TCP/22-23 10.78.0.0/24 Outbound, sent and received; 1 of 2 policies NOT IN THE KERNEL',
    );
    expect(lines).toContain('  in plaintext: UDP/22-23 10.78.0.0/24 Outbound, received, not sent yet');
    expect(statusReport(inputs()).peers[0]).not.toHaveProperty('exempt');
  });

  it('shows by which certificate a peer has proven itself, while it has an IKE SA', () => {
    const certified = { ...config, remoteAuthentication: { kind: 'certificate' } } as ConnectionConfig;
    const [subject, issuer, serial] = ['CN=node-b, O=Mesh', 'CN=Mesh CA', '0a1b2c'];
    const shown = inputs({
      wallMs: Date.UTC(2026, 10, 27),
      connections: [certified],
      shownCertificate: (name) =>
        name === 'node-b' ? { subject, issuer, serial, notAfterMs: Date.UTC(2026, 10, 27, 8) } : undefined,
    });
    const report = statusReport(shown);
    expect(report.peers[0]?.certificate).toEqual({
      subject,
      issuer,
      serial,
      notAfter: '2026-11-27 08:00:00Z',
      secondsLeft: 28_800,
    });
    expect(statusText(report)).toContain(`
  remote node-b.mesh.test @ 10.78.0.2
    by certificate CN=node-b, O=Mesh of CN=Mesh CA, serial 0a1b2c, until 2026-11-27 08:00:00Z, 8h left
  IKE SA`);
    const down = { ...shown, endpoint: picture([{ ...connection, ikeSas: [] }]) };
    expect(statusReport(down).peers[0]).not.toHaveProperty('certificate');
    expect(statusReport({ ...shown, connections: [config] }).peers[0]).not.toHaveProperty('certificate');
  });

  it('says that strangers have to prove their addresses first, and that they need not', () => {
    const line = 'strangers have to prove their addresses first (cookies)';
    const under = statusReport(inputs({ endpoint: picture([connection], 300, true) }));
    expect([under.demandsCookies, statusText(under).includes(line)]).toEqual([true, true]);
    const calm = statusReport(inputs());
    expect([calm.demandsCookies, statusText(calm).includes(line)]).toEqual([false, false]);
  });

  it('shows SAs of an earlier run, what was dropped and what could not be sent', () => {
    const old = installed('10.78.0.1', 0xabc, { reqid: 1_610_612_999 });
    const foreign = installed('10.78.0.1', 0xdef, { ours: false });
    const report = statusReport(
      inputs({
        snapshot: { sas: [inbound, outbound, old, foreign], policies: [] },
        dropped: { unknownSpi: 3, integrity: 1 },
        unsent: { ENETUNREACH: 2 },
      }),
    );
    const lines = statusText(report).split('\n');
    expect(lines).toContain('1 ESP SA of an earlier run:');
    expect(lines).toContain('  to 10.78.0.1 00000abc  1234 bytes, 12 packets, first used 2s ago, reqid 1610612999');
    expect(lines).toContain('datagrams dropped since start: integrity 1, unknownSpi 3');
    expect(lines).toContain('datagrams not sent since start: ENETUNREACH 2');
  });

  it('says that an SA is not in the kernel instead of inventing counters', () => {
    const report = statusReport(inputs({ snapshot: { sas: [inbound], policies: [] } }));
    expect(report.peers[0]?.state).toBe('established');
    expect(statusText(report)).toContain('out 00d4e5f6  NOT IN THE KERNEL');
  });

  it('says that the kernel gave no counters', () => {
    const report = statusReport(inputs({ snapshot: undefined, kernelFailure: 'EPERM' }));
    expect(report).toMatchObject({ kernelFailure: 'EPERM', peers: [{ state: 'established' }] });
    expect(statusText(report)).toContain('no kernel counters: EPERM');
  });

  it('calls a peer encrypting only when every Child SA of its configuration is there', () => {
    const more = { ...config, children: [...config.children, { name: 'hosts', lifetime: {} }] } as ConnectionConfig;
    expect(statusReport(inputs({ connections: [more] })).peers[0]?.state).toBe('established');
  });
});

describe('the status as JSON', () => {
  it('has what the table has, in seconds and hexadecimal SPIs', () => {
    expect(statusReport(inputs()).peers[0]?.ikeSas[0]).toEqual({
      number: 3,
      state: 'established',
      role: 'responder',
      local: { address: '10.78.0.1', port: 4500 },
      remote: { address: '10.78.0.2', port: 61_000 },
      initiatorSpi: '8fb1a2b3c4d5e6f7',
      responderSpi: '0011223344556677',
      suite: 'aes256gcm16-prfsha384-x25519',
      nat: { local: false, remote: true },
      ageSeconds: 65,
      lastHeardSeconds: 4,
      rekeySeconds: 14_335,
      reauthenticationSeconds: 86_000,
      children: [
        {
          name: 'nets',
          state: 'installed',
          mode: 'tunnel',
          reqid: 1_610_612_741,
          suite: 'aes256gcm16-esn',
          udpEncapsulation: true,
          localSelectors: ['10.1.0.0/24[tcp/443]'],
          remoteSelectors: ['10.2.0.0/24', '10.3.0.0/24'],
          ageSeconds: 65,
          rekeySeconds: 3_535,
          expirySeconds: 7_135,
          inbound: {
            spi: 'c1b2c3d4',
            destination: '10.78.0.1',
            reqid: 1_610_612_741,
            installed: true,
            bytes: 1_234,
            packets: 12,
            firstUsedSecondsAgo: 2,
          },
          outbound: {
            spi: '00d4e5f6',
            destination: '10.78.0.2',
            reqid: 1_610_612_741,
            installed: true,
            bytes: 0,
            packets: 0,
          },
        },
      ],
    });
  });
});

describe('kubectl ikemesh', () => {
  it('reads what the agent says of its peers and their SAs', () => {
    const report = statusReport(inputs({ holder: { kind: 'holding', path: '/run/holder.sock', sinceMs: NOW } }));
    const read = agentReport.parse(JSON.parse(JSON.stringify(report)));
    expect(read.peers).toEqual(report.peers);
    expect(read).toMatchObject({ node: report.node, version: report.version, earlierSas: report.earlierSas });
  });
});
