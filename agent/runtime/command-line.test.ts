import { afterEach, describe, expect, it, vi } from 'vitest';

import { parseCommandLine } from './command-line.ts';

let written = '';

function parse(...args: readonly string[]) {
  const take = (text: string | Uint8Array): boolean => {
    written += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(take);
  vi.spyOn(process.stderr, 'write').mockImplementation(take);
  try {
    return parseCommandLine(args);
  } finally {
    vi.restoreAllMocks();
  }
}

afterEach(() => {
  written = '';
});

describe('the command line', () => {
  it('runs an agent with a file and says what else there is to choose', () => {
    expect(parse('--config', 'node.yaml')).toEqual({
      ok: true,
      value: expect.objectContaining({
        kind: 'run',
        config: 'node.yaml',
        socket: '/run/ikemesh/agent.sock',
        flushOnExit: false,
        logFormat: undefined,
        logLevel: 'info',
      }),
    });
    expect(
      parse('-c', 'f', '--flush-on-exit', '--log-format', 'json', '--log-level', 'debug', '--socket', '/s'),
    ).toMatchObject({ value: { flushOnExit: true, logFormat: 'json', logLevel: 'debug', socket: '/s' } });
  });

  it('serves metrics where it is told to, with or without single peers', () => {
    const listen = { address: '10.0.0.1', port: 9_917 };
    expect(parse('-c', 'f', '--metrics-listen', '10.0.0.1:9917')).toMatchObject({
      value: { metrics: { listen, withPeers: true } },
    });
    expect(parse('--kubernetes', '--metrics-listen', '10.0.0.1:9917', '--metrics-without-peers')).toMatchObject({
      value: { kind: 'cluster', metrics: { listen, withPeers: false } },
    });
    expect(parse('-c', 'f')).toMatchObject({ value: { metrics: undefined } });
    expect(parse('-c', 'f', '--metrics-listen', '10.0.0.1:9917', '--status-page')).toMatchObject({
      value: { metrics: { listen, withPeers: true, statusPage: true } },
    });
    const guarded = ['--metrics-tls', '/tls', '--metrics-authentication'];
    expect(parse('--kubernetes', '--metrics-listen', '10.0.0.1:9917', ...guarded)).toMatchObject({
      value: { metrics: { listen, withPeers: true, tlsFolder: '/tls', authenticates: true } },
    });
  });

  it('looks at a host, at addresses that are ones', () => {
    expect(parse('preflight', '--json', '--address', '10.0.0.1', 'fd00::1', '--towards', '10.0.0.2')).toMatchObject({
      value: { kind: 'preflight', json: true, addresses: ['10.0.0.1', 'fd00::1'], towards: ['10.0.0.2'] },
    });
    expect(parse('preflight')).toMatchObject({ value: { json: false, addresses: [], towards: [] } });
    expect(parse('preflight', '--address', '10.0.0.256')).toMatchObject({ ok: false });
    expect(written).toContain('write an IP address');
  });

  it('sends probes by a plan', () => {
    expect(parse('probe', '--plan', '{}')).toEqual({ ok: true, value: { kind: 'probe', plan: '{}' } });
    expect(parse('probe')).toMatchObject({ ok: false });
  });

  it('asks a holder for sockets, at a path of its own or another', () => {
    expect(parse('-c', 'f')).toMatchObject({ value: { holder: '/run/ikemesh/holder.sock' } });
    expect(parse('--kubernetes', '--holder', '/h')).toMatchObject({ value: { kind: 'cluster', holder: '/h' } });
    expect(parse('--manifests', 'd', '--holder', '/h')).toMatchObject({ value: { kind: 'manifests', holder: '/h' } });
  });

  it('checks a file', () => {
    expect(parse('--config', 'node.yaml', '--check')).toEqual({
      ok: true,
      value: { kind: 'check', config: 'node.yaml' },
    });
  });

  it('works from a folder of manifests as from a cluster', () => {
    expect(parse('--manifests', 'DIR', '--node-name', 'a', '--socket', '/s')).toEqual({
      ok: true,
      value: expect.objectContaining({
        kind: 'manifests',
        folder: 'DIR',
        nodeName: 'a',
        socket: '/s',
        flushOnExit: false,
      }),
    });
  });

  it('asks for the status, wherever the options stand', () => {
    expect(parse('status')).toEqual({
      ok: true,
      value: { kind: 'status', socket: '/run/ikemesh/agent.sock', json: false },
    });
    expect(parse('status', '--json', '--socket', '/s')).toMatchObject({ value: { socket: '/s', json: true } });
  });

  it('prints the version and help with exit code 0', () => {
    expect(parse('version')).toEqual({ ok: true, value: { kind: 'version' } });
    expect(parse('--version')).toEqual({ ok: false, error: { exitCode: 0 } });
    expect(written).toMatch(/^\d+[.]\d+[.]\d+\n$/);
    expect(parse('--help')).toEqual({ ok: false, error: { exitCode: 0 } });
    expect(written).toContain('SIGHUP');
    expect(written).toContain('IKEMESH_CRYPTO');
  });

  it.each([
    [[], /--config FILE is missing/],
    [['--confg', 'x'], /unknown option '--confg'/],
    [['--config', 'x', '--log-level', 'loud'], /Allowed choices are debug, info, warn, error/],
    [['--config', 'x', '--manifests', 'y'], /--config, --kubernetes and --manifests do not go together/],
    [['--kubernetes', '--manifests', 'y'], /--config, --kubernetes and --manifests do not go together/],
    [['--kubernetes', '--flush-on-exit'], /--kubernetes goes without --flush-on-exit/],
    [['--manifests', 'y', '--check'], /--check goes with --config/],
    [['--config', 'x', '--metrics-listen', '9917'], /is not ADDRESS:PORT/],
    [['--config', 'x', '--metrics-authentication'], /goes with --kubernetes/],
    [['--config', 'x', '--status-page'], /goes with --metrics-listen/],
    [['stats'], /too many arguments|unknown command/],
  ])('refuses %j with exit code 2', (args, message) => {
    expect(parse(...args)).toEqual({ ok: false, error: { exitCode: 2 } });
    expect(written).toMatch(message);
  });
});
