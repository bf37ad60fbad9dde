import { expect, test, vi } from 'vitest';
import { log } from '../log';
import { shared } from '../page';
import { EVENT, TYPES, type EventName } from './constants';
import { Handlers } from './handlers';

class Speaker extends Handlers {
  say(name: EventName, data?: unknown): void {
    this.emit(name, data);
  }
}

test('events have the documented values', () => {
  expect(EVENT).toMatchObject({
    IM_READY: 't_im_ready', IM_NOT_READY: 't_im_not_ready', IM_TEXT_MESSAGE_RECEIVED: 't_text_message_received',
    IM_CUSTOM_MESSAGE_RECEIVED: 't_custom_message_received', IM_IMAGE_MESSAGE_RECEIVED: 't_image_message_received',
    IM_REMOTE_USER_JOIN: 't_remote_user_join', IM_REMOTE_USER_LEAVE: 't_remote_user_leave', IM_KICKED_OUT: 't_kicked_out',
    IM_NET_STATE_CHANGED: 't_net_state_change', IM_PUSH_STOPPED: 't_push_stopped', PLAYER_PLAYING: 't_playing', PLAYER_PAUSE: 't_pause',
    PLAYER_WAITING: 't_waiting', PLAYER_TIMEUPDATE: 't_timeupdate', PLAYER_ERROR: 't_error', PLAYER_AUTOPLAY_NOT_ALLOWED: 't_autoplay_not_allowed',
    RTC_CONNECTION_STATE_CHANGED: 't_connection_state_changed', RTC_CLIENT_BANNED: 't_client_banned', RTC_NETWORK_QUALITY: 't_network-quality',
    RTC_SCREEN_CAPTURE_STOPPED: 't_screen_capture_stopped', RTC_CLIENT_ERROR: 't_rtc_client_error',
  });
  expect(new Set(Object.values(EVENT)).size).toBe(Object.keys(EVENT).length);
});

test('types have the documented values', () => {
  expect(TYPES).toEqual({
    MSG_PRIORITY_HIGH: 'High', MSG_PRIORITY_NORMAL: 'Normal', MSG_PRIORITY_LOW: 'Low', MSG_PRIORITY_LOWEST: 'Lowest',
    KICKED_OUT_MULT_ACCOUNT: 'multipleAccount', KICKED_OUT_MULT_DEVICE: 'multipleDevice', KICKED_OUT_USERSIG_EXPIRED: 'userSigExpired',
    NET_STATE_CONNECTED: 'connected', NET_STATE_CONNECTING: 'connecting', NET_STATE_DISCONNECTED: 'disconnected',
    ENTER_ROOM_SUCCESS: 'JoinedSuccess', ALREADY_IN_ROOM: 'AlreadyInGroup',
  });
});

test('handlers get name and data, in their context and their order', () => {
  const speaker = new Speaker();
  const heard: unknown[] = [];
  const context = { who: 'page' };
  speaker.on(EVENT.PLAYER_PLAYING, function (this: unknown, event) {
    heard.push([this, event]);
  }, context);
  speaker.on('t_playing', (event) => heard.push(event));
  speaker.say(EVENT.PLAYER_PLAYING);
  expect(heard).toEqual([[context, { name: 't_playing', data: undefined }], { name: 't_playing', data: undefined }]);
});

test('a handler that throws is logged and stops nobody', () => {
  const logged = vi.spyOn(log, 'error').mockImplementation(() => undefined);
  const speaker = new Speaker();
  const heard = vi.fn();
  speaker.on(EVENT.PLAYER_ERROR, () => {
    throw new Error('fault of the page');
  });
  speaker.on(EVENT.PLAYER_ERROR, heard);
  speaker.say(EVENT.PLAYER_ERROR, { code: 2 });
  expect(heard).toHaveBeenCalledWith({ name: 't_error', data: { code: 2 } });
  expect(logged).toHaveBeenCalledWith('tweblive', 'a handler of t_error has thrown', expect.any(Error));
  logged.mockRestore();
});

test('a handler is removed, of one context or of all', () => {
  const speaker = new Speaker();
  const [one, two] = [{}, {}];
  const heard = vi.fn();
  speaker.on(EVENT.IM_READY, heard, one);
  speaker.on(EVENT.IM_READY, heard, two);
  speaker.off(EVENT.IM_READY, heard, one);
  speaker.say(EVENT.IM_READY);
  expect(heard).toHaveBeenCalledTimes(1);
  speaker.off(EVENT.IM_READY, heard);
  speaker.say(EVENT.IM_READY);
  expect(heard).toHaveBeenCalledTimes(1);
  speaker.off('t_unknown', heard);
  speaker.on(EVENT.IM_READY, heard);
  speaker.off(EVENT.IM_READY);
  speaker.say(EVENT.IM_READY);
  expect(heard).toHaveBeenCalledTimes(1);
});

test('log levels count from -1 to 4', () => {
  const speaker = new Speaker();
  const shown = shared<{ level: number }>('log', () => ({ level: 3 }));
  for (const [level, expected] of [[-1, 0], [0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [9, 5], [-9, 0], [NaN, 1]] as const) {
    speaker.setLogLevel(level);
    expect(shown.level, `level ${level}`).toBe(expected);
  }
  speaker.setLogLevel(2);
});
