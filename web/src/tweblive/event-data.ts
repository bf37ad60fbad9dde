import type { LineReason, PlayerKind, RoomStream } from '../players';
import type { TimMessage, TimPayloads } from '../tim';
import type { ClientEvents, RtcError } from '../trtc';
import type { CdnErrorDetail } from './player';

type MessageOf<T extends keyof TimPayloads> = Extract<TimMessage, { type: T }>;

/** What handlers get in `data`, by the value of the event. */
export interface EventData {
  t_im_ready: undefined;
  t_im_not_ready: undefined;
  t_text_message_received: MessageOf<'TIMTextElem'>[];
  t_custom_message_received: MessageOf<'TIMCustomElem'>[];
  t_image_message_received: MessageOf<'TIMImageElem'>[];
  /** The users are in `payload.userIDList`. */
  t_remote_user_join: MessageOf<'TIMGroupTipElem'>[];
  t_remote_user_leave: MessageOf<'TIMGroupTipElem'>[];
  /** One of `TYPES.KICKED_OUT_*`. */
  t_kicked_out: string;
  /** One of `TYPES.NET_STATE_*`. */
  t_net_state_change: string;
  /** The postscript. */
  t_push_stopped: string;
  t_playing: undefined;
  t_pause: undefined;
  t_waiting: undefined;
  t_timeupdate: undefined;
  /** Of FLV and HLS the documented code, of rooms an RtcError. */
  t_error: CdnErrorDetail | RtcError;
  t_autoplay_not_allowed: undefined;
  t_line_changed: { index: number; kind: PlayerKind; reason: LineReason };
  t_streams_changed: Required<RoomStream>[];
  t_connection_state_changed: ClientEvents['connection-state-changed'];
  t_client_banned: ClientEvents['client-banned'];
  't_network-quality': ClientEvents['network-quality'];
  t_screen_capture_stopped: undefined;
  t_rtc_client_error: RtcError;
}
