import { interopScenarios } from '../interop/interop-scenario.ts';

export default interopScenarios({
  name: 'strongswan-psk-transport',
  description: 'pre-shared key, transport mode, IPv4',
});
