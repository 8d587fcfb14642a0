import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { hurried } from './configuration.ts';

describe('the alerts of the chart that wait less', () => {
  const text = readFileSync(new URL('../../charts/ikemesh/files/alerts.yaml', import.meta.url), 'utf8');

  it('are otherwise in nothing: where a minute is a second, seconds for minutes make them what they were', () => {
    const { groups } = hurried(text, 60);
    const restored = groups.map((group) => ({
      ...group,
      rules: group.rules.map((rule) => ({
        ...rule,
        expr: rule.expr.replace('[30s:1s]', '[30m:1m]'),
        ...(rule.for === undefined ? {} : { for: rule.for.replace(/s$/, 'm') }),
      })),
    }));
    expect({ groups: restored }).toEqual(parse(text));
    expect({ groups }).not.toEqual(parse(text));
  });

  it('wait for whole seconds, and never for none', () => {
    const waits = hurried(text, 900).groups.flatMap(({ rules }) => rules.flatMap((rule) => rule.for ?? []));
    expect(new Set(waits)).toEqual(new Set(['1s']));
  });
});
