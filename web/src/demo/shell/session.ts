import { computed, effectScope, reactive, ref } from 'vue';
import { server as serverOrigin, WebliveError } from 'weblive';
import { LoginEvent, useLoginState } from 'weblive/vue';
import { i18n } from '../i18n';
import { given } from './given';
import { keep, keepInTab, kept, keptInTab } from './keep';
import { adviceOf } from './problems';
import { fetchDevToken, fetchServerInfo, type ServerInfo } from './server-info';
import { readUserSig } from './user-sig';

/** Who uses this tab. */
export interface Person {
  userId: string;
  name: string;
  sdkAppId: number;
  /** Empty where the server runs open. */
  userSig: string;
}

/** What somebody fills in to sign in. */
export interface Credentials {
  name: string;
  sdkAppId: number;
  userId: string;
  userSig: string;
}

/**
 * - `connecting`: the login is under way.
 * - `in`: signed in; the connection may be lost for a while.
 * - `needsToken`: the server wants to know who it is.
 * - `elsewhere`: the same user has signed in elsewhere.
 * - `failed`: it did not work; `problem` says why.
 */
export type SessionStatus = 'connecting' | 'in' | 'needsToken' | 'elsewhere' | 'failed';

export type Session = ReturnType<typeof createSession>;

let session: Session | null = null;

/** The login of this tab; one for all components. */
export function useSession(): Session {
  session ??= effectScope(true).run(createSession)!;
  return session;
}

function createSession() {
  const t = i18n.global.t;
  const login = useLoginState();
  const status = ref<SessionStatus>('connecting');
  const problem = ref('');
  const asked = ref<'signIn' | 'rename' | null>(null);
  const server = reactive<ServerInfo>({ isOpen: true, apps: [], hasDevTokens: false, takesImages: true });
  const person = reactive<Person>({ userId: '', name: kept('name') ?? '', sdkAppId: 0, userSig: '' });
  const isReconnecting = computed(() => status.value === 'in' && login.connectionState.value === 'reconnecting');
  /** Those who wait for the end of a login. */
  let begun: Promise<boolean> | null = null;

  login.subscribeEvent(LoginEvent.onKickedOffline, () => (status.value = 'elsewhere'));
  login.subscribeEvent(LoginEvent.onLoginExpired, () => {
    forgetToken();
    status.value = 'needsToken';
    asked.value = 'signIn';
  });

  /** Signs in as whom this tab knows, or as somebody new. Resolves to whether that worked. */
  function begin(): Promise<boolean> {
    begun ??= tryToBegin().finally(() => (begun = null));
    return begun;
  }

  /** Resolves when somebody is signed in; false where that takes somebody who fills in a form. */
  async function ready(): Promise<boolean> {
    return status.value === 'in' || begin();
  }

  async function tryToBegin(): Promise<boolean> {
    status.value = 'connecting';
    problem.value = '';
    try {
      Object.assign(server, await fetchServerInfo(serverOrigin()));
      const userSig = keptInTab('userSig') || given.token;
      const content = userSig === '' ? null : await readUserSig(userSig);
      if (content) Object.assign(person, { ...content, userSig });
      else if (server.isOpen) Object.assign(person, { userId: tabUser(), sdkAppId: 0, userSig: '' });
      else if (server.hasDevTokens) await askForToken(tabUser(), server.apps[0] ?? 0);
      else {
        status.value = 'needsToken';
        return false;
      }
      if (person.name === '') person.name = content ? person.userId : t('sign.guest', { n: 1000 + Math.floor(Math.random() * 9000) });
      return await logIn();
    } catch (thrown) {
      return fail(thrown);
    }
  }

  async function askForToken(userId: string, sdkAppId: number): Promise<void> {
    Object.assign(person, { userId, sdkAppId, userSig: await fetchDevToken(serverOrigin(), userId, sdkAppId) });
  }

  async function logIn(): Promise<boolean> {
    const { userId, userSig, sdkAppId, name } = person;
    await login.login({ userId, userSig, sdkAppId, userName: name });
    // One that the server signs itself is asked for anew.
    if (userSig !== '' && !server.hasDevTokens) keepInTab('userSig', userSig);
    status.value = 'in';
    problem.value = '';
    return true;
  }

  function fail(thrown: unknown): false {
    const isRefused = thrown instanceof WebliveError && (thrown.reason === 'userSigRefused' || thrown.reason === 'userSigExpired');
    if (isRefused) {
      forgetToken();
      person.userId = '';
    }
    problem.value = adviceOf(thrown, t('sign.failed'));
    status.value = isRefused ? 'needsToken' : 'failed';
    return false;
  }

  /** Signs in with what somebody has filled in. */
  async function signIn({ name, sdkAppId, userId, userSig }: Credentials): Promise<void> {
    problem.value = '';
    const before = { ...person };
    Object.assign(person, { userId, sdkAppId, userSig, name: name || userId || person.name });
    try {
      if (server.hasDevTokens && userSig === '') await askForToken(userId || tabUser(), sdkAppId);
      await logIn();
      keep('name', person.name);
      asked.value = null;
    } catch (thrown) {
      fail(thrown);
      Object.assign(person, before, { userId: '', userSig: '' });
    }
  }

  /** Takes another name, which is remembered. */
  async function rename(name: string): Promise<void> {
    if (name === '') return;
    try {
      await login.setSelfInfo({ userName: name });
      person.name = name;
      keep('name', name);
      asked.value = null;
    } catch (thrown) {
      problem.value = adviceOf(thrown, t('sign.rename'));
    }
  }

  async function signOut(): Promise<void> {
    forgetToken();
    Object.assign(person, { userId: '', userSig: '' });
    status.value = 'needsToken';
    await login.logout();
  }

  function forgetToken(): void {
    keepInTab('userSig', '');
    given.token = '';
    person.userSig = '';
  }

  function ask(what: 'signIn' | 'rename' | null): void {
    problem.value = '';
    asked.value = what;
  }

  return reactive({ status, problem, asked, server, person, isReconnecting, begin, ready, signIn, rename, signOut, ask });
}

/** Each tab is a user of its own, and stays it when it is loaded again. */
function tabUser(): string {
  const known = keptInTab('user');
  if (known) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  const made = `u-${Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')}`;
  keepInTab('user', made);
  return made;
}
