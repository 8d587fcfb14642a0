import { fleet } from './fleet.ts';
import { grafanaJson } from './grafana.ts';
import { node } from './node.ts';
import type { Dashboard } from './panel.ts';
import { peer } from './peer.ts';

/** All dashboards of the chart. */
export const DASHBOARDS: readonly Dashboard[] = [fleet, node, peer];

/** Their files in the chart. */
export function dashboardFiles(): readonly { readonly path: string; readonly text: string }[] {
  return DASHBOARDS.map((dashboard) => ({
    path: `charts/ikemesh/files/dashboards/${dashboard.name}.json`,
    text: grafanaJson(dashboard),
  }));
}
