import { describe, expect, it } from 'vitest';

import { type Choice, chooseRows } from './choice.ts';
import type { LifecycleEvent } from './event.ts';
import { events } from './events.ts';
import { families, modes, rowName } from './row.ts';

const all: Choice = { names: [], full: false, quick: false };

describe('chooseRows', () => {
  it('has each event in both modes and both families', () => {
    const rows = chosen([event('one'), event('two')]);
    expect(rows).toHaveLength(8);
    expect(new Set(rows.map(rowName)).size).toBe(8);
  });

  it('has one mode or one family where that is wanted', () => {
    const rows = chosen([event('one')], { mode: 'tunnel', family: 'IPv6' });
    expect(rows).toEqual([{ event: 'one', mode: 'tunnel', family: 'IPv6' }]);
    expect(chosen([event('one')], { family: 'IPv4' }).map(({ mode }) => mode)).toEqual(['transport', 'tunnel']);
  });

  it('leaves long events to --full, unless they are named', () => {
    const table = [event('short'), event('long', 'long')];
    expect(names(chosen(table))).toEqual(['short']);
    expect(names(chosen(table, { full: true }))).toEqual(['short', 'long']);
    expect(names(chosen(table, { names: ['long'] }))).toEqual(['long']);
  });

  it('has one row of each quick event with --quick, both modes and both families among them', () => {
    const rows = chosen(events, { quick: true });
    expect(new Set(rows.map(({ mode, family }) => `${mode} ${family}`)).size).toBe(modes.length * families.length);
    expect(names(rows)).toEqual(events.filter(({ worth }) => worth === 'quick').map(({ name }) => name));
    expect(rows).toHaveLength(names(rows).length);
  });

  it('has events on a cluster with --full or by their names, in both modes and by both families', () => {
    const choose = (changes: Partial<Choice>) => {
      const rows = chooseRows([event('one')], [{ name: 'api-server-away' }], { ...all, ...changes });
      return rows.ok ? rows.value.filter(({ event: name }) => name !== 'one') : [];
    };
    const rows = modes.flatMap((mode) => families.map((family) => ({ event: 'api-server-away', mode, family })));
    expect(choose({ full: true })).toEqual(rows);
    expect(choose({ names: ['api-server-away'] })).toEqual(rows);
    expect(choose({ full: true, mode: 'tunnel' })).toEqual(rows.filter(({ mode }) => mode === 'tunnel'));
    for (const changes of [{}, { quick: true }, { names: ['one'] }]) {
      expect(choose(changes)).toEqual([]);
    }
  });

  it('refuses a name that no event has', () => {
    expect(chooseRows([event('one')], [], { ...all, names: ['won'] })).toEqual({
      ok: false,
      error: "there is no event 'won'; --list names them",
    });
  });
});

function event(name: string, worth?: LifecycleEvent['worth']): LifecycleEvent {
  return { name, description: name, ...(worth && { worth }), run: async () => undefined };
}

function chosen(table: readonly LifecycleEvent[], changes: Partial<Choice> = {}) {
  const rows = chooseRows(table, [], { ...all, ...changes });
  if (!rows.ok) throw new Error(rows.error);
  return rows.value;
}

function names(rows: readonly { readonly event: string }[]): readonly string[] {
  return [...new Set(rows.map((row) => row.event))];
}
