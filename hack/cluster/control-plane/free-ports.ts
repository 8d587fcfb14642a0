import { createServer, type Server } from 'node:net';

/**
 * As many different TCP ports as asked for that nobody listened at just now. Somebody else may take one before its user
 * does: whoever starts a server there tries again with others.
 */
export async function freePorts(count: number, address: string): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listening(address)));
  const ports = servers.map((server) => {
    const found = server.address();
    if (found === null || typeof found === 'string') throw new Error(`a TCP server at ${address} has no port`);
    return found.port;
  });
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

function listening(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, address, () => resolve(server));
  });
}
