/**
 * Asks the agent now and then what is the case, and shows it. Whatever it says is text, never markup: names and failures come
 * from peers.
 *
 * @import { Overview, PeerLine } from '../overview.ts'
 * @import { ChildSaReport, IkeSaReport, PeerReport, SaReport } from '../../runtime/status/report.ts'
 */

/** How many peers are shown at once: a browser draws these in some milliseconds. */
const PAGE_SIZE = 100;
/** Where the agent does not answer, or not what was hoped for. */
const RETRY_MS = 5_000;
const ANSWER_TIMEOUT_MS = 15_000;

/** @typedef {Overview & { readonly refreshMs: number }} Told */
/** @typedef {'all' | 'trouble' | PeerLine['state']} Shown */

/** @type {Told | undefined} */
let told;
/** @type {Shown} */
let shownState = 'all';
let mostShown = PAGE_SIZE;
let isPaused = false;
/** Name of the peer whose SAs are shown. */
let openPeer = '';
/** @type {PeerReport | string | undefined} */
let openReport;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let lastAnnounced = '';
/** Raised by each question, so that an answer that comes late is known as such. */
let asked = 0;

const search = /** @type {HTMLInputElement} */ (element('search'));
const compareNames = new Intl.Collator('en', { numeric: true }).compare;

element('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  element('pause').setAttribute('aria-pressed', String(isPaused));
  clearTimeout(timer);
  if (isPaused) showLive('Paused');
  else void refresh();
});
search.addEventListener('input', () => {
  mostShown = PAGE_SIZE;
  showPeers();
});
element('more').addEventListener('click', () => {
  mostShown += PAGE_SIZE;
  showPeers();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !isPaused) void refresh();
});
void refresh();

/** Asks, shows, and does so again when the agent wants to be asked; nobody is asked for a page that nobody sees. */
async function refresh() {
  clearTimeout(timer);
  asked += 1;
  const question = asked;
  let againMs = RETRY_MS;
  try {
    const answer = /** @type {Told} */ (await ask('overview.json'));
    if (openPeer !== '') await fetchDetails(openPeer);
    if (question !== asked || isPaused) return;
    told = answer;
    againMs = answer.refreshMs;
    show();
    setTrouble('');
    showLive(`Live: as of ${clockText(answer.atMs)}, every ${Math.round(againMs / 1_000)} s`);
  } catch (error) {
    if (question !== asked) return;
    const text = error instanceof Error ? error.message : String(error);
    setTrouble(
      `Not live: ${text}.${told === undefined ? '' : ` What is shown is of ${clockText(told.atMs)}.`} It is tried again.`,
    );
    showLive('Not live');
  }
  if (!isPaused && !document.hidden) timer = setTimeout(() => void refresh(), againMs);
}

/** @param {string} path */
async function ask(path) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
  } catch {
    throw new Error('the agent does not answer');
  }
  if (response.ok || path.startsWith('peer.json')) {
    if ((response.headers.get('content-type') ?? '').startsWith('application/json')) return response.json();
  }
  if (response.status === 401)
    throw new Error('the token does not count any more: load the page again, with a new one');
  throw new Error((await response.text()).trim().slice(0, 300) || `the agent answers ${response.status}`);
}

/** @param {string} name */
async function fetchDetails(name) {
  const answer = /** @type {PeerReport | { readonly error: string }} */ (
    await ask(`peer.json?name=${encodeURIComponent(name)}`)
  );
  if (name === openPeer) openReport = 'error' in answer ? answer.error : answer;
}

function show() {
  if (told === undefined) return;
  const { node, version, cryptoProvider, uptimeSeconds, faults, bypasses } = told;
  setText(element('node'), node === '' ? 'ikemesh agent' : node);
  document.title = `${node === '' ? 'agent' : node} – ikemesh`;
  const about = [`ikemesh ${version}`, cryptoProvider, node === '' ? '' : `up ${duration(uptimeSeconds)}`];
  setText(element('about'), about.filter((text) => text !== '').join(' · '));
  element('faults').hidden = faults.length === 0;
  setItems(child(element('faults'), 'ul'), faults);
  const never = bypasses.map(({ traffic, policies, installed }) =>
    installed === policies
      ? traffic
      : `${traffic}: ${policies - installed} of ${policies} policies are not in the kernel`,
  );
  setItems(element('bypasses'), never.length === 0 ? ['nothing'] : never);
  showStates();
  showPeers();
  showEvents();
  showCounters();
  showCertificates();
}

