import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'psk-transport',
  description: 'pre-shared key, transport mode, IPv4',
});
