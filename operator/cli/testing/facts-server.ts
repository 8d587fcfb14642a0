import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';

import type { Facts, PodFact } from '../diagnosis/facts.ts';
import { type Known, valueOr } from '../diagnosis/known.ts';

/** An API server that tells what is in facts, and whose kubelets let agents answer; every other list is empty. */
export function serveFacts(facts: Facts): Server {
  const lists: Readonly<Record<string, readonly unknown[]>> = {
    '/api/v1/nodes': valueOr(facts.nodes, []).map(({ object, ready }) => ({
      ...object,
      status: { ...object.status, conditions: [{ type: 'Ready', status: ready }] },
    })),
    '/api/v1/pods': valueOr(facts.pods, []).map(podObject),
    '/apis/ikemesh.io/v1alpha1/ipsecpeerings': valueOr(facts.peerings, []),
    '/apis/ikemesh.io/v1alpha1/ipsecnodeconfigs': valueOr(facts.configs, []),
  };
  const server = createServer(({ url = '' }, response) => {
    const { pathname } = new URL(url, 'http://test');
    response.end(JSON.stringify({ items: lists[pathname] ?? [] }));
  });
  server.on('upgrade', ({ url = '', headers }, socket) => {
    const { pathname, searchParams } = new URL(url, 'http://test');
    const [, name] = /\/pods\/([^/]+)\/exec$/.exec(pathname) ?? [];
    const node = valueOr(facts.pods, []).find((pod) => pod.name === name)?.nodeName ?? '';
    const asked: Known<unknown> | undefined = searchParams.getAll('command').includes('status')
      ? facts.agents.get(node)
      : facts.hosts.get(node);
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${WEBSOCKET_GUID}`).digest('base64');
    const [protocol = ''] = headers['sec-websocket-protocol']?.split(',') ?? [];
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    );
    socket.write(frame(STDOUT, JSON.stringify(valueOr(asked, { error: 'it was not asked' }))));
    socket.write(frame(ENDED, JSON.stringify({ status: 'Success' })));
  });
  return server;
}

function podObject({ name, namespace, uid, component, nodeName, phase, ready, args }: PodFact): unknown {
  const labels = { 'app.kubernetes.io/part-of': 'ikemesh', 'app.kubernetes.io/component': component };
  return {
    metadata: { name, namespace, uid, labels },
    spec: { nodeName, containers: [{ name: component, args }] },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

/** A message of a WebSocket on one of the channels of a command, whole and unmasked (RFC 6455 §5.2). */
function frame(channel: number, text: string): Buffer {
  const payload = Buffer.concat([Buffer.of(channel), Buffer.from(text)]);
  const header = Buffer.alloc(10);
  header.writeUInt8(0x82, 0);
  header.writeUInt8(127, 1);
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const STDOUT = 1;
const ENDED = 3;
