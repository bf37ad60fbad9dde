import { createApp } from 'vue';
import App from './App.vue';
import { i18n, showLanguage } from './i18n';
import { router } from './router';
import { tidyAddress } from './shell/given';
import { showTheme } from './shell/theme';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';

tidyAddress();
showTheme();
showLanguage();
createApp(App).use(i18n).use(router).mount('#app');
