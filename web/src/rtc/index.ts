/** Rooms' media: publishing, receiving, recovery, statistics. */
export { LocalPublication, type PublicationEvents, type PublicationState, type PublishOptions, type SmallPicture } from './publication';
export { Receiver, type ReceiverEvents } from './receiver';
export { Reception, type ReceptionEvents } from './reception';
export { RoomMedia } from './room-media';
export type { EnterOptions, NetworkQuality, RoomMediaEvents, Target, Wanted } from './room-events';
export type { PublicationStats, ReceivedAudio, ReceivedVideo, ReceptionStats, SentAudio, SentVideo } from './stats';
