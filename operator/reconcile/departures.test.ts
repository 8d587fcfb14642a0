import { describe, expect, it } from 'vitest';

import { Departures, type Sight } from './departures.ts';

const MINUTE = 60_000;

describe('what is gone', () => {
  const world = () => {
    const server = {
      nodes: new Set(['a', 'b']) as Set<string> | undefined,
      peerings: new Set(['p']),
      definitionSince: 0,
      asked: [] as string[],
    };
    const departures = new Departures(
      {
        nodeUids: async () => server.nodes,
        peeringWasDeleted: async (name, createdAt) => {
          server.asked.push(name);
          return !server.peerings.has(name) && server.definitionSince <= createdAt;
        },
      },
      () => undefined,
    );
    const sight = (nodes: readonly string[], peerings: readonly string[] = ['p', 'q']): Sight => ({
      nodes: new Set(nodes),
      nodesInUse: new Set(['a', 'b', 'c']),
      peerings: new Set(peerings),
      peeringsInUse: new Map([
        ['p', 1],
        ['q', 2],
      ]),
    });
    /** Looks, and once more when what was asked is answered. */
    const look = async (seen: Sight, now: number) => {
      departures.look(seen, now);
      await new Promise((resolve) => setImmediate(resolve));
      const gone = departures.look(seen, now);
      await new Promise((resolve) => setImmediate(resolve));
      return { nodes: [...gone.nodes.keys()], peerings: [...gone.peerings] };
    };
    return { server, departures, sight, look };
  };

  it('is a node that a list with others lacks for five minutes, and that is missing when asked again', async () => {
    const { look, sight } = world();
    expect((await look(sight(['a', 'b']), 0)).nodes).toEqual(['c']);
    expect((await look(sight(['a', 'b']), 5 * MINUTE)).nodes).toEqual(['c']);
  });

  it('is no node that is there when asked again, or that nobody could be asked about', async () => {
    const { look, sight, server } = world();
    await look(sight(['a', 'b']), 0);
    server.nodes = undefined;
    expect((await look(sight(['a', 'b']), 5 * MINUTE)).nodes).toEqual([]);
    server.nodes = new Set();
    expect((await look(sight(['a', 'b']), 6 * MINUTE)).nodes).toEqual([]);
    server.nodes = new Set(['a', 'b', 'c']);
    await look(sight(['a', 'b']), 7 * MINUTE);
    server.nodes = undefined;
    // Its five minutes began anew.
    expect((await look(sight(['a', 'b']), 11 * MINUTE)).nodes).toEqual(['c']);
    expect((await look(sight(['a', 'b']), 12 * MINUTE)).nodes).toEqual([]);
  });

  it('waits, to be asked again, while a node or a peering could not be asked about', async () => {
    const { departures, look, sight, server } = world();
    server.peerings.add('q');
    await look(sight(['a', 'b']), 0);
    expect(departures.isWaiting(4 * MINUTE)).toBe(false);
    server.nodes = undefined;
    await look(sight(['a', 'b']), 5 * MINUTE);
    expect(departures.isWaiting(5 * MINUTE)).toBe(true);
    server.nodes = new Set(['a', 'b']);
    await look(sight(['a', 'b']), 6 * MINUTE);
    expect(departures.isWaiting(6 * MINUTE)).toBe(false);
    await look(sight(['a', 'b'], ['p']), 7 * MINUTE);
    expect(departures.isWaiting(7 * MINUTE)).toBe(true);
  });

  it('is nobody when the list is empty', async () => {
    const { look, sight, server } = world();
    server.peerings.add('q');
    expect(await look(sight([], []), 0)).toEqual({ nodes: [], peerings: [] });
    expect(await look(sight([], []), 60 * MINUTE)).toEqual({ nodes: [], peerings: [] });
  });

  it('is a node whose deletion was watched, also when it was the last', async () => {
    const { departures, look, sight, server } = world();
    departures.nodeIsGone('c', 0);
    server.nodes = new Set(['a']);
    expect((await look(sight([]), 5 * MINUTE)).nodes).toEqual(['c']);
  });

  it('is no node that came back', async () => {
    const { look, sight } = world();
    await look(sight(['a', 'b']), 0);
    expect((await look(sight(['a', 'b', 'c']), 4 * MINUTE)).nodes).toEqual([]);
    expect((await look(sight(['a', 'b', 'c']), 6 * MINUTE)).nodes).toEqual([]);
  });

  it('is a peering that was deleted while nobody watched, also when it was the last', async () => {
    const { look, sight, server } = world();
    expect((await look(sight(['a'], []), 0)).peerings).toEqual(['q']);
    expect(server.asked).toContain('p');
    server.peerings.clear();
    expect((await look(sight(['a'], []), 1)).peerings).toEqual(['q', 'p']);
    expect((await look(sight(['a'], ['p', 'q']), 2)).peerings).toEqual([]);
  });

  it('is no peering that went with the definition of its kind, although others were made since', async () => {
    const { look, sight, server } = world();
    server.peerings.clear();
    server.definitionSince = 2;
    expect((await look(sight(['a'], []), 0)).peerings).toEqual(['q']);
    server.definitionSince = 3;
    expect((await look(sight(['a'], ['q']), 1)).peerings).toEqual([]);
  });

  it('is no peering of which nobody knows when it came to be, and none that was made anew since', async () => {
    const { departures, look, sight, server } = world();
    server.peerings.clear();
    const unknown = { ...sight(['a'], []), peeringsInUse: new Map([['p', undefined]]) };
    expect((await look(unknown, 0)).peerings).toEqual([]);
    expect((await look(sight(['a'], ['p']), 1)).peerings).toEqual(['q']);
    server.definitionSince = 4;
    const anew = { ...sight(['a'], ['p']), peeringsInUse: new Map([['q', 3]]) };
    expect([...departures.look(anew, 2).peerings]).toEqual([]);
  });
});
