import { shared } from '../page';
import type { SessionPool } from '../signal/pool';
import { BarrageState } from './barrage';
import { CoGuestState } from './co-guest';
import { CoHostState } from './co-host';
import { LiveCore } from './core';
import { DeviceState } from './device';
import { LiveAudienceState } from './live-audience';
import { LiveGiftState } from './live-gift';
import { LiveListState } from './live-list';
import { LiveSeatState } from './live-seat';
import { LoginState } from './login';
import { Stage } from './stage';

/**
 * All states of one user, who is in one live room at a time. A page that shows one user uses {@link liveContext}; one
 * that shows several makes a context for each.
 */
export class LiveContext {
  readonly login: LoginState;
  readonly liveList: LiveListState;
  readonly device: DeviceState;
  readonly seat: LiveSeatState;
  readonly coGuest: CoGuestState;
  readonly coHost: CoHostState;
  readonly audience: LiveAudienceState;
  readonly barrage: BarrageState;
  readonly gift: LiveGiftState;

  /** `pool` gives the sessions; the page's own when absent. */
  constructor(pool?: SessionPool) {
    const core = new LiveCore();
    const stages = () => this.seat.seatList.value.flatMap(({ userInfo }) => userInfo?.userId ?? []);
    this.login = new LoginState(core, pool);
    this.liveList = new LiveListState(core);
    this.device = new DeviceState(core);
    const stage = new Stage(core, this.device, stages);
    this.seat = new LiveSeatState(core, this.liveList, this.device, stage);
    this.coGuest = new CoGuestState(core, this.seat);
    this.coHost = new CoHostState(core);
    this.audience = new LiveAudienceState(core);
    this.barrage = new BarrageState(core);
    this.gift = new LiveGiftState(core);
    this.login.leaving = this.liveList.leaveLive;
    this.liveList.currentLive.subscribe((live) => live && (stage.template = live.seatTemplate));
  }
}

/** The page's own context, which all composables share. */
export function liveContext(): LiveContext {
  return shared('live', () => new LiveContext());
}
