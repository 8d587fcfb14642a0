import { complete } from '../topology/completed.ts';

/**
 * Lets programs that count have receive buffers of megabytes, as far as this kernel lets us: in the default of 200 kB there
 * is room for a second of a stream, and a guest may pause for longer. A limit of all namespaces, which ends with the lab.
 */
export async function allowLargeReceiveBuffers(): Promise<void> {
  // Where the lab has a namespace in the host's own kernel, that does not let us.
  await complete(['sysctl', '-qw', `net.core.rmem_max=${BUFFER_BYTES}`]);
}

const BUFFER_BYTES = 16 * 1024 * 1024;
