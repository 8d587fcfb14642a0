/** A question to Prometheus, and what its series are called; `{{label}}` stands for a label's value. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** A part of a dashboard. */
export interface Panel {
  readonly title: string;
  /** What is seen, and what it means. */
  readonly description: string;
  /** Of Grafana's list of units. */
  readonly unit: Unit;
  readonly kind: 'stat' | 'timeseries' | 'table';
  readonly queries: readonly Query[];
  /** Of 24 columns; those that fit stand side by side. */
  readonly width: number;
  /** From this value on it is yellow, from that on red; or the other way round where less is worse. */
  readonly thresholds?: { readonly yellow: number; readonly red: number };
  /** What is shown instead of the numbers 0, 1, 2 and so on. */
  readonly words?: readonly string[];
  /** What has to go wrong before there is anything to see; left out where there always is. */
  readonly onlyAfter?: string;
}

/** What a user chooses at the top of a dashboard, by the values of a label. */
export interface Choice {
  readonly name: string;
  readonly label: string;
  readonly series: string;
}

/** A dashboard, in rows of panels. */
export interface Dashboard {
  /** Part of its file's name and of its uid. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly choices: readonly Choice[];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

type Unit = 'none' | 'short' | 's' | 'bytes' | 'Bps' | 'pps' | 'ops' | 'bool_yes_no' | 'percentunit';

type More = Partial<Pick<Panel, 'width' | 'thresholds' | 'words' | 'onlyAfter'>>;

/** One number. */
export function stat(title: string, unit: Unit, expr: string, description: string, more: More = {}): Panel {
  return { title, description, unit, kind: 'stat', width: 4, queries: [{ expr, legend: title }], ...more };
}

/** Lines over time: each query with its legend. */
export function lines(
  title: string,
  unit: Unit,
  queries: Readonly<Record<string, string>>,
  description: string,
  more: More = {},
): Panel {
  const asked = Object.entries(queries).map(([legend, expr]) => ({ legend, expr }));
  return { title, description, unit, kind: 'timeseries', width: 8, queries: asked, ...more };
}

/** The values of this moment, a row each. */
export function table(title: string, unit: Unit, expr: string, description: string, more: More = {}): Panel {
  return { title, description, unit, kind: 'table', width: 12, queries: [{ expr, legend: '' }], ...more };
}
