import { describe, expect, it } from 'vitest';
import { opensslProvider } from '../../crypto/openssl/openssl-provider.ts';
import { SecretBytes } from '../../crypto/secret.ts';
import { byPreSharedKey, secretsOf } from '../../ike/negotiation/authentication.ts';
import type { ConnectionConfig } from '../../ike/types.ts';
import { testConfig } from '../testing/agents.ts';
import { assignReqids } from './assign-reqids.ts';
import { configDifference } from './difference.ts';

const peers = { 'node-b': '10.78.0.2', 'node-c': '10.78.0.3' };

function connections(given: Readonly<Record<string, string>> = peers): readonly ConnectionConfig[] {
  return assignReqids(testConfig(opensslProvider, 'node-a', '10.78.0.1', given).connections, [], {
    sas: [],
    policies: [],
  });
}

function changed(name: string, change: Partial<ConnectionConfig>): readonly ConnectionConfig[] {
  return connections().map((connection) => (connection.name === name ? { ...connection, ...change } : connection));
}

function secrets(given: readonly ConnectionConfig[]): readonly SecretBytes[] {
  return given.flatMap(secretsOf);
}

describe('the difference that a reload makes', () => {
  it('is nothing where every value is the same, and the objects in use stay', () => {
    const running = connections();
    const difference = configDifference(running, connections());
    expect(difference.changes).toEqual([]);
    expect(difference.connections).toEqual(running);
    expect(difference.connections[0]).toBe(running[0]);
  });

  it('removes first, then changes, then adds', () => {
    const running = connections();
    const wanted = [
      ...connections({ 'node-d': '10.78.0.4' }),
      ...changed('node-c', { ikeLifetimeMs: 1_000 }).filter(({ name }) => name === 'node-c'),
    ];
    expect(
      configDifference(running, wanted).changes.map((command) => [
        command.kind,
        'connection' in command ? command.connection.name : 'name' in command ? command.name : '',
      ]),
    ).toEqual([
      ['removeConnection', 'node-b'],
      ['updateConnection', 'node-c'],
      ['addConnection', 'node-d'],
    ]);
  });

  it('takes what is gone and what is new for the same under another name where it has the same reqid', () => {
    const wanted = connections().map((each) => (each.name === 'node-b' ? { ...each, name: 'berlin' } : each));
    expect(configDifference(connections(), wanted).changes).toMatchObject([
      { kind: 'updateConnection', formerName: 'node-b', connection: { name: 'berlin' } },
    ]);
  });

  it('sees a new pre-shared key of the same length', () => {
    const secret = new SecretBytes(new Uint8Array(secrets(connections())[0]?.length ?? 0).fill(1));
    const difference = configDifference(connections(), changed('node-b', byPreSharedKey(secret)));
    expect(difference.changes).toMatchObject([{ kind: 'updateConnection', connection: { name: 'node-b' } }]);
    expect(secret.length).toBeGreaterThan(0);
  });

  it.each([
    ['liveness', { liveness: { intervalMs: 1, timeoutMs: 2 } }],
    ['identity', { remoteIdentity: { idType: 2, data: Uint8Array.of(1) } }],
    ['initiation', { initiation: 'respond' as const }],
    ['children', { children: [] }],
  ])('sees a change of %s', (_what, change) => {
    expect(configDifference(connections(), changed('node-c', change)).changes).toMatchObject([
      { kind: 'updateConnection', connection: { name: 'node-c' } },
    ]);
  });

  it('wipes the keys that were read for nothing, and no others', () => {
    const running = connections();
    const wanted = connections();
    configDifference(running, wanted);
    expect(secrets(wanted).every(({ length }) => length === 0)).toBe(true);
    expect(secrets(running).every(({ length }) => length > 0)).toBe(true);
  });
});
