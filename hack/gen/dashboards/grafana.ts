import type { Choice, Dashboard, Panel } from './panel.ts';

/** A dashboard as Grafana imports it; data sources are chosen by whoever looks. */
export function grafanaJson(dashboard: Dashboard): string {
  const { name, title, description, choices } = dashboard;
  const json = {
    uid: `ikemesh-${name}`,
    title: `ikemesh / ${title}`,
    description,
    tags: ['ikemesh'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    links: [
      { type: 'dashboards', title: 'ikemesh', tags: ['ikemesh'], asDropdown: true, includeVars: true, keepTime: true },
    ],
    templating: { list: [dataSourceChoice, ...choices.map(variable)] },
    panels: placed(dashboard),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

function variable({ name, label, series }: Choice): object {
  const query = `label_values(${series}, ${name})`;
  return {
    name,
    label,
    type: 'query',
    datasource: DATA_SOURCE,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
  };
}

/** Panels in the order of the list, from left to right, each row of them under its title. */
function placed({ rows }: Dashboard): readonly object[] {
  const all: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    all.push({
      id: all.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    let tallest = 0;
    for (const panel of panels) {
      const h = panel.kind === 'stat' ? 4 : 8;
      if (x + panel.width > COLUMNS) {
        x = 0;
        y += tallest;
        tallest = 0;
      }
      all.push({ id: all.length + 1, ...panelJson(panel), gridPos: { x, y, w: panel.width, h } });
      x += panel.width;
      tallest = Math.max(tallest, h);
    }
    y += tallest;
  }
  return all;
}

function panelJson(panel: Panel): object {
  const { title, description, unit, kind, queries, thresholds } = panel;
  const isNow = kind !== 'timeseries';
  return {
    type: kind,
    title,
    description,
    datasource: DATA_SOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: kind === 'timeseries' ? 0 : undefined,
        ...(thresholds && {
          color: { mode: 'thresholds' },
          thresholds: { mode: 'absolute', steps: steps(thresholds) },
        }),
      },
      overrides: [],
    },
    options: OPTIONS[kind],
    ...(kind === 'table' && { transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }] }),
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource: DATA_SOURCE,
      expr,
      legendFormat: legend,
      ...(isNow && { instant: true }),
      ...(kind === 'table' && { format: 'table' }),
    })),
  };
}

function steps({ yellow, red }: NonNullable<Panel['thresholds']>): readonly object[] {
  return red > yellow
    ? [step('green', null), step('yellow', yellow), step('red', red)]
    : [step('red', null), step('yellow', red), step('green', yellow)];
}

function step(color: string, value: number | null): object {
  return { color, value };
}

const COLUMNS = 24;
const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' };
const dataSourceChoice = { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' };
const OPTIONS = {
  stat: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none' },
  timeseries: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
  table: { showHeader: true },
};
