import { describe, expect, it } from 'vitest';

import type { ConnectionConfig } from '../../ike/types.ts';
import { peerVerdict } from './peer-verdict.ts';
import type { ArrivalReport, ChildSaReport, IkeSaReport, SaReport } from './report.ts';

const config = { children: [{ name: 'hosts' }] } as unknown as ConnectionConfig;
const PROVEN: ArrivalReport = { inbound: 'received', outbound: 'arrived', receivedSeconds: 1 };

interface Standing {
  readonly arrival?: ArrivalReport;
  readonly installed?: boolean;
  readonly udpEncapsulation?: boolean;
  readonly unansweredSeconds?: number;
  readonly missingPolicies?: readonly string[];
  readonly espInUdp?: boolean;
  readonly children?: 0;
}

function verdict({ arrival = PROVEN, installed = true, missingPolicies = [], ...more }: Standing) {
  const { udpEncapsulation = false, espInUdp = false, unansweredSeconds, children } = more;
  const sa: SaReport = { spi: 'c0ffee01', destination: '10.0.0.2', reqid: 1, installed };
  const child = { name: 'hosts', state: 'installed', udpEncapsulation, arrival, inbound: sa, outbound: sa };
  const ikeSa = {
    state: 'established',
    ageSeconds: 10,
    lastHeardSeconds: 7,
    ...(unansweredSeconds === undefined ? {} : { unansweredSeconds }),
    children: children === 0 ? [] : [child as unknown as ChildSaReport],
  } as unknown as IkeSaReport;
  return peerVerdict({
    ikeSas: [ikeSa],
    config,
    espInUdp,
    missingPolicies,
    lastFailure: undefined,
    kernelFailure: undefined,
  });
}

describe('how a peer stands', () => {
  it.each<readonly [string, Standing, string, string, RegExp]>([
    ['both ends count packets', {}, 'encrypting', 'Proven', /both directions/],
    ['nothing was sent', { arrival: { inbound: 'unused', outbound: 'unused' } }, 'encrypting', 'Unproven', /no packet/],
    ['ESP is lost', { arrival: { ...PROVEN, outbound: 'lost' } }, 'established', 'NotArriving', /IP protocol 50/],
    [
      'ESP in UDP is lost',
      { arrival: { ...PROVEN, outbound: 'lost' }, udpEncapsulation: true },
      'established',
      'NotArriving',
      /4500/,
    ],
    ['keys differ here', { arrival: { ...PROVEN, inbound: 'undecryptable' } }, 'established', 'CannotDecrypt', /keys/],
    [
      'keys differ there',
      { arrival: { ...PROVEN, outbound: 'undecryptable' } },
      'established',
      'PeerCannotDecrypt',
      /peer/,
    ],
    ['an SA is gone', { installed: false }, 'established', 'SAMissing', /c0ffee01 to 10\.0\.0\.2/],
    ['a policy is gone', { missingPolicies: ['out policy x'] }, 'established', 'PolicyMissing', /out policy x/],
    ['there is no Child SA', { children: 0 }, 'established', 'NoChildSA', /no hosts/],
    [
      'a packet comes, but no answer',
      { unansweredSeconds: 6 },
      'encrypting',
      'PeerSilent',
      /packets come all the same/,
    ],
    [
      'neither comes',
      { unansweredSeconds: 6, arrival: { ...PROVEN, receivedSeconds: 9 } },
      'established',
      'PeerSilent',
      /not answered for 6 s/,
    ],
    ['ESP goes in UDP', { espInUdp: true, udpEncapsulation: true }, 'encrypting', 'FellBackToUDP', /IP protocol 50/],
    ['an answer is late', { unansweredSeconds: 3 }, 'encrypting', 'Proven', /both directions/],
  ])('where %s', (_, standing, state, reason, message) => {
    expect(verdict(standing)).toEqual({ state, reason, message: expect.stringMatching(message) });
  });

  it('is not idle where a policy is gone, whose first packet would leave in plaintext', () => {
    const onDemand = { ...config, initiation: 'onDemand' } as ConnectionConfig;
    const none = { ikeSas: [], config: onDemand, espInUdp: false, lastFailure: undefined, kernelFailure: undefined };
    expect(peerVerdict({ ...none, missingPolicies: [] })).toMatchObject({ state: 'idle' });
    expect(peerVerdict({ ...none, missingPolicies: ['out policy x'] })).toEqual({
      state: 'down',
      reason: 'PolicyMissing',
      message: 'not in the kernel as ordered: out policy x',
    });
  });
});