/** Numbers of peers by state, each a button that shows these only. */
function showStates() {
  const peers = told?.peers ?? [];
  /** @type {readonly (readonly [Shown, string])[]} */
  const states = [
    ['all', 'peers'],
    ['trouble', 'in trouble'],
    ['down', 'down'],
    ['connecting', 'connecting'],
    ['established', 'established only'],
    ['encrypting', 'encrypting'],
    ['idle', 'idle'],
  ];
  const group = element('states');
  if (group.childElementCount === 0) {
    for (const [state] of states) {
      const button = make('button');
      button.setAttribute('type', 'button');
      button.append(make('b'), ' ', make('span'));
      button.addEventListener('click', () => {
        shownState = state;
        mostShown = PAGE_SIZE;
        showStates();
        showPeers();
      });
      group.append(button);
    }
  }
  for (const [index, [state, label]] of states.entries()) {
    const button = /** @type {HTMLElement} */ (group.children[index]);
    button.setAttribute('aria-pressed', String(state === shownState));
    setText(child(button, 'b'), peers.filter((peer) => isShown(peer, state)).length.toLocaleString('en'));
    setText(child(button, 'span'), label);
  }
  const inTrouble = peers.filter((peer) => isShown(peer, 'trouble')).length;
  const announcement =
    inTrouble === 0 ? 'no peer is in trouble' : `${inTrouble} of ${peers.length} peers are in trouble`;
  // The first one is what the page says anyway.
  if (lastAnnounced !== '' && announcement !== lastAnnounced) setText(element('announcement'), announcement);
  lastAnnounced = announcement;
}

/**
 * @param {PeerLine} peer
 * @param {Shown} state
 */
function isShown(peer, state) {
  if (state === 'all') return true;
  return state === 'trouble' ? isTroubled(peer) : peer.state === state;
}

/** @param {PeerLine} peer */
function isTroubled({ state, reason }) {
  return (state !== 'encrypting' && state !== 'idle') || reason === 'PeerSilent';
}

