import { describe, expect, it } from 'vitest';

import { AGENT_METRICS } from '../../../agent/metrics/definitions.ts';
import type { MetricDefinition } from '../../../operator/api/metric-definition.ts';
import { OPERATOR_METRICS } from '../../../operator/metrics/definitions.ts';
import { DASHBOARDS, dashboardFiles } from './dashboards.ts';

const METRICS: readonly MetricDefinition[] = [...AGENT_METRICS, ...OPERATOR_METRICS];
const panels = DASHBOARDS.flatMap(({ name, rows }) =>
  rows.flatMap((row) => row.panels.map((panel) => ({ ...panel, dashboard: name }))),
);

describe('the dashboards', () => {
  it.each(panels)('$dashboard: $title asks for metrics and labels that there are, and explains itself', (panel) => {
    expect(panel.description).toMatch(/\.$/);
    for (const { expr } of panel.queries) {
      for (const [, name = '', matchers = ''] of expr.matchAll(/\b(ikemesh_[a-z_]+)(?:\{([^}]*)\})?/g)) {
        const metric = METRICS.find((each) => each.name === name.replace(/_(bucket|sum|count)$/, ''));
        expect(metric, name).toBeDefined();
        const labels = [...matchers.matchAll(/([a-z_]+)(?:=|!)/g)].map(([, label]) => label);
        for (const label of labels) expect([...(metric?.labels ?? []), 'node'], name).toContain(label);
      }
    }
  });

  it.each(panels)('$dashboard: $title has a title, a unit, and a legend for every series', (panel) => {
    expect(panel.title).not.toBe('');
    expect(panel.unit).not.toBe('');
    const legends = panel.queries.map(({ legend }) => legend);
    // A table has columns.
    if (panel.kind !== 'table') expect(legends).not.toContain('');
    expect(new Set(legends).size).toBe(legends.length);
    for (const { legend, expr } of panel.queries) {
      const kept = /\b(?:by|on) \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? [];
      const isOfOneMetric = /^ikemesh_[a-z_]+$/.test(expr);
      for (const [, label] of legend.matchAll(/\{\{([a-z_]+)\}\}/g)) {
        if (!isOfOneMetric) expect(kept, `${expr} keeps what its legend names`).toContain(label);
      }
    }
  });

  it('ask the data source that was chosen, in every panel, query and choice', () => {
    for (const { path, text } of dashboardFiles()) {
      const dashboard = JSON.parse(text) as Placed & {
        readonly templating: { readonly list: readonly { readonly type: string; readonly datasource?: object }[] };
        readonly panels: readonly (Placed & { readonly type: string; readonly targets?: readonly Asking[] })[];
      };
      const [first, ...choices] = dashboard.templating.list;
      expect(first, path).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
      const shown = dashboard.panels.filter(({ type }) => type !== 'row');
      const asking = [...choices, ...shown, ...shown.flatMap(({ targets = [] }) => targets)];
      for (const { datasource } of asking as readonly Asking[]) expect(datasource).toEqual(CHOSEN);
    }
  });

  it('make no number red by itself: only thresholds that were thought of have colours', () => {
    for (const { text } of dashboardFiles()) {
      const { panels: shown } = JSON.parse(text) as { readonly panels: readonly Coloured[] };
      for (const { type, title, fieldConfig } of shown) {
        if (type !== 'stat') continue;
        const { color, thresholds } = fieldConfig.defaults;
        expect(color.mode, title).toBe(thresholds === undefined ? 'fixed' : 'thresholds');
      }
    }
  });

  it('show every metric of operator and agents but build_info, or its like for the node', () => {
    const asked = panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)).join('\n');
    const left = METRICS.map(({ name }) => name).filter((name) => !new RegExp(`\\b${name}(_|\\b)`).test(asked));
    expect(left.sort()).toEqual(NOT_SHOWN);
  });

  it('have no two panels of one id, none that leaves its dashboard, and none that covers another', () => {
    for (const { text } of dashboardFiles()) {
      const { panels: placed } = JSON.parse(text) as { readonly panels: readonly Placed[] };
      expect(new Set(placed.map(({ id }) => id)).size).toBe(placed.length);
      const cells = placed.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
      );
      expect(new Set(cells).size).toBe(cells.length);
      for (const { gridPos } of placed) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
  });
});

const CHOSEN = { type: 'prometheus', uid: '$datasource' };

interface Asking {
  readonly datasource?: object;
}

interface Coloured {
  readonly type: string;
  readonly title: string;
  readonly fieldConfig: {
    readonly defaults: { readonly color: { readonly mode: string }; readonly thresholds?: object };
  };
}

interface Placed {
  readonly id: number;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

/** Alerts watch the first ones; the others are for people who ask. */
const NOT_SHOWN = [
  'ikemesh_operator_ready',
  'ikemesh_operator_write_duration_seconds',
  'ikemesh_peering_nodes',
  'ikemesh_peers_without_series',
];
