import { describe, expect, it } from 'vitest';
import type { LiveInfo } from 'weblive/vue';
import { chooseRooms } from './rooms';

function live(liveId: string, more: Partial<LiveInfo> = {}): LiveInfo {
  return {
    liveId, liveName: `Show ${liveId}`, notice: '', coverUrl: '', liveOwner: { userId: `host-${liveId}`, userName: '', avatarUrl: '' },
    currentViewerCount: 2, isPublicVisible: true, isSeatEnabled: true, maxSeatCount: 5, ...more,
  } as LiveInfo;
}

describe('the list of rooms', () => {
  it('has the most watched first, without the host among the viewers', () => {
    const posters = chooseRooms([live('1'), live('2', { currentViewerCount: 9 }), live('3')], '');
    expect(posters.map(({ id, viewers }) => [id, viewers])).toEqual([['2', 8], ['1', 1], ['3', 1]]);
  });

  it('leaves out rooms that nobody is in, and those that are not to be seen', () => {
    expect(chooseRooms([live('1', { currentViewerCount: 0 }), live('2', { isPublicVisible: false })], '')).toEqual([]);
  });

  it('is filtered by title, host and number', () => {
    const lives = [live('71', { liveName: 'Cooking' }), live('8', { liveOwner: { userId: 'u', userName: 'Mina', avatarUrl: '' } })];
    expect(chooseRooms(lives, ' cOOk ').map(({ id }) => id)).toEqual(['71']);
    expect(chooseRooms(lives, 'mina').map(({ id }) => id)).toEqual(['8']);
    expect(chooseRooms(lives, '7').map(({ id }) => id)).toEqual(['71']);
  });

  it('shows the poster, and a room without a title by its host', () => {
    const [poster] = chooseRooms([live('1', { liveName: '', coverUrl: '/images/a.jpg' })], '');
    expect(poster).toMatchObject({ title: 'host-1', cover: '/images/a.jpg', hasSeats: true });
  });
});
