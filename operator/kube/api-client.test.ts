import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';

import { ApiClient } from './api-client.ts';

const SILENCE_MS = 100;
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

describe('a watch', () => {
  it('ends where the server takes the request and never answers, so that it is begun anew', async () => {
    expect(await watch(() => undefined)).toEqual({
      lines: [],
      answer: { ok: false, error: expect.objectContaining({ message: 'nothing was heard for 0.1 s' }) },
    });
  });

  it('ends where the server has begun to answer and is silent then', async () => {
    const heard = await watch((_, response) => response.write('{"type":"BOOKMARK"}\n'));
    expect(heard.lines).toEqual([{ type: 'BOOKMARK' }]);
    expect(heard.answer).toMatchObject({ ok: false, error: { message: 'nothing was heard for 0.1 s' } });
  });

  it('goes on for as long as something is heard now and then', async () => {
    const silenceMs = 6 * SILENCE_MS;
    const heard = await watch((_, response) => {
      let left = 7;
      const timer = setInterval(() => {
        response.write(`${JSON.stringify({ left })}\n`);
        left -= 1;
        if (left > 0) return;
        clearInterval(timer);
        response.end();
      }, SILENCE_MS);
    }, silenceMs);
    expect(heard.answer).toEqual({ ok: true, value: undefined });
    expect(heard.lines).toHaveLength(7);
  });
});

async function watch(listener: RequestListener, silenceMs = SILENCE_MS) {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new ApiClient({ server: new URL(`http://127.0.0.1:${port}`), options: async () => ({ headers: {} }) });
  const lines: unknown[] = [];
  const answer = await client.stream(
    { method: 'GET', path: '/api/v1/nodes' },
    new AbortController().signal,
    silenceMs,
    (line) => lines.push(line),
  );
  return { lines, answer };
}
