// First of all: the router reads the address as it is loaded.
import './shell/given';
import { createApp } from 'vue';
import App from './App.vue';
import { i18n, showLanguage } from './i18n';
import { router } from './router';
import { showTheme } from './shell/theme';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';

showTheme();
showLanguage();
createApp(App).use(i18n).use(router).mount('#app');
