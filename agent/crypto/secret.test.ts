import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SecretBytes } from './secret.ts';

const SECRET = 'correct horse';
const make = (): SecretBytes => new SecretBytes(new TextEncoder().encode(SECRET));

describe('SecretBytes', () => {
  it.each<[string, (secret: SecretBytes) => string]>([
    ['a template string', (secret) => `${secret}`],
    ['JSON', (secret) => JSON.stringify({ secret })],
    ['util.inspect', (secret) => inspect({ secret }, { depth: 9, showHidden: true })],
    ['an error that carries it', (secret) => inspect(new Error('failed', { cause: secret }))],
    ['an error message', (secret) => new Error(`failed with ${secret}`).message],
    ['String()', (secret) => String(secret)],
    ['its own keys', (secret) => Reflect.ownKeys(secret).join()],
    ['a copy of its properties', (secret) => inspect({ ...secret })],
  ])('is not shown by %s', (_, show) => {
    const shown = show(make());
    expect(shown).not.toContain(SECRET);
    expect(shown).not.toContain('99, 111, 114');
    expect(shown).not.toMatch(/63 ?6f ?72/);
  });

  it('lends its bytes', () => {
    expect(make().use((bytes) => new TextDecoder().decode(bytes))).toBe(SECRET);
    expect(make().length).toBe(SECRET.length);
  });

  it('overwrites its bytes when wiped, and may be wiped twice', () => {
    const bytes = new TextEncoder().encode(SECRET);
    const secret = new SecretBytes(bytes);
    expect(secret.isWiped).toBe(false);
    secret.wipe();
    secret.wipe();
    expect(secret.isWiped).toBe(true);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(secret.length).toBe(0);
  });

  it('throws when used after it was wiped, without saying what it was', () => {
    const secret = make();
    secret.wipe();
    expect(() => secret.use((bytes) => bytes)).toThrow('secret used after it was wiped');
  });

  it('keeps what was derived from it last, and wipes it when that is another or when it is wiped itself', () => {
    const made: Uint8Array[] = [];
    const secret = make();
    const derive = (name: number): SecretBytes =>
      secret.derived(name, (bytes) => {
        made.push(Uint8Array.from(bytes, (byte) => byte + name));
        return made.at(-1) ?? bytes;
      });
    expect([derive(1), derive(1), derive(2)].map(({ length }) => length)).toEqual([0, 0, SECRET.length]);
    expect(made.map((bytes) => bytes.some((byte) => byte !== 0))).toEqual([false, true]);
    secret.wipe();
    expect(made.map((bytes) => bytes.some((byte) => byte !== 0))).toEqual([false, false]);
  });
});
