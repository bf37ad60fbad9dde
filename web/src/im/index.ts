export { ChatRoom } from './room';
export type {
  ChatRoomEvents, ChatState, EnterChatOptions, EnteredChat, SendImageOptions, SendOptions,
} from './room';
export { checkImage, type ImageFormat, MAX_IMAGE_BYTES, uploadImage, type UploadOptions } from './images';
export { showProfiles } from './profiles';
