/**
 * Runs by `node -e` in the container of an agent, which shares the network of its host: so it works with every version of
 * the image. Everything in it is read, nothing changed. The clock is read last.
 */
export const HOST_SCRIPT = `
const fs = require('node:fs'), os = require('node:os');
const read = (file) => { try { return fs.readFileSync(file, 'latin1'); } catch { return ''; } };
const errors = () => Object.fromEntries([...read('/proc/net/xfrm_stat').matchAll(/^(Xfrm\\w{1,60})\\s+(\\d{1,15})$/gm)]
  .slice(0, 128).map(([, name, count]) => [name, Number(count)]));
const before = errors();
setTimeout(() => {
  const after = errors();
  const found = {};
  for (const [name, total] of Object.entries(after)) found[name] = { total, added: total - (before[name] ?? 0) };
  const interfaces = Object.entries(os.networkInterfaces()).slice(0, 256).map(([name, list]) => ({
    name, mtu: Number(read('/sys/class/net/' + name + '/mtu')) || 0, addresses: list.slice(0, 16).map(({ address }) => address),
  }));
  const modules = [...read('/proc/modules').matchAll(/^(esp4|esp6|xfrm_user|esp4_offload|esp6_offload|xfrm_interface)\\b/gm)]
    .map(([, name]) => name);
  process.stdout.write(JSON.stringify({ kernel: os.release(), errors: found, interfaces, modules, wallMs: Date.now() }));
}, 1000);
`;