function showPeers() {
  const peers = told?.peers ?? [];
  const words = search.value
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = peers
    .filter((peer) => isShown(peer, shownState))
    .filter(({ name, address, state, reason, message }) => {
      const text = `${name} ${address} ${state} ${reason} ${message}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((one, other) => one.rank - other.rank || compareNames(one.name, other.name));
  const shown = found.slice(0, mostShown);
  const numbers =
    found.length === peers.length
      ? `${peers.length.toLocaleString('en')} peers`
      : `${found.length.toLocaleString('en')} of ${peers.length.toLocaleString('en')} peers`;
  setText(
    element('shown'),
    `${numbers}, what is worst first${shown.length < found.length ? `; the first ${shown.length} are shown` : ''}`,
  );
  const more = element('more');
  more.hidden = shown.length === found.length;
  setText(more, `Show ${Math.min(PAGE_SIZE, found.length - shown.length)} more`);
  const body = child(element('peer-table'), 'tbody');
  keyed(
    body,
    shown.flatMap((peer) => (peer.name === openPeer ? [peer, { details: peer.name }] : [peer])),
    (item) => ('details' in item ? `details of ${item.details}` : `peer ${item.name}`),
    (item) => ('details' in item ? detailsRow() : peerRow(item)),
    (row, item) => ('details' in item ? updateDetails(row) : updatePeer(row, item)),
  );
}

/** @param {PeerLine} peer */
function peerRow({ name }) {
  const row = make('tr');
  const head = make('th');
  head.setAttribute('scope', 'row');
  const button = make('button', 'name');
  button.setAttribute('type', 'button');
  setText(button, name);
  button.addEventListener('click', () => void toggle(name));
  head.append(button, make('span', 'small'));
  const state = make('td');
  state.append(make('span', 'badge'), make('b'), make('span', 'message'));
  row.append(head, state, make('td', 'number wide'), make('td', 'number wide'), make('td', 'number wide'));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {PeerLine} peer
 */
function updatePeer(row, peer) {
  const { name, state, reason, message, address, bytesIn, bytesOut, heardSeconds } = peer;
  const [head, why, ...numbers] = /** @type {HTMLElement[]} */ ([...row.children]);
  if (head === undefined || why === undefined) return;
  child(head, 'button').setAttribute('aria-expanded', String(name === openPeer));
  setText(child(head, 'span'), address);
  const badge = child(why, 'span');
  badge.className = `badge ${isTroubled(peer) ? (state === 'established' || state === 'connecting' ? 'fair' : 'bad') : 'good'}`;
  setText(badge, state);
  setText(child(why, 'b'), reason);
  setText(child(why, '.message'), message);
  const texts = [
    byteText(bytesIn),
    byteText(bytesOut),
    heardSeconds === undefined ? '–' : `${duration(heardSeconds)} ago`,
  ];
  for (const [index, cell] of numbers.entries()) setText(cell, texts[index] ?? '');
}

/** @param {string} name */
async function toggle(name) {
  openPeer = openPeer === name ? '' : name;
  openReport = undefined;
  showPeers();
  if (openPeer === '') return;
  try {
    await fetchDetails(name);
  } catch (error) {
    openReport = error instanceof Error ? error.message : String(error);
  }
  showPeers();
}

function detailsRow() {
  const row = make('tr', 'details');
  const cell = make('td');
  cell.setAttribute('colspan', '5');
  row.append(cell);
  return row;
}

/** @param {HTMLElement} row */
function updateDetails(row) {
  const cell = child(row, 'td');
  if (openReport === undefined || typeof openReport === 'string') {
    cell.replaceChildren(paragraph(openReport ?? 'Asking the agent …'));
    return;
  }
  const peer = openReport;
  const { certificate, mtu, lastFailure, nextAttemptSeconds, exempt = [] } = peer;
  /** @type {(readonly [string, string])[]} */
  const facts = [
    ['local', `${peer.localIdentity} @ ${peer.localAddress}`],
    ['remote', `${peer.remoteIdentity} @ ${peer.remoteAddress}`],
  ];
  if (certificate !== undefined)
    facts.push([
      'certificate',
      `${certificate.subject} of ${certificate.issuer}, serial ${certificate.serial}, until ${certificate.notAfter}, ${left(certificate.secondsLeft)}`,
    ]);
  if (mtu !== undefined)
    facts.push([
      'MTU',
      [`${mtu.path} of the way`, ...mtu.children.map(({ name, payload }) => `${name} takes ${payload}`)].join(', '),
    ]);
  for (const { traffic, stage, policies, installed } of exempt)
    facts.push([
      'in plaintext',
      `${traffic}, ${stage === 'Send' ? 'sent and received' : 'received, not sent yet'}${installed < policies ? `; ${policies - installed} of ${policies} policies are not in the kernel` : ''}`,
    ]);
  if (lastFailure !== undefined) facts.push([`last failure ${duration(lastFailure.secondsAgo)} ago`, lastFailure.text]);
  if (nextAttemptSeconds !== undefined) facts.push(['next attempt', due(nextAttemptSeconds)]);
  cell.replaceChildren(list(facts), ...peer.ikeSas.flatMap(ikeSaParts));
}

/** @param {IkeSaReport} sa */
function ikeSaParts(sa) {
  /** @type {(readonly [string, string])[]} */
  const facts = [
    ['SPIs', `${sa.initiatorSpi}_i ${sa.responderSpi}_r, we are ${sa.role}`],
    ['ends', `${sa.local.address}[${sa.local.port}] to ${sa.remote.address}[${sa.remote.port}]${natText(sa.nat)}`],
    ['suite', sa.suite],
    [sa.state === 'connecting' ? 'started' : 'established', `${duration(sa.ageSeconds)} ago`],
    ['rekey', sa.rekeySeconds === undefined ? '' : due(sa.rekeySeconds)],
    ['reauthentication', sa.reauthenticationSeconds === undefined ? '' : due(sa.reauthenticationSeconds)],
    ['peer heard', `${duration(sa.lastHeardSeconds)} ago`],
    ['no answer for', sa.unansweredSeconds === undefined ? '' : duration(sa.unansweredSeconds)],
  ];
  return [heading('h3', `IKE SA #${sa.number}: ${sa.state}`), list(facts), ...sa.children.flatMap(childSaParts)];
}

/** @param {ChildSaReport} child */
function childSaParts(child) {
  /** @type {(readonly [string, string])[]} */
  const facts = [
    ['suite', `ESP${child.udpEncapsulation ? ' in UDP' : ''}, ${child.mode}, ${child.suite}, reqid ${child.reqid}`],
    ['in', saText(child.inbound)],
    ['out', saText(child.outbound)],
    ['local', child.localSelectors.join(' ')],
    ['remote', child.remoteSelectors.join(' ')],
    ['installed', `${duration(child.ageSeconds)} ago`],
    ['rekey', child.rekeySeconds === undefined ? '' : due(child.rekeySeconds)],
    ['expires', child.expirySeconds === undefined ? '' : due(child.expirySeconds)],
  ];
  return [heading('h4', `Child SA ${child.name}: ${child.state}`), list(facts)];
}

/** @param {SaReport} sa */
function saText(sa) {
  if (!sa.installed) return `${sa.spi}, not in the kernel`;
  const used =
    sa.firstUsedSecondsAgo === undefined ? 'never used' : `first used ${duration(sa.firstUsedSecondsAgo)} ago`;
  const failed = sa.undecryptable === undefined ? '' : `, ${sa.undecryptable} not decrypted`;
  return `${sa.spi}, ${byteText(sa.bytes ?? 0)}, ${(sa.packets ?? 0).toLocaleString('en')} packets, ${used}${failed}`;
}

function showEvents() {
  if (told === undefined) return;
  const { atMs, events } = told;
  keyed(
    child(element('event-table'), 'tbody'),
    events,
    ({ what, peer, text }) => `${what} ${peer} ${text}`,
    () => {
      const row = make('tr');
      const when = make('td', 'when');
      when.append(make('time'), make('span', 'small'));
      const what = make('td');
      what.append(make('span', 'badge'), make('span'));
      row.append(when, make('td'), what);
      return row;
    },
    (row, event) => {
      const [when, peer, what] = /** @type {HTMLElement[]} */ ([...row.children]);
      if (when === undefined || peer === undefined || what === undefined) return;
      const time = child(when, 'time');
      time.setAttribute('datetime', new Date(event.atMs).toISOString());
      setText(time, `${duration(Math.round((atMs - event.atMs) / 1_000))} ago`);
      setText(child(when, 'span'), clockText(event.atMs));
      setText(peer, event.peer === '' ? '–' : event.peer);
      const badge = child(what, 'span');
      badge.className = `badge ${event.isTrouble ? 'bad' : 'good'}`;
      setText(badge, event.what);
      setText(child(what, 'span:last-child'), `${event.text}${event.times === 1 ? '' : ` (${event.times} times)`}`);
    },
  );
  emptyText('event-table', events.length, 'nothing yet');
}

function showCounters() {
  const counters = told?.counters ?? [];
  keyed(
    child(element('counter-table'), 'tbody'),
    counters,
    ([name]) => name,
    ([name]) => {
      const row = make('tr');
      const head = make('th');
      head.setAttribute('scope', 'row');
      setText(head, name);
      row.append(head, make('td', 'number'));
      return row;
    },
    (row, [, value]) => setText(child(row, 'td'), value.toLocaleString('en')),
  );
  emptyText('counter-table', counters.length, 'nothing yet');
}

function showCertificates() {
  const certificates = told?.certificates ?? [];
  const kinds = { own: 'ours, for', authority: 'authority', revocationList: 'revocation list of' };
  keyed(
    child(element('certificate-table'), 'tbody'),
    certificates,
    ({ kind, name, file, until }) => `${kind} ${name} ${file} ${until}`,
    ({ kind, name, file, until }) => {
      const row = make('tr');
      const head = make('th');
      head.setAttribute('scope', 'row');
      const where = make('span', 'small');
      setText(where, file);
      head.append(`${kinds[kind]} ${name}`, where);
      const end = make('td', 'wide');
      setText(end, until);
      row.append(head, make('td'), end);
      return row;
    },
    (row, { secondsLeft }) => setText(child(row, 'td'), left(secondsLeft)),
  );
  emptyText(
    'certificate-table',
    certificates.length,
    'none: peers are authenticated by pre-shared keys, or there are none',
  );
}

/**
 * Says in a table's only row that there is nothing, where there is nothing.
 *
 * @param {string} table
 * @param {number} count
 * @param {string} text
 */
function emptyText(table, count, text) {
  const body = child(element(table), 'tbody');
  if (count > 0 || body.childElementCount > 0) return;
  const row = make('tr');
  const cell = make('td', 'quiet');
  cell.setAttribute('colspan', '3');
  setText(cell, text);
  row.append(cell);
  body.append(row);
}

/**
 * Brings a table's rows to a list with the fewest changes, so that what is focused or selected stays so.
 *
 * @template T
 * @param {HTMLElement} body
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} create
 * @param {(row: HTMLElement, item: T) => void} update
 */
function keyed(body, items, keyOf, create, update) {
  const focused = document.activeElement;
  /** @type {Map<string, HTMLElement>} */
  const rows = new Map();
  for (const row of /** @type {HTMLElement[]} */ ([...body.children])) rows.set(row.dataset['key'] ?? '', row);
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of rows) if (!wanted.has(key)) row.remove();
  let place = body.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const row = rows.get(key) ?? create(item);
    row.dataset['key'] = key;
    update(row, item);
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement && body.contains(focused))
    focused.focus({ preventScroll: true });
}

