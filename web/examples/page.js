// What stands around the code of each example: who comes into which room, buttons, lists, a log, and the code itself.
const given = new URLSearchParams(location.search);
const meta = (name) => document.querySelector(`meta[name=${name}]`)?.content ?? '';
const FILE = location.pathname.split('/').pop().replace(/\.html$/, '') || 'index';
// Another page of the same browser tab is the same user; another tab is somebody else.
const USER = (sessionStorage.user ??= `user-${Math.random().toString(36).slice(2, 7)}`);

frame();

/**
 * Who comes: a server in open development mode takes anybody, one with development tokens signs a UserSig. Elsewhere the
 * page's own back end signs it, and here it comes with the address: `?app=…&user=…&sig=…`. `?room=…` names the room.
 */
export const me = await access().catch((error) => (failed(error), nobody()));
// The example comes behind this file, and says what its buttons do; a click before that would be lost.
setTimeout(() => (document.querySelector('.stage').inert = false));
element('who').textContent = `${meta('room') === '0' ? '' : `room ${me.roomId}, `}user ${me.userId}`;

/** Writes a line. Addresses of this server become links. */
export function log(...parts) {
  const line = document.createElement('div');
  for (const part of parts) {
    const text = typeof part === 'string' ? part : JSON.stringify(part);
    line.append(/^https?:\/\/\S+$/.test(text) ? Object.assign(document.createElement('a'), { href: text, textContent: text }) : text, ' ');
  }
  element('log').append(line);
  line.scrollIntoView({ block: 'nearest' });
}

/** Does something at a click. A failure is written down with what to do about it. */
export function onClick(id, act) {
  element(id).addEventListener('click', () => run(element(id), act));
}

/** Does something when a form is sent, with the text of its first field, which is emptied. */
export function onSend(id, act) {
  element(id).addEventListener('submit', (event) => {
    event.preventDefault();
    const [field] = element(id).elements;
    const value = field.type === 'file' ? field.files[0] : field.value;
    run(event.submitter, async () => {
      await act(value);
      if (!field.hasAttribute('data-keep')) element(id).reset();
    });
  });
}

/** Fills a list: `row` gives the text of an item, and what its buttons do by their names. */
export function list(id, items, row) {
  element(id).replaceChildren(...items.map((item) => {
    const { text, ...buttons } = row(item);
    const entry = document.createElement('li');
    entry.append(Object.assign(document.createElement('span'), { textContent: text }));
    for (const [name, act] of Object.entries(buttons)) {
      if (!act) continue;
      const button = Object.assign(document.createElement('button'), { type: 'button', textContent: name, className: 'small' });
      button.addEventListener('click', () => run(button, act));
      entry.append(button);
    }
    return entry;
  }));
}

/** Writes down what has failed. */
export const onError = (error) => failed(error);

async function run(button, act) {
  if (button) button.disabled = true;
  try {
    await act();
  } catch (error) {
    failed(error);
  } finally {
    if (button) button.disabled = false;
  }
}

function failed(error) {
  const code = error?.code ?? error?.getCode?.();
  log('✗', String(error?.message ?? error), ...(code === undefined ? [] : [`(${code})`]), error?.advice ?? '');
}

async function access() {
  const roomId = Number(given.get('room')) || Number(meta('room')) || 1000;
  const userId = given.get('user') || USER;
  const app = Number(given.get('app'));
  if (given.has('sig')) return { sdkAppId: app, userId, userSig: given.get('sig'), roomId };
  const server = await (await fetch('../api/server')).json();
  if (server.isOpen) return { sdkAppId: app || 1400000000, userId, userSig: 'none', roomId };
  if (!server.givesTokens) throw new Error('This server wants a UserSig: open this page with ?app=…&user=…&sig=….');
  const wanted = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ userId, sdkAppId: app || server.apps[0].id }) };
  const { sdkAppId, userSig } = await (await fetch('../api/dev/usersig', wanted)).json();
  return { sdkAppId, userId, userSig, roomId };
}

function nobody() {
  return { sdkAppId: 0, userId: USER, userSig: '', roomId: Number(meta('room')) || 1000 };
}

function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element with the id ${id}`);
  return found;
}

/** Puts a heading over what the page has, the log under it, and its files beside it. */
function frame() {
  const make = (tag, members = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), members);
    made.append(...children);
    return made;
  };
  const here = document.querySelector('main');
  const head = make('header', {},
    make('p', { className: 'path' }, make('a', { href: './' }, 'Examples'), ` / ${meta('group')}`),
    make('h1', {}, document.title),
    make('p', {}, meta('description')),
    make('p', { className: 'who' }, make('span', { id: 'who' }), ' · ',
      make('a', { href: location.pathname + location.search.replace(/([?&])user=[^&]*&?/, '$1'), target: '_blank', rel: 'noopener' }, 'open it as another user')));
  const logged = make('div', { id: 'log', role: 'log', tabIndex: 0, ariaLabel: 'What happens' });
  const stage = make('section', { className: 'stage', ariaLabel: 'The example' }, ...here.childNodes, logged);
  [stage.inert, here.inert] = [here.inert, false];
  const source = make('section', { className: 'source', ariaLabel: 'Its code' });
  here.append(head, make('div', { className: 'columns' }, stage, source));
  const files = [meta('source') || `${FILE}.js`, ...(meta('source') ? [] : [`${FILE}.html`])];
  for (const file of files) {
    const code = make('code');
    const copy = make('button', { type: 'button', className: 'small', textContent: 'Copy' });
    copy.addEventListener('click', () => navigator.clipboard.writeText(code.textContent).then(() => (copy.textContent = 'Copied')));
    source.append(make('figure', {}, make('figcaption', {}, make('a', { href: file }, file), copy), make('pre', { tabIndex: 0, ariaLabel: file }, code)));
    fetch(file).then((answer) => answer.text()).then((text) => code.append(...coloured(text.trimEnd(), file)), failed);
  }
}

/** Code in pieces that are coloured. */
function coloured(text, file) {
  const pieces = file.endsWith('.html') ? /(<!--[^]*?-->)|("[^"\n]*")|(<\/?[\w-]+|\/?>)/g : /(\/\/.*|\/\*[^]*?\*\/)|('[^'\n]*'|"[^"\n]*"|`[^`]*`)|\b(import|from|export|const|let|async|await|function|return|if|else|for|of|new|true|false|null|undefined)\b/g;
  const out = [];
  let at = 0;
  for (const { 0: piece, 1: comment, 2: string, index } of text.matchAll(pieces)) {
    out.push(text.slice(at, index), Object.assign(document.createElement('span'), { className: comment ? 'comment' : string ? 'string' : 'word', textContent: piece }));
    at = index + piece.length;
  }
  return [...out, text.slice(at)];
}
