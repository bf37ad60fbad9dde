import { createRouter, createWebHashHistory } from 'vue-router';
import HomePage from './home/HomePage.vue';
import { keepInTab, keptInTab } from './shell/keep';

/** The last time that the page was loaded anew since a part of it was gone; Unix milliseconds. */
const RENEWED = 'renewed';

/** The pages. What the first one does not need is loaded with its page. */
export const router = createRouter({
  history: createWebHashHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', name: 'home', component: HomePage, meta: { title: 'home.title' } },
    { path: '/go-live', name: 'golive', component: () => import('./golive/GoLivePage.vue'), meta: { title: 'golive.title' } },
    { path: '/live/:id', name: 'room', component: () => import('./room/RoomPage.vue'), props: true, meta: { title: 'home.live', isWide: true } },
    { path: '/recordings', name: 'recordings', component: () => import('./recording/RecordingsPage.vue'), meta: { title: 'recording.title' } },
    { path: '/recording/:stream/:recording', name: 'recording', component: () => import('./recording/RecordingPage.vue'), props: true, meta: { title: 'recording.one' } },
    { path: '/lab', name: 'lab', component: () => import('./lab/LabPage.vue'), meta: { title: 'lab.title' } },
    { path: '/:rest(.*)*', name: 'lost', component: () => import('./shell/LostPage.vue'), meta: { title: 'ui.notFound' } },
  ],
});

// A server that was updated has other files than the page that is open: it is loaded anew, once.
let isStale = false;
window.addEventListener('vite:preloadError', () => (isStale = true));
router.onError((_thrown, to) => {
  if (!isStale || Date.now() - Number(keptInTab(RENEWED)) < 60_000) return;
  keepInTab(RENEWED, String(Date.now()));
  location.hash = `#${to.fullPath}`;
  location.reload();
});