/** @param {(readonly [string, string])[]} facts Those without a value are left out. */
function list(facts) {
  const all = make('dl');
  for (const [name, value] of facts) {
    if (value === '') continue;
    const [term, description] = [make('dt'), make('dd')];
    setText(term, name);
    setText(description, value);
    all.append(term, description);
  }
  return all;
}

/**
 * @param {'h3' | 'h4'} level
 * @param {string} text
 */
function heading(level, text) {
  const made = make(level);
  setText(made, text);
  return made;
}

/** @param {string} text */
function paragraph(text) {
  const made = make('p', 'quiet');
  setText(made, text);
  return made;
}

/**
 * @param {HTMLElement} parent
 * @param {readonly string[]} texts
 */
function setItems(parent, texts) {
  if ([...parent.children].map((item) => item.textContent).join('\n') === texts.join('\n')) return;
  parent.replaceChildren(
    ...texts.map((text) => {
      const item = make('li');
      setText(item, text);
      return item;
    }),
  );
}

/** @param {string} text */
function setTrouble(text) {
  const trouble = element('trouble');
  trouble.hidden = text === '';
  setText(trouble, text);
}

/** @param {string} text */
function showLive(text) {
  setText(element('live'), text);
}

/**
 * @param {string} name
 * @param {string} [className]
 */
