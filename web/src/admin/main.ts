import { createApp } from 'vue';
import AdminPage from './AdminPage.vue';
import './admin.css';

createApp(AdminPage).mount('#admin');
