import { describe, expect, it } from 'vitest';

import { err, ok } from '../result.ts';
import type { ApiRequest } from './api-client.ts';
import { refused } from './api-failure.ts';
import { NodeToken } from './node-token.ts';

function exchange() {
  const state = { nowMs: 1_000, asked: [] as ApiRequest[], refusal: undefined as number | undefined };
  const token = new NodeToken({
    nodeName: 'node-a',
    namespace: 'ikemesh-nodes',
    monotonicMs: () => state.nowMs,
    client: {
      ask: async (request) => {
        state.asked.push(request);
        if (state.refusal !== undefined) return err(refused('POST', state.refusal, '{"message":"no"}', 0));
        return ok({ spec: { expirationSeconds: 3_600 }, status: { token: `token ${state.asked.length}` } });
      },
    },
  });
  return { state, token };
}

describe("the token of the node's own ServiceAccount", () => {
  it('is bound to the Node, and asked for once by all who need it', async () => {
    const { state, token } = exchange();
    const both = await Promise.all([token.token(), token.token()]);
    expect(both).toEqual([ok('token 1'), ok('token 1')]);
    expect(state.asked).toMatchObject([
      {
        path: '/api/v1/namespaces/ikemesh-nodes/serviceaccounts/node-node-a/token',
        body: { spec: { boundObjectRef: { kind: 'Node', name: 'node-a' } } },
      },
    ]);
  });

  it('is renewed long before it ends, and used to its end where that fails', async () => {
    const { state, token } = exchange();
    await token.token();
    state.nowMs += 2_399_000;
    expect(await token.token()).toEqual(ok('token 1'));
    state.nowMs += 2_000;
    state.refusal = 500;
    expect(await token.token()).toEqual(ok('token 1'));
    state.nowMs += 1_200_000;
    expect(await token.token()).toMatchObject({ ok: false });
    state.refusal = undefined;
    state.nowMs += 6_000;
    expect(await token.token()).toMatchObject({ ok: true });
  });

  it('is not asked for again and again where it is refused, and says why', async () => {
    const { state, token } = exchange();
    state.refusal = 403;
    expect(await token.token()).toMatchObject({ ok: false, error: expect.stringContaining('RBAC does not allow it') });
    await token.token();
    expect(state.asked).toHaveLength(1);
    state.nowMs += 6_000;
    await token.token();
    expect(state.asked).toHaveLength(2);
  });

  it('is asked for anew when the API server does not accept it any more', async () => {
    const { token } = exchange();
    await token.token();
    token.forget();
    expect(await token.token()).toEqual(ok('token 2'));
  });
});