function make(name, className) {
  const made = document.createElement(name);
  if (className !== undefined) made.className = className;
  return made;
}

/**
 * @param {HTMLElement} target
 * @param {string} text
 */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {HTMLElement} parent
 * @param {string} selector
 */
function child(parent, selector) {
  return /** @type {HTMLElement} */ (parent.querySelector(selector));
}

/** @param {IkeSaReport['nat']} nat */
function natText(nat) {
  if (nat.local && nat.remote) return ', both behind NAT';
  if (nat.local) return ', this node behind NAT';
  return nat.remote ? ', peer behind NAT' : '';
}

/** @param {number} secondsLeft */
function left(secondsLeft) {
  return secondsLeft > 0 ? `${duration(secondsLeft)} left` : 'ended';
}

/** @param {number} seconds */
function due(seconds) {
  return seconds > 0 ? `in ${duration(seconds)}` : 'now';
}

/**
 * In UTC, as the logs have it.
 *
 * @param {number} atMs
 */
function clockText(atMs) {
  const iso = new Date(atMs).toISOString();
  const isOfToday = told === undefined || iso.slice(0, 10) === new Date(told.atMs).toISOString().slice(0, 10);
  return `${isOfToday ? '' : `${iso.slice(0, 10)} `}${iso.slice(11, 19)}Z`;
}

/**
 * The two largest units that are not zero: `3h59m`, `12s`.
 *
 * @param {number} seconds
 */
function duration(seconds) {
  const rest = Math.max(0, seconds);
  /** @type {readonly (readonly [string, number])[]} */
  const parts = [
    ['d', Math.floor(rest / 86_400)],
    ['h', Math.floor(rest / 3_600) % 24],
    ['m', Math.floor(rest / 60) % 60],
    ['s', rest % 60],
  ];
  const first = parts.findIndex(([, count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count}${unit}`)
    .join('');
}

/** @param {number} bytes */
function byteText(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1_024 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[power]}`;
}
