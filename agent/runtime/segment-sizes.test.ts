import { describe, expect, it } from 'vitest';

import { address, connectionConfig } from '../ike/testing/pair.ts';
import type { ConnectionConfig, ConnectionStatus } from '../ike/types.ts';
import type { SegmentSizes } from '../ports.ts';
import { segmentSizes } from './segment-sizes.ts';

const NODE = { name: 'node', address: address('10.0.0.1') };
const PEER = { name: 'peer', address: address('10.0.1.1') };
const NONE = new Map<number, SegmentSizes>();
const PATH = { between: () => ({ link: 1_500, path: 1_400 }) };

function connection(mssClamp?: ConnectionConfig['mssClamp']): ConnectionConfig {
  return { ...connectionConfig(NODE, PEER), ...(mssClamp === undefined ? {} : { mssClamp }) };
}

/** The peer's status with SAs of its Child by these suites. */
function status(
  config: ConnectionConfig,
  suites: readonly string[],
  more: Partial<ConnectionStatus> = {},
): ConnectionStatus {
  const [child] = config.children;
  const children = suites.map((suite) => {
    return { name: child?.name, state: 'installed', mode: 'tunnel', suite, udpEncapsulation: false };
  });
  const { name, localAddress, remoteAddress } = config;
  const ikeSas = [{ children }];
  return { name, localAddress, remoteAddress, pathMtu: undefined, ikeSas, ...more } as unknown as ConnectionStatus;
}

const reqidOf = (config: ConnectionConfig) => config.children[0]?.reqid ?? 0;

describe('the sizes of segments', () => {
  it('are nobody’s concern where it is not configured', () => {
    expect(segmentSizes([connection()], [], PATH, NONE)).toEqual(NONE);
  });

  it('are those that are configured, also before there is an SA', () => {
    const config = connection(1_200);
    expect(segmentSizes([config], [], undefined, NONE)).toEqual(
      new Map([[reqidOf(config), { ipv4: 1_200, ipv6: 1_200 }]]),
    );
  });

  it('fit what the Child SA takes, less the headers of IP and TCP', () => {
    const config = connection('auto');
    // 1,346 bytes fit.
    expect(segmentSizes([config], [status(config, ['aes256gcm16-esn'])], PATH, NONE)).toEqual(
      new Map([[reqidOf(config), { ipv4: 1_306, ipv6: 1_286 }]]),
    );
  });

  it('fit what was found to arrive, where the kernel believes in more', () => {
    const config = connection('auto');
    const probed = status(config, ['aes256gcm16-esn'], { pathMtu: 1_300 });
    expect(segmentSizes([config], [probed], PATH, NONE).get(reqidOf(config))?.ipv4).toBe(1_206);
  });

  it('fit the one that takes least of several SAs of a Child', () => {
    const config = connection('auto');
    const both = status(config, ['aes256gcm16-esn', 'aes256-sha256-esn']);
    const [least] = [segmentSizes([config], [status(config, ['aes256-sha256-esn'])], PATH, NONE)];
    expect(segmentSizes([config], [both], PATH, NONE)).toEqual(least);
  });

  it('stay those of an earlier run until there is an SA again', () => {
    const config = connection('auto');
    const present = new Map([
      [reqidOf(config), { ipv4: 1_206, ipv6: 1_186 }],
      [99, { ipv4: 600, ipv6: 600 }],
    ]);
    expect(segmentSizes([config], [status(config, [])], PATH, present)).toEqual(
      new Map([[reqidOf(config), { ipv4: 1_206, ipv6: 1_186 }]]),
    );
  });
});
