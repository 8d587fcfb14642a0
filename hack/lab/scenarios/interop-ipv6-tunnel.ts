import { interopScenarios } from '../interop/interop-scenario.ts';
import { tunnelChild } from '../interop/link-settings.ts';

export default interopScenarios({
  name: 'ipv6-tunnel',
  rolesTakeTurns: true,
  description: 'tunnel mode, IPv6 in IPv6 between networks behind both ends',
  settings: { family: 6, networks: true, children: [tunnelChild(6)] },
});
