// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebliveError } from '../errors';
import { FakeTrack, installFakes } from '../streams/fakes';
import { ErrorCode } from './codes';
import { checkMix, checkRoom } from './checks';
import TRTC, { type ClientConfig, type MixTranscodeConfig, RtcError, type StreamConfig, toRtcError } from './index';

const GOOD: ClientConfig = { sdkAppId: 1400000000, userId: 'anna', userSig: 'sig', mode: 'rtc' };

/** The error that a call throws. */
function thrownBy(call: () => unknown): RtcError {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof RtcError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

describe('createClient', () => {
  it('takes what is documented, and ignores what it does not know', () => {
    const whole = {
      ...GOOD, mode: 'live', useStringRoomId: true, autoSubscribe: false, enableAutoPlayDialog: false, streamId: 'a-b_1', userDefineRecordId: 'r', userDefinePushArgs: 'x=1',
      pureAudioPushMode: 2, enableSEI: true, videoCodec: 'vp8', frameWorkType: 31, somethingElse: 1,
    } as ClientConfig;
    expect(() => TRTC.createClient(whole)).not.toThrow();
  });

  it.each([
    ['sdkAppId', 1.5], ['sdkAppId', '1400000000'], ['userId', ''], ['userId', 7], ['userSig', undefined], ['mode', 'meeting'], ['streamId', 'a b'], ['streamId', 'x'.repeat(65)],
    ['userDefineRecordId', 'ä'], ['userDefinePushArgs', 'x'.repeat(257)], ['pureAudioPushMode', 3],
    ['videoCodec', 'h266'],
  ])('refuses %s %j by its name', (name, value) => {
    const error = thrownBy(() => TRTC.createClient({ ...GOOD, [name]: value } as ClientConfig));
    expect([error.getCode(), error.message.includes(name)]).toEqual([0x1000, true]);
    expect(error.advice).not.toBe('');
  });

  it('refuses a server that is no address', () => {
    expect(() => TRTC.createClient({ ...GOOD, server: 'ftp://x' })).toThrow(/allowed are http, https, ws and wss/);
    expect(thrownBy(() => TRTC.createClient(undefined as unknown as ClientConfig)).getCode()).toBe(0x1000);
  });
});

describe('rooms', () => {
  it.each([1, 4_294_967_294])('have the number %d', (roomId) => expect(checkRoom({ roomId }, false)).toBe(roomId));
  it.each([0, -1, 1.5, 4_294_967_295, Number.NaN, '5', undefined])('do not have the number %j', (roomId) => {
    expect(thrownBy(() => checkRoom({ roomId: roomId as number }, false)).getCode()).toBe(0x1000);
  });
  it.each(['1', 'next door', 'a!#$%&()+-:;<=.>?@[]^_{}|~,', 'x'.repeat(64)])('have the name %j', (roomId) => expect(checkRoom({ roomId }, true)).toBe(roomId));
  it.each(['', 'x'.repeat(65), 'ä', 'a/b', 'a"b', "a'b", 'a*b', 5])('do not have the name %j', (roomId) => {
    expect(thrownBy(() => checkRoom({ roomId }, true)).getCode()).toBe(0x1000);
  });
  it('know two roles', () => expect(thrownBy(() => checkRoom({ roomId: 1, role: 'host' as 'anchor' }, false)).message).toContain('host'));
});

describe('createStream', () => {
  beforeEach(() => void installFakes());
  afterEach(() => vi.unstubAllGlobals());

  it.each<[StreamConfig, string]>([
    [{ userId: 'a' }, 'nothing to capture'], [{ video: true, screen: true }, 'screen exclude'], [{ audio: true, screenAudio: true, screen: true }, 'screenAudio exclude'],
    [{ audioSource: new FakeTrack('video').real }, 'audioSource'], [{ audio: true, facingMode: 'left' as 'user' }, 'facingMode'], [{ audio: true, userId: 3 as unknown as string }, 'userId'],
  ])('refuses %j', (config, text) => {
    const error = thrownBy(() => TRTC.createStream(config));
    expect([error.getCode(), error.message.includes(text)]).toEqual([0x1000, true]);
  });

  it('makes a stream of one user', () => expect(TRTC.createStream({ userId: 'anna', audio: true }).getUserId()).toBe('anna'));
});

describe('a mix', () => {
  const me = { userId: 'anna', width: 640, height: 480, zOrder: 1 };
  it.each<[unknown, string]>([[undefined, 'object'], [{}, 'yourself'], [{ mixUsers: [] }, 'yourself'], [{ mixUsers: [{ ...me, userId: 'ben' }] }, 'yourself']])('is checked: %j', (config, text) => {
    const error = thrownBy(() => checkMix(config as MixTranscodeConfig, 'anna'));
    expect([error.getCode(), error.message.includes(text)]).toEqual([0x1000, true]);
  });
  it('has oneself in it', () => expect(() => checkMix({ mixUsers: [me, { userId: 'ben', pureAudio: true }] }, 'anna')).not.toThrow());
});

describe('errors', () => {
  it('have the documented codes', () => {
    expect(ErrorCode).toEqual({
      INVALID_PARAMETER: 0x1000, INVALID_OPERATION: 0x1001, NOT_SUPPORTED: 0x1002, DEVICE_NOT_FOUND: 0x1003, INITIALIZE_FAILED: 0x1004,
      SIGNAL_CHANNEL_SETUP_FAILED: 0x4001, SIGNAL_CHANNEL_ERROR: 0x4002, ICE_TRANSPORT_ERROR: 0x4003, JOIN_ROOM_FAILED: 0x4004, CREATE_OFFER_FAILED: 0x4005,
      SIGNAL_CHANNEL_RECONNECTION_FAILED: 0x4006, UPLINK_RECONNECTION_FAILED: 0x4007, DOWNLINK_RECONNECTION_FAILED: 0x4008, REMOTE_STREAM_NOT_EXIST: 0x4010,
      CLIENT_BANNED: 0x4040, SERVER_TIMEOUT: 0x4041, SUBSCRIPTION_TIMEOUT: 0x4042, PLAY_NOT_ALLOWED: 0x4043, DEVICE_AUTO_RECOVER_FAILED: 0x4044,
      START_PUBLISH_CDN_FAILED: 0x4045, STOP_PUBLISH_CDN_FAILED: 0x4046, START_MIX_TRANSCODE_FAILED: 0x4047, STOP_MIX_TRANSCODE_FAILED: 0x4048,
      NOT_SUPPORTED_H264: 0x4049, SWITCH_ROLE_FAILED: 0x404a, API_CALL_TIMEOUT: 0x404b, SCHEDULE_FAILED: 0x404c, API_CALL_ABORTED: 0x404d, UNKNOWN: 0xffff,
    });
  });

  it.each<[ConstructorParameters<typeof WebliveError>[0], number]>([
    ['argument', 0x1000], ['state', 0x1001], ['unsupported', 0x1002], ['network', 0x4001], ['timeout', 0x404b], ['autoplay', 0x4043], ['removed', 0x4040], ['media', 0xffff],
  ])('of type %s have the code %d', (type, code) => expect(toRtcError(new WebliveError(type, 'x', true), 'doing')).toMatchObject({ message: 'x', fatal: true, name: 'RtcError', code }));

  it("of the server have the server's code, or that of the call with the server's beside it", () => {
    const refused = (rtc: number) => new WebliveError('refused', 'join: the UserSig has expired; ask for a new UserSig', false, { reason: 'userSigRefused', codes: { chat: 70001, live: 70001, rtc } });
    expect(toRtcError(refused(0x4049), 'publish').getCode()).toBe(0x4049);
    const join = toRtcError(refused(-100018), 'join', { refused: ErrorCode.JOIN_ROOM_FAILED });
    expect([join.getCode(), join.getExtraCode(), join.advice]).toEqual([0x4004, -100018, 'Ask for a new UserSig.']);
  });

  it.each([
    ['NotFoundError', 0x1003], ['NotAllowedError', 0x1004], ['NotReadableError', 0x1004], ['OverconstrainedError', 0x1004],
  ])("of devices keep the browser's name %s and sentence", (name, code) => {
    const error = toRtcError(new DOMException('Permission denied by system', name), 'initialize');
    expect([error.name, error.message, error.getCode()]).toEqual([name, 'Permission denied by system', code]);
  });

  it('pass through unchanged', () => {
    const error = new RtcError(ErrorCode.SCHEDULE_FAILED, 'x');
    expect(toRtcError(error, 'y')).toBe(error);
  });
});
