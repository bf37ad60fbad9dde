// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Devices } from './devices';
import { device, type FakeDevices, installFakes } from './fakes';

describe("the page's devices", () => {
  let fakes: FakeDevices;
  beforeEach(() => (fakes = installFakes()));
  afterEach(() => {
    fakes.permissions.known = ['camera', 'microphone'];
    vi.unstubAllGlobals();
  });

  const watched = async () => {
    const devices = new Devices();
    const [change, allowed] = [vi.fn(), vi.fn()];
    devices.on('change', change);
    devices.on('allowed', allowed);
    await new Promise((resolve) => setTimeout(resolve));
    return { change, allowed };
  };

  it('tell what was plugged in and out', async () => {
    const { change } = await watched();
    fakes.change([...fakes.list.slice(1), device('videoinput', 'cam3')]);
    await vi.waitFor(() => expect(change).toHaveBeenCalledTimes(1));
    const [{ added, removed }] = change.mock.calls[0] as [{ added: MediaDeviceInfo[]; removed: MediaDeviceInfo[] }];
    expect([added, removed].map((list) => list.map(({ deviceId }) => deviceId))).toEqual([['cam3'], ['cam1']]);
  });

  it('tell what the user has allowed, and nothing of what was refused', async () => {
    const { change, allowed } = await watched();
    fakes.permissions.set('camera', 'denied');
    expect(allowed).not.toHaveBeenCalled();
    fakes.permissions.set('camera', 'granted');
    expect(allowed.mock.calls).toEqual([['camera']]);
    expect(change).not.toHaveBeenCalled();
  });

  it('are watched all the same by a browser that can tell of some or of none', async () => {
    fakes.permissions.known = ['microphone'];
    const { allowed } = await watched();
    fakes.permissions.set('microphone', 'granted');
    expect(allowed.mock.calls).toEqual([['microphone']]);
    Object.defineProperty(globalThis.navigator, 'permissions', { value: undefined, configurable: true });
    const { change } = await watched();
    fakes.change([]);
    await vi.waitFor(() => expect(change).toHaveBeenCalledTimes(1));
  });
});
