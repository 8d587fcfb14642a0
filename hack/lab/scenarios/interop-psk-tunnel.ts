import { interopScenarios } from '../interop/interop-scenario.ts';
import { tunnelChild } from '../interop/link-settings.ts';

export default interopScenarios({
  name: 'psk-tunnel',
  description: 'pre-shared key, tunnel mode, IPv4 in IPv4 between networks behind both ends',
  settings: { networks: true, children: [tunnelChild(4)] },
});
