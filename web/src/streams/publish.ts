import type { TrackKind } from '../protocol/messages';
import type { LocalPublication, PublishOptions } from '../rtc/publication';
import type { RoomMedia } from '../rtc/room-media';
import type { LocalStream } from './local';

/** Publishes a local stream; what changes in it later reaches the publication until that is closed. */
export async function publishStream(media: RoomMedia, track: TrackKind, stream: LocalStream, options: PublishOptions = {}): Promise<LocalPublication> {
  const publication = await media.publish(track, stream.sentTracks, { ...stream.bounds, stereo: stream.isStereo, ...options });
  const end = stream.feed(publication);
  publication.on('state', (state) => state === 'closed' && end());
  return publication;
}
