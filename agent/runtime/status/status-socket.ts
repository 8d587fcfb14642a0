import { request } from 'node:http';

import { err, ok, type Result } from '../../result.ts';

/** Asks the agent that listens at `path` for one of its reports; the error is a sentence. */
export async function fetchReport<T>(path: string, what: string): Promise<Result<T, string>> {
  try {
    const body = await get(path, what);
    return ok(JSON.parse(body) as T);
  } catch (error) {
    return err(failureText(path, error));
  }
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_BODY_BYTES) call.destroy(new Error(`more than ${MAX_BODY_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(new Error(`status code ${response.statusCode}`));
      });
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
    call.on('error', reject);
    call.end();
  });
}

function failureText(path: string, error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `no agent is running here (nobody answers at ${path}): start one, or name its --socket`;
    case 'EACCES':
    case 'EPERM':
      return `${path} may be opened only by the user that the agent runs as: use that user, or root`;
    default:
      return `the agent at ${path} gave no status: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const TIMEOUT_MS = 10_000;
/** 10,000 peers with a Child SA each take some 15 MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
