import { describe, expect, it } from 'vitest';

import { isOurIndex } from '../../dataplane/ownership.ts';
import type { DataplaneCommand, PolicySpec } from '../../dataplane/types.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { configuredTraffic } from '../negotiation/traffic.ts';
import { address, childConfig, connectionConfig } from '../testing/pair.ts';
import type { ChildConfig, ConnectionConfig, SelectorConfig } from '../types.ts';
import type { ChildSa } from './child-sa.ts';
import { type OrderedPolicies, policyCommands } from './policies.ts';

const LEFT = { name: 'left', address: address('192.0.2.1') };
const RIGHT = { name: 'right', address: address('192.0.2.2') };

function net(text: string, length = 24, protocol = 0, port?: number): SelectorConfig {
  const ports = port === undefined ? { fromPort: 0, toPort: 65_535 } : { fromPort: port, toPort: port };
  return { prefix: { address: address(text), length }, protocol, ...ports };
}

function connection(...children: readonly ChildConfig[]): ConnectionConfig {
  return connectionConfig(LEFT, RIGHT, { children });
}

function tunnel(changes: Partial<ChildConfig> = {}): ChildConfig {
  return childConfig({ mode: 'tunnel', local: [net('10.1.0.0')], remote: [net('10.2.0.0')], ...changes });
}

function installed(config: ChildConfig, changes: Partial<ChildSa> = {}): ChildSa {
  return {
    config,
    suite: { encryption: 20, keyBits: 256, integrity: 0, prf: 0, keyExchange: 0, esn: true, text: '' },
    mode: config.mode,
    inboundSpi: 0x1000,
    outboundSpi: 0x2000,
    localAddress: LEFT.address,
    remoteAddress: RIGHT.address,
    udpEncapsulation: false,
    traffic: configuredTraffic(config, LEFT.address, RIGHT.address, DEFAULT_LIMITS),
    installedAt: 0,
    lifetime: config.lifetime,
    usage: 'current',
    weInitiated: true,
    sentOn: true,
    settledAt: 0,
    settledBy: undefined,
    rekeys: undefined,
    rekey: undefined,
    deleteAt: undefined,
    ...changes,
  };
}

/** A connection's policies as they are ordered step by step. */
class Kernel {
  readonly ordered: OrderedPolicies = new Map();
  readonly indexes = { next: 1 };
  /** Where a peer of any address was last. */
  lastAddress: IpAddress | undefined;

  order(config: ConnectionConfig, children: readonly ChildSa[] = [], everything = false): readonly DataplaneCommand[] {
    const remoteAddress = config.remoteAddress === 'any' ? this.lastAddress : config.remoteAddress;
    const owner = { config, remoteAddress };
    return policyCommands(owner, children, this.ordered, this.indexes, DEFAULT_LIMITS, everything);
  }

  get policies(): readonly PolicySpec[] {
    return [...this.ordered.values()];
  }
}

function brief(command: DataplaneCommand): string {
  if (command.kind === 'putPolicy') {
    const { direction, action, template } = command.policy;
    return `put ${direction} ${template === undefined ? action : `${template.level} ${template.spi}`}`;
  }
  return command.kind === 'deletePolicy' ? `delete ${command.key.direction}` : command.kind;
}

