/**
 * The part of prom-client that writes samples out. Its whole loads modules of clusters, child processes, profiling and tracing,
 * which nobody here uses, and which would stay in the memory of every agent that is scraped.
 */
declare module 'prom-client/lib/registry.js' {
  import { Registry } from 'prom-client';

  export default Registry;
}
