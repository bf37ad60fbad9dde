import { describe, expect, it } from 'vitest';
import { inPath, Rest } from './rest';

/** A server that answers in turn, and notes what it was asked. */
function serving(...answers: { status?: number; body?: unknown }[]) {
  const asked: { method: string; path: string; headers: Record<string, string>; body: unknown }[] = [];
  const send: typeof fetch = (path, init) => {
    const body = init?.body === undefined ? undefined : JSON.parse(init.body as string);
    asked.push({ method: init?.method ?? 'GET', path: path as string, headers: init?.headers as Record<string, string>, body });
    const answer = answers.shift();
    if (!answer) return Promise.reject(new TypeError('no answer'));
    const { status = 200, body: text } = answer;
    return Promise.resolve(new Response(status === 204 ? null : JSON.stringify(text), { status }));
  };
  return { asked, send };
}

describe('the operator’s requests', () => {
  it('carry the token and the app', async () => {
    const { asked, send } = serving({ body: { items: [] } }, { body: { items: [] } });
    await new Rest('secret', '7', send).measures(5);
    await new Rest('', '', send).measures(0);
    expect(asked[0]).toMatchObject({ path: '/api/v1/measures?after=5', headers: { Authorization: 'Bearer secret', 'Weblive-App': '7' } });
    expect(asked[1]!.headers).toEqual({});
  });

  it('follow the pages of a list', async () => {
    const { asked, send } = serving({ body: { items: [{ room: 1 }], next: '[1]' } }, { body: { items: [{ room: 2 }] } });
    expect(await new Rest('', '', send).rooms()).toEqual([{ room: 1 }, { room: 2 }]);
    expect(asked.map(({ path }) => path)).toEqual(['/api/v1/rooms?limit=100', '/api/v1/rooms?limit=100&after=%5B1%5D']);
  });

  it('remove a user, for a while where that is wanted', async () => {
    const { asked, send } = serving({ body: { users: ['ben'] } }, { body: { users: ['ben'] } });
    const rest = new Rest('', '', send);
    await rest.remove('a b', 'ben', 0);
    await rest.remove(42, 'ben', 60);
    expect(asked[0]).toMatchObject({ method: 'POST', path: '/api/v1/rooms/a%20b/removals', body: { users: ['ben'] } });
    expect(asked[1]!.body).toEqual({ users: ['ben'], banSeconds: 60 });
  });

  it('write rooms so that numbers and names of digits stay apart', () => {
    expect([42, '42', 'name:x', 'a/b', '4two'].map(inPath)).toEqual(['42', 'name%3A42', 'name%3Aname%3Ax', 'a%2Fb', '4two']);
  });

  it('fail with the server’s word and sentence, or with those of what came', async () => {
    const { send } = serving({ status: 401, body: { code: 'token-invalid', detail: 'the token is not one' } }, { status: 502, body: 'gateway' });
    const rest = new Rest('x', '', send);
    await expect(rest.rooms()).rejects.toMatchObject({ status: 401, code: 'token-invalid', message: 'the token is not one' });
    await expect(rest.rooms()).rejects.toMatchObject({ status: 502, code: 'unknown' });
    await expect(rest.rooms()).rejects.toMatchObject({ status: 0, code: 'offline' });
  });

  it('take answers without content', async () => {
    const { asked, send } = serving({ status: 204 });
    await new Rest('', '', send).dismiss(7);
    expect(asked[0]).toMatchObject({ method: 'DELETE', path: '/api/v1/rooms/7' });
  });
});