describe('the policies of a connection', () => {
  it('stand before there is an SA: out and in for transport mode, fwd too for a tunnel', () => {
    expect(new Kernel().order(connection(childConfig())).map(brief)).toEqual([
      'put out required 0',
      'put in required 0',
    ]);
    expect(new Kernel().order(connection(tunnel())).map(brief)).toEqual([
      'put out required 0',
      'put in required 0',
      'put fwd required 0',
    ]);
  });

  it('out goes from local to remote, in and fwd come from remote to local, and local to local is never selected', () => {
    const kernel = new Kernel();
    kernel.order(connection(tunnel()));
    expect(
      kernel.policies.map(({ direction, selector }) => [
        direction,
        selector.source.address,
        selector.destination.address,
      ]),
    ).toEqual([
      ['out', '10.1.0.0', '10.2.0.0'],
      ['in', '10.2.0.0', '10.1.0.0'],
      ['fwd', '10.2.0.0', '10.1.0.0'],
    ]);
    expect(kernel.policies.map(({ template }) => [template?.source, template?.destination])).toEqual([
      ['192.0.2.1', '192.0.2.2'],
      // From wherever the peer's NAT may put it.
      [undefined, '192.0.2.1'],
      [undefined, '192.0.2.1'],
    ]);
  });

  it('between link-local addresses are of one interface on the way out, and of none on the way in (measured)', () => {
    const [here, there] = [address('fe80::1%eth0'), address('fe80::2%eth0')];
    const kernel = new Kernel();
    const child = childConfig();
    const config = connectionConfig({ ...LEFT, address: here }, { ...RIGHT, address: there }, { children: [child] });
    const wanted = [
      ['out', 'fe80::1', 'fe80::2', 'eth0'],
      ['in', 'fe80::2', 'fe80::1', undefined],
    ];
    const ordered = () =>
      kernel.policies.map(({ direction, selector }) => [
        direction,
        selector.source.address,
        selector.destination.address,
        selector.interface,
      ]);
    kernel.order(config);
    expect(ordered()).toEqual(wanted);
    const traffic = configuredTraffic(child, here, there, DEFAULT_LIMITS);
    expect(kernel.order(config, [installed(child, { traffic })]).map(brief)).toEqual(['put out required 8192']);
    expect(ordered()).toEqual(wanted);
  });

  it('are known as ours by indexes that are all different', () => {
    const kernel = new Kernel();
    kernel.order(connection(tunnel({ remote: [net('10.2.0.0'), net('10.3.0.0')] })));
    const indexes = kernel.policies.map(({ index }) => index);
    expect(indexes.every(isOurIndex)).toBe(true);
    expect(new Set(indexes).size).toBe(6);
  });

  it('are pinned to the SPI of the SA on the way out, never on the way in', () => {
    const kernel = new Kernel();
    const config = connection(tunnel());
    kernel.order(config);
    expect(kernel.order(config, [installed(tunnel())]).map(brief)).toEqual(['put out required 8192']);
    expect(kernel.policies.filter(({ direction }) => direction !== 'out').map(({ template }) => template?.spi)).toEqual(
      [0, 0],
    );
  });

  it('do not change while nothing changes, and all come again where the kernel is in doubt', () => {
    const kernel = new Kernel();
    const config = connection(tunnel());
    const child = installed(tunnel());
    kernel.order(config, [child]);
    const indexes = kernel.policies.map(({ index }) => index);
    expect(kernel.order(config, [child])).toEqual([]);
    expect(kernel.order(config, [child], true)).toHaveLength(3);
    expect(kernel.policies.map(({ index }) => index)).toEqual(indexes);
  });

  it('do not follow pairs that are not sent on', () => {
    const kernel = new Kernel();
    const config = connection(tunnel());
    kernel.order(config, [installed(tunnel())]);
    const more = [
      installed(tunnel()),
      installed(tunnel(), { outboundSpi: 0x3000, usage: 'deferred' }),
      installed(tunnel(), { outboundSpi: 0x4000, usage: 'superseded' }),
    ];
    expect(kernel.order(config, more)).toEqual([]);
  });

  it('stay pinned to an SA that is gone, which blocks: the kernel is never left to choose among others', () => {
    const kernel = new Kernel();
    const config = connection(tunnel());
    kernel.order(config, [installed(tunnel())]);
    expect(kernel.order(config).map(brief)).toEqual([]);
    const successor = installed(tunnel(), { outboundSpi: 0x3000 });
    expect(kernel.order(config, [successor]).map(brief)).toEqual(['put out required 12288']);
  });

  it('for narrower selectors come before the wide one gives way, and go after it is back', () => {
    const kernel = new Kernel();
    const wide = tunnel();
    const config = connection(wide);
    const narrower = tunnel({ remote: [net('10.2.0.0', 28)] });
    const traffic = configuredTraffic(narrower, LEFT.address, RIGHT.address, DEFAULT_LIMITS);
    const narrowed = installed(wide, { traffic });
    kernel.order(config);
    expect(kernel.order(config, [narrowed]).map(brief)).toEqual([
      'put out required 8192',
      'put in required 0',
      'put fwd required 0',
      'put out block',
      'put in block',
      'put fwd block',
    ]);
    expect(kernel.order(config).map(brief)).toEqual([
      'put out required 0',
      'put in required 0',
      'put fwd required 0',
      'delete out',
      'delete in',
      'delete fwd',
    ]);
  });

  it('narrower ones take precedence over wider ones: by prefixes, then protocol, then ports', () => {
    const order = [
      net('10.2.0.0', 24, 6, 443),
      net('10.2.0.0', 24, 6),
      net('10.2.0.0', 24),
      net('10.2.0.0', 16, 6, 443),
      net('10.2.0.0', 16),
    ];
    const priorities = order.map((remote) => {
      const kernel = new Kernel();
      kernel.order(connection(tunnel({ remote: [remote] })));
      return kernel.policies[0]?.priority ?? 0;
    });
    expect(priorities).toEqual([...priorities].sort((left, right) => left - right));
    expect(new Set(priorities).size).toBe(order.length);
    for (const priority of priorities) {
      expect(priority).toBeGreaterThan(10_000);
      expect(priority).toBeLessThan(367_000);
    }
  });

  it('block networks that are named before a peer of any address has called, and after it has gone', () => {
    const kernel = new Kernel();
    const config = { ...connection(tunnel()), remoteAddress: 'any' } as const;
    expect(kernel.order(config).map(brief)).toEqual(['put out block', 'put in required 0', 'put fwd required 0']);
    kernel.lastAddress = RIGHT.address;
    expect(kernel.order(config, [installed(tunnel())]).map(brief)).toEqual(['put out required 8192']);
    expect(kernel.order(config)).toEqual([]);
  });

  it('between hosts wait for a peer of any address to call, and block after it has gone', () => {
    const kernel = new Kernel();
    const config = { ...connection(childConfig()), remoteAddress: 'any' } as const;
    expect(kernel.order(config)).toEqual([]);
    kernel.lastAddress = RIGHT.address;
    expect(kernel.order(config, [installed(childConfig())]).map(brief)).toEqual([
      'put out required 8192',
      'put in required 0',
    ]);
    expect(kernel.order(config)).toEqual([]);
  });

  it('of a Child that is Permissive let pass what has no SA, in both directions, and leave no SA to the kernel to choose', () => {
    const kernel = new Kernel();
    const config = connection(childConfig({ enforcement: 'Permissive' }));
    expect(kernel.order(config).map(brief)).toEqual(['put out optional 1', 'put in optional 0']);
  });

  it('on the way to Required send nothing without an SA, and receive what peers send that are not as far', () => {
    const kernel = new Kernel();
    const transport = connection(childConfig({ enforcement: 'Required', inboundEnforcement: 'Permissive' }));
    expect(kernel.order(transport).map(brief)).toEqual(['put out required 0', 'put in optional 0']);
  });
});
