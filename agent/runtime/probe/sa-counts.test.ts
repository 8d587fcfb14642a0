import { describe, expect, it } from 'vitest';

import type { InstalledSa } from '../../dataplane/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import type { ProbeTarget } from './probe-plan.ts';
import { SaCounts } from './sa-counts.ts';

const A = '10.0.0.1' as IpAddress;
const B = '10.0.0.2' as IpAddress;
const C = '10.0.0.3' as IpAddress;
const target: ProbeTarget = { name: 'b', local: A, remote: B, mode: 'transport', outerRemote: B, reqids: [7, 8] };
const targets = [target];

describe('what SAs count meanwhile', () => {
  it('is what was added since the first look, by direction', () => {
    const counts = new SaCounts(targets);
    counts.look([sa(A, B, 0x101, 7, 100), sa(B, A, 0x102, 7, 50)]);
    counts.look([sa(A, B, 0x101, 7, 110), sa(B, A, 0x102, 7, 57)]);
    expect(counts.of(target)).toEqual({
      outbound: [{ spi: '00000101', packets: 10 }],
      inbound: [{ spi: '00000102', packets: 7 }],
    });
  });

  it('goes on when an SA is replaced, and keeps what one had counted that is gone', () => {
    const counts = new SaCounts(targets);
    counts.look([sa(A, B, 0x101, 7, 100)]);
    counts.look([sa(A, B, 0x101, 7, 104), sa(A, B, 0x201, 7, 1)]);
    counts.look([sa(A, B, 0x201, 7, 6)]);
    expect(counts.of(target).outbound).toEqual([
      { spi: '00000101', packets: 4 },
      { spi: '00000201', packets: 6 },
    ]);
  });

  it('leaves out SAs of others', () => {
    const counts = new SaCounts(targets);
    const others = (packets: number) => [sa(A, B, 0x103, 9, packets), sa(A, C, 0x104, 7, packets)];
    counts.look(others(0));
    counts.look(others(9));
    expect(counts.of(target)).toEqual({ outbound: [], inbound: [] });
  });
});

function sa(source: IpAddress, destination: IpAddress, spi: number, reqid: number, packets: number): InstalledSa {
  return {
    id: { destination, spi },
    source,
    mode: 'transport',
    reqid,
    esn: true,
    replayWindow: 0,
    packets,
    bytes: 0,
    integrityFailures: 0,
    addedAt: 0,
    usedAt: 0,
    ours: true,
  };
}
