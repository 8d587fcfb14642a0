import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  type DashboardLink,
  FieldColorModeId,
  type FieldConfig,
  type Dashboard as GrafanaDashboard,
  type Panel as GrafanaPanel,
  LegendDisplayMode,
  MappingType,
  PercentChangeColorMode,
  SortOrder,
  TableCellHeight,
  type Threshold,
  ThresholdsMode,
  TooltipDisplayMode,
  type VariableModel,
  VizOrientation,
} from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as TimeSeriesOptions } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

import type { Choice, Dashboard, Panel } from './panel.ts';

/** A dashboard as Grafana imports it, by its own schema; data sources are chosen by whoever looks. */
export function grafanaJson(dashboard: Dashboard): string {
  const { name, title, description, choices } = dashboard;
  const json: GrafanaDashboard = {
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
    links: [otherDashboards],
    templating: { list: [dataSourceChoice, ...choices.map(variable)] },
    panels: placed(dashboard),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

function variable({ name, label, series }: Choice): VariableModel {
  const query = `label_values(${series}, ${name})`;
  return {
    name,
    label,
    type: 'query',
    datasource: DATA_SOURCE,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
  };
}

/** Panels in the order of the list, from left to right, each row of them under its title. */
function placed({ rows }: Dashboard): NonNullable<GrafanaDashboard['panels']> {
  const all: NonNullable<GrafanaDashboard['panels']> = [];
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

function panelJson(panel: Panel): GrafanaPanel {
  const { title, description, kind, queries } = panel;
  const isNow = kind !== 'timeseries';
  return {
    type: kind,
    title,
    description,
    datasource: DATA_SOURCE,
    fieldConfig: { defaults: fieldConfig(panel), overrides: [] },
    options: { ...OPTIONS[kind] },
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

function fieldConfig({ unit, kind, thresholds, words }: Panel): FieldConfig {
  return {
    unit,
    ...(kind === 'timeseries' && { min: 0 }),
    // Without thresholds of its own, Grafana makes every number from 80 on red.
    ...(kind === 'stat' && { color: { mode: FieldColorModeId.Fixed, fixedColor: 'text' } }),
    ...(thresholds && {
      color: { mode: FieldColorModeId.Thresholds },
      thresholds: { mode: ThresholdsMode.Absolute, steps: steps(thresholds) },
    }),
    ...(words && {
      mappings: [
        {
          type: MappingType.ValueToText,
          options: Object.fromEntries(words.map((text, index) => [index, { text, index }])),
        },
      ],
    }),
  };
}

function steps({ yellow, red }: NonNullable<Panel['thresholds']>): Threshold[] {
  return red > yellow
    ? [step('green', null), step('yellow', yellow), step('red', red)]
    : [step('red', null), step('yellow', red), step('green', yellow)];
}

function step(color: string, value: number | null): Threshold {
  return { color, value };
}

const COLUMNS = 24;
const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' };
const dataSourceChoice: VariableModel = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
};
const otherDashboards: DashboardLink = {
  type: 'dashboards',
  title: 'ikemesh',
  tooltip: 'The other dashboards of ikemesh',
  icon: 'external link',
  tags: ['ikemesh'],
  asDropdown: true,
  includeVars: true,
  keepTime: true,
  targetBlank: false,
};
const statOptions: StatOptions = {
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  colorMode: BigValueColorMode.Value,
  graphMode: BigValueGraphMode.None,
  justifyMode: BigValueJustifyMode.Auto,
  textMode: BigValueTextMode.Auto,
  orientation: VizOrientation.Auto,
  percentChangeColorMode: PercentChangeColorMode.Standard,
  showPercentChange: false,
  wideLayout: true,
};
const timeSeriesOptions: TimeSeriesOptions = {
  legend: { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] },
  tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending },
};
const tableOptions: TableOptions = { showHeader: true, frameIndex: 0, cellHeight: TableCellHeight.Sm };
const OPTIONS = { stat: statOptions, timeseries: timeSeriesOptions, table: tableOptions };
