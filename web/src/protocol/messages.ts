// The messages of `/signal`, as sfu/PROTOCOL.md describes them.
//
// Generated from the Rust types in sfu/src/signal/protocol; do not edit. To renew:
//     UPDATE=1 cargo test -p sfu --lib signal::protocol

export const PROTOCOL_VERSION = 1;

/** What a client sends. */
export type ClientMessage = { id: number } & RequestBody;

/** What the server sends. */
export type ServerMessage = OkResponse | ErrorResponse | EventMessage;

/** A request was carried out. */
export interface OkResponse<T extends RequestName = RequestName> {
  type: "response";
  /** The request's. */
  id: number;
  result: Results[T];
}

/** A request was refused, and has changed nothing. */
export interface ErrorResponse {
  type: "response";
  /** The request's. */
  id: number;
  error: ErrorBody;
}

/** Something has happened; `seq` counts the events of the session from 1, without gaps. */
export type EventMessage = { type: "event"; seq: number } & EventBody;

/** What has happened. */
export type EventBody = RoomEvent | ChatEvent | MediaEvent;

export type EventName = EventBody["event"];

export type RequestName = RequestBody["type"];

/** What is asked. */
export type RequestBody =
  | ({ type: "login" } & Login)
  | ({ type: "resume" } & Resume)
  | { type: "logout" }
  | ({ type: "renewUserSig" } & RenewUserSig)
  | { type: "ping" }
  | ({ type: "setProfile" } & SetProfile)
  | ({ type: "showProfiles" } & ShowProfiles)
  | ({ type: "createRoom" } & CreateRoom)
  | ({ type: "enterRoom" } & EnterRoom)
  | ({ type: "leaveRoom" } & LeaveRoom)
  | ({ type: "dismissRoom" } & DismissRoom)
  | ({ type: "updateRoom" } & UpdateRoom)
  | ({ type: "showRoom" } & ShowRoom)
  | ({ type: "listRooms" } & ListRooms)
  | ({ type: "listMembers" } & ListMembers)
  | ({ type: "switchRole" } & SwitchRole)
  | ({ type: "updatePrivateMapKey" } & UpdatePrivateMapKey)
  | ({ type: "kick" } & Kick)
  | ({ type: "unban" } & Unban)
  | ({ type: "listBans" } & ListBans)
  | ({ type: "setAdministrator" } & SetAdministrator)
  | ({ type: "takeSeat" } & TakeSeat)
  | ({ type: "leaveSeat" } & LeaveSeat)
  | ({ type: "applyForSeat" } & ApplyForSeat)
  | ({ type: "cancelApplication" } & CancelApplication)
  | ({ type: "answerApplication" } & AnswerApplication)
  | ({ type: "inviteToSeat" } & InviteToSeat)
  | ({ type: "cancelInvitation" } & CancelInvitation)
  | ({ type: "answerInvitation" } & AnswerInvitation)
  | ({ type: "moveSeat" } & MoveSeat)
  | ({ type: "kickOffSeat" } & KickOffSeat)
  | ({ type: "lockSeat" } & LockSeat)
  | ({ type: "moveUser" } & MoveUser)
  | ({ type: "setDevice" } & SetDevice)
  | ({ type: "requestCoHost" } & RequestCoHost)
  | ({ type: "cancelCoHost" } & CancelCoHost)
  | ({ type: "answerCoHost" } & AnswerCoHost)
  | ({ type: "exitCoHost" } & ExitCoHost)
  | ({ type: "muteCoHost" } & MuteCoHost)
  | ({ type: "sendMessage" } & SendMessage)
  | ({ type: "like" } & Like)
  | ({ type: "history" } & History)
  | ({ type: "revokeMessage" } & RevokeMessage)
  | ({ type: "muteUser" } & MuteUser)
  | ({ type: "muteAll" } & MuteAll)
  | ({ type: "listMutes" } & ListMutes)
  | ({ type: "attributes" } & Attributes)
  | ({ type: "initAttributes" } & InitAttributes)
  | ({ type: "setAttributes" } & SetAttributes)
  | ({ type: "deleteAttributes" } & DeleteAttributes)
  | ({ type: "counters" } & Counters)
  | ({ type: "setCounters" } & SetCounters)
  | ({ type: "addCounter" } & AddCounter)
  | ({ type: "publish" } & Publish)
  | ({ type: "updatePublication" } & UpdatePublication)
  | ({ type: "muteTrack" } & MuteTrack)
  | ({ type: "unpublish" } & Unpublish)
  | ({ type: "patchPublisher" } & PatchPublisher)
  | ({ type: "subscribe" } & Subscribe)
  | ({ type: "unsubscribe" } & Unsubscribe)
  | ({ type: "answer" } & Answer)
  | ({ type: "receiverTrickle" } & ReceiverTrickle)
  | ({ type: "listenVolumes" } & ListenVolumes)
  | ({ type: "listenQualities" } & ListenQualities)
  | ({ type: "startRelay" } & StartRelay)
  | ({ type: "stopRelay" } & StopRelay)
  | ({ type: "startPush" } & StartPush);

/** What each request gives back. */
export interface Results {
  /** Begins a session on this socket. An earlier session of the same user ends. */
  login: LoggedIn;
  /** Takes a session up again on a new socket, after the old one was lost. */
  resume: Resumed;
  /** Leaves all rooms and ends the session. The server closes the socket after the response. */
  logout: Done;
  /** Brings a new UserSig of the session's user: it counts from now on. */
  renewUserSig: Done;
  /** Shows that the client is there. Allowed before `login` too. */
  ping: Pong;
  /** Shows a new nick and picture in all rooms, and keeps what else the user says. */
  setProfile: Profile;
  /** How users show, there or not; not for guests. */
  showProfiles: ProfileList;
  /** Creates a room, or takes one that has no owner. Does not enter it. */
  createRoom: Done;
  /** Enters a room, or another part of it. */
  enterRoom: Entered;
  /** Leaves a room, or a part of it. The owner of a room cannot leave its chat, only dismiss it. */
  leaveRoom: Done;
  /** Ends a room for everybody (its owner). */
  dismissRoom: Done;
  /** Changes texts, whether lists have the room, and the seat mode (hosts); what is absent stays. */
  updateRoom: Done;
  /** What a room is. */
  showRoom: RoomInfo;
  /** One page of the app's rooms that are not hidden, ordered by id, numbers first. */
  listRooms: RoomList;
  /** One page of the chat's members, ordered by user id. */
  listMembers: MemberList;
  /** Becomes an anchor or one of the audience, in live mode. */
  switchRole: Done;
  /** Brings a new PrivateMapKey for a room that one is in; its rights count from now on. */
  updatePrivateMapKey: Done;
  /** Removes members, and keeps them out for a time (hosts, of those below). */
  kick: UserList;
  /** Lets somebody in again (hosts). */
  unban: Done;
  /** One page of those who may not enter a room, ordered by user id (hosts). */
  listBans: BanList;
  /** Makes a member an administrator, or takes it back (the owner). */
  setAdministrator: Done;
  /**
   * Sits down where that is free, or for hosts; else applies without a time limit. One who sits
   * moves.
   */
  takeSeat: SeatAnswer;
  /** Stands up. */
  leaveSeat: Done;
  /** Applies for a seat, or takes it where that is free. */
  applyForSeat: SeatAnswer;
  /** Takes one's application back. */
  cancelApplication: Done;
  /** Accepts or rejects an application (hosts). */
  answerApplication: SeatAnswer;
  /** Invites somebody to a seat (hosts). */
  inviteToSeat: Done;
  /** Takes an invitation of one's own back (hosts). */
  cancelInvitation: Done;
  /** Accepts or rejects an invitation. */
  answerInvitation: SeatAnswer;
  /** Moves to a free seat. */
  moveSeat: SeatAnswer;
  /** Takes users off their seats (hosts, those below). */
  kickOffSeat: UserList;
  /** Locks or unlocks a seat (hosts). The one who sits there stays. */
  lockSeat: Done;
  /** Moves somebody to another seat (hosts, those below). */
  moveUser: SeatAnswer;
  /** Closes somebody's microphone or camera, or lets its user open it again (hosts, those below). */
  setDevice: Done;
  /** Asks another room of the app to connect with this one (hosts). */
  requestCoHost: Done;
  /** Takes a request to connect back (hosts). */
  cancelCoHost: Done;
  /** Accepts or rejects another room's request (hosts). */
  answerCoHost: Done;
  /** Leaves the group of connected rooms (hosts); nothing when in none. */
  exitCoHost: Done;
  /** Mutes a connected room's sound for this room's audience (hosts). */
  muteCoHost: Done;
  /** Sends a message to a room's chat. */
  sendMessage: Sent;
  /** Likes a room. */
  like: Done;
  /** One page of a room's last messages, oldest first. */
  history: MessageList;
  /** Takes a message of the history back (its sender, hosts). */
  revokeMessage: Done;
  /** Keeps a user from sending for a time (hosts). */
  muteUser: Done;
  /** Keeps everybody but the hosts from sending, or no more (hosts). */
  muteAll: Done;
  /** One page of those who may not speak in a room's chat, ordered by user id (hosts). */
  listMutes: MuteList;
  /** The texts that a room shares. */
  attributes: AttributeValues;
  /** Replaces all texts that a room shares. */
  initAttributes: Done;
  /** Adds and overwrites texts that a room shares. */
  setAttributes: Done;
  /** Takes texts that a room shares away. */
  deleteAttributes: Done;
  /** The numbers that a room shares. */
  counters: CounterValues;
  /** Sets numbers that a room shares. */
  setCounters: CounterValues;
  /** Adds to a number that a room shares; one that is new starts at 0. */
  addCounter: CounterValues;
  /** Begins a publication: the page offers, the server answers. */
  publish: Published;
  /** Says anew what a publication contains, after tracks were added or removed. */
  updatePublication: Done;
  /** Mutes and unmutes what one publishes; what is absent stays. */
  muteTrack: Done;
  /** Ends a publication. */
  unpublish: Done;
  /** Brings ICE candidates of a publishing peer connection, or restarts its ICE. */
  patchPublisher: Patched;
  /**
   * Wants to receive what a user publishes, or changes what of it. The server then offers, by event;
   * another picture of what is received already comes without an offer.
   */
  subscribe: Subscribed;
  /** Wants a publication no longer. */
  unsubscribe: Done;
  /** Answers the server's offer. */
  answer: Done;
  /** Brings ICE candidates of the receiving peer connection, or asks for an ICE restart. */
  receiverTrickle: Done;
  /** Wants `volumes` events of a room that one is in. */
  listenVolumes: Done;
  /** Wants `qualities` events of a room whose media one is in, or wants them no longer. */
  listenQualities: Done;
  /** Publishes to the relay: HTTP-FLV and HLS addresses for the audience that only watches. */
  startRelay: RelayAddresses;
  /** Publishes to the relay no longer. */
  stopRelay: Done;
  /**
   * Pushes a relayed publication to another server by RTMP, where the operator lets pages do that.
   * It ends with the relaying.
   */
  startPush: Done;
}

/** Begins a session on this socket. An earlier session of the same user ends. */
export interface Login {
  /** The version of the protocol that the client speaks: 1. */
  version: number;
  /** The app (`sdkAppId`); 0 where the server runs open. */
  app: AppId;
  /** The user; a guest when absent. Guests listen to chat and do nothing else. */
  user?: UserId;
  /** The user's UserSig; not needed by guests and where the server runs open. */
  userSig?: string;
  /** Nick and picture to begin with; the stored ones when absent. */
  profile?: Profile;
}

/** The number of an application (`sdkAppId`). 0 is the app of the open development mode. */
export type AppId = number;

/** A user's name inside an app: 1 to 32 bytes of UTF-8 without control characters. */
export type UserId = string;

/** A user's nick and the address of a picture; both may be empty. */
export interface Profile {
  /** The nick, or an empty text; up to 150 bytes. */
  nick: string;
  /** The picture's address, or an empty text; up to 500 bytes. */
  avatar: string;
}

/** A session has begun. */
export interface LoggedIn {
  /** The session's name. */
  session: string;
  /** The session's secret: whoever has it may resume the session. */
  resumeToken: string;
  /** The user; `null` for a guest. */
  user: UserId | null;
  /** Nick and picture that others see. */
  profile: Profile;
  /** For the `RTCPeerConnection`s of the page. */
  iceServers: IceServer[];
  /** The server's clock: milliseconds since 1970. */
  serverTime: UnixTime;
  /** What the client has to keep to. */
  limits: SessionLimits;
}

/** A STUN or TURN server, as the browser's `RTCIceServer`. */
export interface IceServer {
  /** Its addresses. */
  urls: string[];
  /** The name at a TURN server. */
  username?: string;
  /** The password at a TURN server. */
  credential?: string;
}

/** Wall clock: milliseconds since 1970. For what outlives a run; rates use monotonic time. */
export type UnixTime = number;

/**
 * What a client has to keep to. A request over a bound is refused, a client that goes on
 * regardless is disconnected.
 */
export interface SessionLimits {
  /** Longest request, in bytes of UTF-8. */
  maxRequestBytes: number;
  /** Requests a second in the long run. */
  requestsPerSecond: number;
  /** Requests at once. */
  requestBurst: number;
  /** How long a session without socket can be resumed, in milliseconds. */
  resumeMs: number;
  /** Most bytes of all texts of one chat message. */
  maxMessageBytes: number;
  /** Most likes in one request. */
  maxLikes: number;
  /** Users named in one request. */
  usersPerRequest: number;
  /** Entries in one page of a list. */
  page: number;
}

/** Takes a session up again on a new socket, after the old one was lost. */
export interface Resume {
  /** The session's name from `login`. */
  session: string;
  /** The session's secret from `login`. */
  resumeToken: string;
  /** `seq` of the last event that arrived; 0 before the first. */
  lastSeq: number;
}

/** The session is taken up again. The missed events follow this response. */
export interface Resumed {
  /** Events that follow because they were missed. */
  missed: number;
  /** The server's clock: milliseconds since 1970. */
  serverTime: UnixTime;
}

/** Nothing but that it is done. */
export type Done = Record<string, never>;

/** Brings a new UserSig of the session's user: it counts from now on. */
export interface RenewUserSig {
  /** The new token. */
  userSig: string;
}

/** The answer to `ping`. */
export interface Pong {
  /** The server's clock: milliseconds since 1970. */
  serverTime: UnixTime;
}

/** Shows a new nick and picture in all rooms, and keeps what else the user says. */
export interface SetProfile {
  /** Both texts. */
  profile: Profile;
  /** What `showProfiles` tells beside them; stays as it is when absent. */
  details?: ProfileDetails;
}

/** What a user says beside nick and picture; all may be empty. */
export interface ProfileDetails {
  /** A word of the page's, such as `Gender_Type_Female`; up to 32 letters, digits and `_`. */
  gender: string;
  /** A line about oneself; up to 500 bytes. */
  selfSignature: string;
}

/** How users show, there or not; not for guests. */
export interface ShowProfiles {
  /** Whose; 1 to 50. */
  users: UserId[];
}

/** How users show. */
export interface ProfileList {
  /** Of those users who were asked for and are known, each once, ordered by user id. */
  profiles: UserProfile[];
}

/** How one user shows. */
export interface UserProfile {
  /** Who. */
  user: UserId;
  /** Nick and picture. */
  profile: Profile;
  /** What else the user has said; empty texts where nothing. */
  details: ProfileDetails;
}

/** Creates a room, or takes one that has no owner. Does not enter it. */
export interface CreateRoom {
  /** The room. */
  room: RoomId;
  /** Its title; up to 100 bytes. */
  name?: string;
  /** Its notice; up to 1000 bytes. */
  notice?: string;
  /** What it is about; up to 1000 bytes. */
  introduction?: string;
  /** The address of its picture; up to 1000 bytes. */
  cover?: string;
  /** Whether `listRooms` leaves it out; who knows its id may enter all the same. */
  hidden?: boolean;
  /** Its seats; none when absent. */
  seats?: SeatSettings;
}

/**
 * A room's name inside an app. Number 123 and name "123" are two rooms.
 * In JSON a number is a number and a name is a string.
 */
export type RoomId = number | string;

/** The seats of a room. */
export interface SeatSettings {
  /** How many. */
  count: number;
  /** Who may sit down. */
  mode: SeatMode;
  /** Seat 0 is the owner's. */
  keepOwnerOnSeat: boolean;
}

/** How one gets a seat. */
export type SeatMode =
  /** A free seat is taken at once. */
  | "freeToTake"
  /** A host accepts. */
  | "applyToTake";

/** Enters a room, or another part of it. */
export interface EnterRoom {
  /** The room. */
  room: RoomId;
  /** What of it. */
  part: RoomPart;
  /**
   * Only a room that is there already: refused with `noSuchRoom`, where entering its media
   * would begin one. For those who come back to a room that an owner has created.
   */
  existing?: boolean;
  /** The mode of the media, the same for all in the room; `live` when absent. */
  scene?: Scene;
  /**
   * The wanted role; `audience` when absent. In rtc mode everybody is an anchor; in a room
   * with seats one who has no seat is audience.
   */
  role?: Role;
  /** The user's PrivateMapKey, where the app requires one. */
  privateMapKey?: string;
  /**
   * So many of the chat's last messages come with the answer; none when absent, the bound for
   * pages when more than that.
   */
  history?: number;
}

/** What of a room is entered or left. */
export type RoomPart =
  /** The chat group of a room that was created. */
  | "chat"
  /** The media; a room that was not created begins with the first who enters it. */
  | "media"
  /** Both, of a room that was created. */
  | "all";

/** The mode of a room's media; one for all who are in it. */
export type Scene =
  /** Few anchors, and an audience that nobody sees. */
  | "live"
  /** A call: everybody is an anchor. */
  | "rtc";

/** What a member does with media. */
export type Role =
  /** May publish, and is seen by everybody. */
  | "anchor"
  /** Receives, and is not seen. */
  | "audience";

/** What one who enters sees. */
export interface Entered {
  /**
   * The chat's last messages, oldest first, when they were asked for and the chat is entered.
   * What is said after them comes as events.
   */
  history?: Message[];
  /** Whether nobody but the hosts may send, when the chat is entered. */
  allMuted?: boolean;
  /** How often the room was liked since it was made, when the chat is entered. */
  totalLikesReceived?: number;
  /** The room. */
  info: RoomInfo;
  /** Nothing changed: that part was entered before. */
  already: boolean;
  /** The role, when the media was entered. */
  role: Role | null;
  /** All anchors, oneself included; empty when only the chat was entered. */
  anchors: MemberView[];
  /** The seats, if the room has any. */
  seats: SeatView[];
  /** The rooms that are connected with this one; empty when only the chat was entered. */
  coHosts: CoHostView[];
  /** Hosts: who applies for a seat; absent where nobody does. */
  applications?: ApplicationView[];
  /** Hosts: open requests to connect with other rooms; absent where there are none. */
  coHostRequests?: CoHostRequestView[];
}

/** A message as a room delivers and keeps it. */
export type Message = {
  /** Different for each message of a room. */
  ID: string;
  /** Position in the room, from 1, without gaps. 0 until the room has delivered it. */
  sequence: number;
  /** The client's number. */
  random: number;
  /** The sender; none for the room itself and its application. */
  from?: UserId | null;
  /** The room. */
  to: RoomId;
  /** Seconds since 1970. */
  time: number;
  /** What it was sent with. */
  priority: Priority;
  /** The sender's nick at that time. */
  nick: string;
  /** The sender's picture at that time. */
  avatar: string;
  /** The sender's name in this room. */
  nameCard: string;
  /** The application's own data. */
  cloudCustomData: string;
  /** Taken back: the content is empty then. */
  isRevoked: boolean;
} & ({ type: "TIMTextElem"; payload: TextPayload } | { type: "TIMCustomElem"; payload: CustomPayload } | { type: "TIMImageElem"; payload: ImagePayload } | { type: "TIMGroupTipElem"; payload: GroupTip });

/** What goes first when a room has too much to deliver. The lowest is dropped first. */
export type Priority =
  /** Likes and join notices. */
  | "Lowest"
  /** Less than talk. */
  | "Low"
  /** Talk. */
  | "Normal"
  /** Gifts and what hosts announce. */
  | "High";

/** Text for people. */
export interface TextPayload {
  /** The text. Pages show it as text, never as HTML. */
  text: string;
}

/** Data for programs. */
export interface CustomPayload {
  /** What it is. */
  data: string;
  /** What it means to people: looked at by the word filter. */
  description: string;
  /** Anything else. */
  extension: string;
}

/** An image in its sizes. */
export interface ImagePayload {
  /** The upload's id. */
  uuid: string;
  /** `jpg`, `png`, `gif`, `webp` or `bmp`. */
  imageFormat: string;
  /** The original first, then smaller ones. */
  imageInfoArray: ImageInfo[];
}

/** One size of an image. */
export interface ImageInfo {
  /** Where it is served, as a path. */
  url: string;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Bytes. */
  size: number;
}

/** A notice of the room itself. */
export interface GroupTip {
  /**
   * What happened, as the number of a `TipKind`: 1 came, 2 went, 3 removed, 4 and 5
   * administrators named and dismissed, 6 the room, 7 a member, 10 and 11 ban and its end.
   */
  operationType: number;
  /** Who did it; none for what nobody in the room did. */
  operatorID?: UserId | null;
  /** Whom it concerns. Not all of them in a large room. */
  userIDList: UserId[];
  /** Members in the room afterwards, where it changed. */
  memberCount?: number | null;
}

/** What a room is. */
export interface RoomInfo {
  /** The room. */
  room: RoomId;
  /** The title, or an empty text. */
  name: string;
  /** The notice, or an empty text. */
  notice: string;
  /** What the room is about, or an empty text. */
  introduction: string;
  /** The address of the room's picture, or an empty text. Only hosts can change it. */
  cover: string;
  /** Lists of rooms leave it out; who knows its id may enter. */
  hidden: boolean;
  /** The owner, unless the room came into being by being entered. */
  owner: UserId | null;
  /** The mode, while somebody is in the media. */
  scene: Scene | null;
  /** Members and guests in the room. */
  online: number;
  /** Members and guests who have entered since the room began; one who returns counts again. */
  totalEntered: number;
  /** The seats' settings. */
  seats: SeatSettings | null;
  /** When its owner has created it: milliseconds since 1970. */
  createdAt: UnixTime | null;
}

/** One member, as others see it. */
export interface MemberView {
  /** Who. */
  user: UserId;
  /** Nick and picture. */
  profile: Profile;
  /** Owner, administrator or none of them. */
  rank: Rank;
  /** The role, if the media was entered. */
  role: Role | null;
  /** What is published. */
  tracks: Tracks;
}

/** Who decides in a room; a smaller value stands higher. */
export type Rank =
  /** The one who created the room. */
  | "owner"
  /** Appointed by the owner. */
  | "administrator"
  /** Everybody else. */
  | "generalUser";

/** All that one member publishes. */
export interface Tracks {
  /** Camera and microphone. */
  main: Publication | null;
  /** Screen. */
  aux: Publication | null;
}

/** One publication's contents. */
export interface Publication {
  /** Sound is sent. */
  hasAudio: boolean;
  /** A picture is sent. */
  hasVideo: boolean;
  /** A small picture is sent beside the large one. */
  hasSmall: boolean;
  /** The sound is muted. */
  audioMuted: boolean;
  /** The picture is muted. */
  videoMuted: boolean;
}

/** One seat, as everybody sees it. */
export interface SeatView {
  /** From 0. */
  index: number;
  /** Nobody can take it. */
  isLocked: boolean;
  /** A host has closed the microphone. */
  isAudioLocked: boolean;
  /** A host has closed the camera. */
  isVideoLocked: boolean;
  /** Who sits there. */
  user: SeatUser | null;
}

/** The one who sits. */
export interface SeatUser {
  /** Who. */
  user: UserId;
  /** Nick and picture; empty while away. */
  profile: Profile;
  /** Owner, administrator or none of them. */
  rank: Rank;
  /** Sound is published and not muted. */
  microphoneOn: boolean;
  /** The camera is published and not muted. */
  cameraOn: boolean;
  /** The seat is kept for a user who is reloading. */
  away: boolean;
}

/** A connected room. */
export interface CoHostView {
  /** The room. */
  room: RoomId;
  /** Its owner. */
  owner: UserId | null;
  /** Its sound is muted for this room's audience. */
  isMuted: boolean;
  /** Its anchors, with what they publish. */
  anchors: MemberView[];
}

/** An open application for a seat. */
export interface ApplicationView {
  /** Who. */
  guest: UserId;
  /** Nick and picture. */
  profile: Profile;
  /** The seat, or any. */
  seat: number | null;
}

/** An open request to connect two rooms. */
export interface CoHostRequestView {
  /** The other room. */
  other: RoomId;
  /** Whether this room has asked. */
  sent: boolean;
  /** The asking page's own text. */
  extension: string;
}

/** Leaves a room, or a part of it. The owner of a room cannot leave its chat, only dismiss it. */
export interface LeaveRoom {
  /** The room. */
  room: RoomId;
  /** What of it. */
  part: RoomPart;
}

/** Ends a room for everybody (its owner). */
export interface DismissRoom {
  /** The room. */
  room: RoomId;
}

/** Changes texts, whether lists have the room, and the seat mode (hosts); what is absent stays. */
export interface UpdateRoom {
  /** The room. */
  room: RoomId;
  /** The title; up to 100 bytes. */
  name?: string;
  /** The notice; up to 1000 bytes. */
  notice?: string;
  /** What the room is about; up to 1000 bytes. */
  introduction?: string;
  /** The address of the room's picture; up to 1000 bytes. */
  cover?: string;
  /** Whether `listRooms` leaves it out. */
  hidden?: boolean;
  /** Who may sit down. */
  seatMode?: SeatMode;
}

/** What a room is. */
export interface ShowRoom {
  /** The room. */
  room: RoomId;
}

/** One page of the app's rooms that are not hidden, ordered by id, numbers first. */
export interface ListRooms {
  /** The last room of the page before. */
  after?: RoomId;
  /** Rooms in the page; the bound for pages when absent or more than that. */
  count?: number;
}

/** One page of rooms. */
export interface RoomList {
  /** The rooms. */
  rooms: RoomInfo[];
  /** Whether there are more after them. */
  more: boolean;
}

/** One page of the chat's members, ordered by user id. */
export interface ListMembers {
  /** The room. */
  room: RoomId;
  /** The last user of the page before. */
  after?: UserId;
  /** Members in the page; the bound for pages when absent or more than that. */
  count?: number;
}

/** One page of members. */
export interface MemberList {
  /** The members. */
  members: MemberView[];
  /** Whether there are more after them. */
  more: boolean;
}

/** Becomes an anchor or one of the audience, in live mode. */
export interface SwitchRole {
  /** The room. */
  room: RoomId;
  /** The role. */
  role: Role;
}

/** Brings a new PrivateMapKey for a room that one is in; its rights count from now on. */
export interface UpdatePrivateMapKey {
  /** The room. */
  room: RoomId;
  /** The new token. */
  privateMapKey: string;
}

/** Removes members, and keeps them out for a time (hosts, of those below). */
export interface Kick {
  /** The room. */
  room: RoomId;
  /** Who. */
  users: UserId[];
  /** Shown to them; up to 256 bytes. */
  message?: string;
  /** For how long they may not come back; they may at once when absent or 0. */
  banSeconds?: number;
}

/** The users that a request concerned: those that were named and found. */
export interface UserList {
  /** Who. */
  users: UserId[];
}

/** Lets somebody in again (hosts). */
export interface Unban {
  /** The room. */
  room: RoomId;
  /** Who. */
  user: UserId;
}

/** One page of those who may not enter a room, ordered by user id (hosts). */
export interface ListBans {
  /** The room. */
  room: RoomId;
  /** The last user of the page before. */
  after?: UserId;
  /** Users in the page; the bound for pages when absent or more than that. */
  count?: number;
}

/** One page of bans. */
export interface BanList {
  /** Who, and for how long. */
  users: TimeLeft[];
  /** Whether there are more after them. */
  more: boolean;
}

/** A user of whom something holds for a time. */
export interface TimeLeft {
  /** Who. */
  user: UserId;
  /** Seconds left, rounded up. */
  seconds: number;
}

/** Makes a member an administrator, or takes it back (the owner). */
export interface SetAdministrator {
  /** The room. */
  room: RoomId;
  /** Who. */
  user: UserId;
  /** Whether from now on. */
  isAdministrator: boolean;
}

/**
 * Sits down where that is free, or for hosts; else applies without a time limit. One who sits
 * moves.
 */
export interface TakeSeat {
  /** The room. */
  room: RoomId;
  /** The seat; any when absent. */
  seat?: number;
}

/** How a request about a seat ended. */
export interface SeatAnswer {
  /**
   * The seat that was taken. Absent when nobody sat down: an application waits for a host,
   * or was rejected.
   */
  seat?: number;
}

/** Stands up. */
export interface LeaveSeat {
  /** The room. */
  room: RoomId;
}

/** Applies for a seat, or takes it where that is free. */
export interface ApplyForSeat {
  /** The room. */
  room: RoomId;
  /** The seat; any when absent. */
  seat?: number;
  /** How long the application stays; until it is answered when absent or 0. */
  timeoutSeconds?: number;
}

/** Takes one's application back. */
export interface CancelApplication {
  /** The room. */
  room: RoomId;
}

/** Accepts or rejects an application (hosts). */
export interface AnswerApplication {
  /** The room. */
  room: RoomId;
  /** Who applied. */
  guest: UserId;
  /** Whether the guest gets the seat. */
  accept: boolean;
}

/** Invites somebody to a seat (hosts). */
export interface InviteToSeat {
  /** The room. */
  room: RoomId;
  /** Who is invited. */
  guest: UserId;
  /** The seat; any when absent. */
  seat?: number;
  /** How long the invitation stays; until it is answered when absent or 0. */
  timeoutSeconds?: number;
}

/** Takes an invitation of one's own back (hosts). */
export interface CancelInvitation {
  /** The room. */
  room: RoomId;
  /** Who was invited. */
  guest: UserId;
}

/** Accepts or rejects an invitation. */
export interface AnswerInvitation {
  /** The room. */
  room: RoomId;
  /** Who invited. */
  host: UserId;
  /** Whether to sit down. */
  accept: boolean;
}

/** Moves to a free seat. */
export interface MoveSeat {
  /** The room. */
  room: RoomId;
  /** The new seat. */
  target: number;
}

/** Takes users off their seats (hosts, those below). */
export interface KickOffSeat {
  /** The room. */
  room: RoomId;
  /** Who. */
  users: UserId[];
}

/** Locks or unlocks a seat (hosts). The one who sits there stays. */
export interface LockSeat {
  /** The room. */
  room: RoomId;
  /** The seat. */
  seat: number;
  /** Whether it is locked from now on. */
  locked: boolean;
}

/** Moves somebody to another seat (hosts, those below). */
export interface MoveUser {
  /** The room. */
  room: RoomId;
  /** Who. */
  user: UserId;
  /** Where to. */
  target: number;
  /** What happens to the one who sits there. */
  policy: MovePolicy;
}

/** What happens when the seat to move to is taken. */
export type MovePolicy =
  /** Nothing moves. */
  | "abortWhenOccupied"
  /** The one who sits there loses the seat. */
  | "forceReplace"
  /** The two change places. */
  | "swapPosition";

/** Closes somebody's microphone or camera, or lets its user open it again (hosts, those below). */
export interface SetDevice {
  /** The room. */
  room: RoomId;
  /** Whose. */
  user: UserId;
  /** Which. */
  device: Device;
  /** `false` closes; `true` lifts the lock and turns nothing on. */
  open: boolean;
}

/** A device that a host can close on a seat. */
export type Device =
  /** Sound. */
  | "microphone"
  /** Picture. */
  | "camera";

/** Asks another room of the app to connect with this one (hosts). */
export interface RequestCoHost {
  /** The room. */
  room: RoomId;
  /** The room that is asked. */
  other: RoomId;
  /** How long the request stays; until it is answered when absent or 0. */
  timeoutSeconds?: number;
  /** The page's own text for the other hosts; up to 1000 bytes. */
  extension?: string;
}

/** Takes a request to connect back (hosts). */
export interface CancelCoHost {
  /** The room. */
  room: RoomId;
  /** The room that was asked. */
  other: RoomId;
}

/** Accepts or rejects another room's request (hosts). */
export interface AnswerCoHost {
  /** The room. */
  room: RoomId;
  /** The room that asks. */
  other: RoomId;
  /** Whether to connect. */
  accept: boolean;
}

/** Leaves the group of connected rooms (hosts); nothing when in none. */
export interface ExitCoHost {
  /** The room. */
  room: RoomId;
}

/** Mutes a connected room's sound for this room's audience (hosts). */
export interface MuteCoHost {
  /** The room. */
  room: RoomId;
  /** The other room. */
  other: RoomId;
  /** Whether from now on. */
  muted: boolean;
}

/** Sends a message to a room's chat. */
export interface SendMessage {
  /** The room. */
  room: RoomId;
  /** What is said. */
  content: MessageContent;
  /** What goes first when the room has too much to deliver; `Normal` when absent. */
  priority?: Priority;
  /** The page's own data, passed on. */
  cloudCustomData?: string;
  /** The client's number against doubles, passed on; 0 when absent. */
  random?: number;
}

/** The content of a message that is sent. */
export type MessageContent =
  /** Text for people. */
  | { type: "TIMTextElem"; payload: TextContent }
  /** Data for programs. */
  | { type: "TIMCustomElem"; payload: CustomContent }
  /** An uploaded image. */
  | { type: "TIMImageElem"; payload: ImageContent };

/** Text for people. */
export interface TextContent {
  /** The text. */
  text: string;
}

/** Data for programs; what is absent is empty. */
export interface CustomContent {
  /** What it is. */
  data?: string;
  /** What it means to people: looked at by the word filter. */
  description?: string;
  /** Anything else. */
  extension?: string;
}

/** An uploaded image. */
export interface ImageContent {
  /** The id that the upload gave. */
  uuid: string;
}

/** The message was taken. A room that is too fast may still drop it. */
export interface Sent {
  /** As the others get it; `sequence` is 0 because the room has not delivered it yet. */
  message: Message;
}

/** Likes a room. */
export interface Like {
  /** The room. */
  room: RoomId;
  /** How often; 1 to 100. */
  count: number;
}

/** One page of a room's last messages, oldest first. */
export interface History {
  /** The room. */
  room: RoomId;
  /** Only messages before this `sequence`; the last ones when absent. */
  before?: number;
  /** Messages in the page; 15 when absent, the bound for pages when more than that. */
  count?: number;
}

/** Messages, oldest first. */
export interface MessageList {
  /** The messages. */
  messages: Message[];
}

/** Takes a message of the history back (its sender, hosts). */
export interface RevokeMessage {
  /** The room. */
  room: RoomId;
  /** The message's `sequence`. */
  sequence: number;
}

/** Keeps a user from sending for a time (hosts). */
export interface MuteUser {
  /** The room. */
  room: RoomId;
  /** Who. */
  user: UserId;
  /** For how long; 0 lets the user send again. */
  seconds: number;
}

/** Keeps everybody but the hosts from sending, or no more (hosts). */
export interface MuteAll {
  /** The room. */
  room: RoomId;
  /** Whether from now on. */
  muted: boolean;
}

/** One page of those who may not speak in a room's chat, ordered by user id (hosts). */
export interface ListMutes {
  /** The room. */
  room: RoomId;
  /** The last user of the page before. */
  after?: UserId;
  /** Users in the page; the bound for pages when absent or more than that. */
  count?: number;
}

/** One page of mutes. */
export interface MuteList {
  /** Whether everybody but the hosts may not speak. */
  allMuted: boolean;
  /** Who, and for how long. */
  users: TimeLeft[];
  /** Whether there are more after them. */
  more: boolean;
}

/** The texts that a room shares. */
export interface Attributes {
  /** The room. */
  room: RoomId;
}

/** The texts that a room shares. */
export interface AttributeValues {
  /** By name. */
  attributes: Record<string, string>;
}

/** Replaces all texts that a room shares. */
export interface InitAttributes {
  /** The room. */
  room: RoomId;
  /** Texts by name: at most 16, a name of 1 to 32 bytes, a text of up to 4 KB, 16 KB together. */
  attributes: Record<string, string>;
}

/** Adds and overwrites texts that a room shares. */
export interface SetAttributes {
  /** The room. */
  room: RoomId;
  /** Texts by name, within the bounds of `initAttributes`. */
  attributes: Record<string, string>;
}

/** Takes texts that a room shares away. */
export interface DeleteAttributes {
  /** The room. */
  room: RoomId;
  /** Which; all of them when empty. */
  names: string[];
}

/** The numbers that a room shares. */
export interface Counters {
  /** The room. */
  room: RoomId;
}

/** The numbers that a room shares. */
export interface CounterValues {
  /** By name. */
  counters: Record<string, number>;
}

/** Sets numbers that a room shares. */
export interface SetCounters {
  /** The room. */
  room: RoomId;
  /** Numbers by name: at most 20, a name of 1 to 32 bytes. */
  counters: Record<string, number>;
}

/** Adds to a number that a room shares; one that is new starts at 0. */
export interface AddCounter {
  /** The room. */
  room: RoomId;
  /** Which. */
  name: string;
  /** How much; negative takes away. */
  amount: number;
}

/** Begins a publication: the page offers, the server answers. */
export interface Publish {
  /** The room, whose media one is in as an anchor. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
  /** What it contains. */
  publication: Publication;
  /** The SDP offer of the publishing peer connection. */
  offer: string;
  /** A stream id of one's own for the relay's addresses: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  streamId?: string;
}

/** Which of a member's two publications. */
export type TrackKind =
  /** Camera and microphone. */
  | "main"
  /** Screen. */
  | "aux";

/** The server's answer to a publisher's offer. */
export interface Published {
  /** The SDP answer. */
  answer: string;
  /** Names the ICE session, for `patchPublisher`. */
  etag: string;
  /** The public stream id. */
  stream: string;
  /** The relay's addresses; `null` while this stream is not relayed. */
  relay: RelayAddresses | null;
}

/** Where a relayed stream is played, relative to the server's address. */
export interface RelayAddresses {
  /** The public stream id. */
  stream: string;
  /** HTTP-FLV. */
  flv: string;
  /** HLS. */
  hls: string;
}

/** Says anew what a publication contains, after tracks were added or removed. */
export interface UpdatePublication {
  /** The room. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
  /** What it contains now. */
  publication: Publication;
}

/** Mutes and unmutes what one publishes; what is absent stays. */
export interface MuteTrack {
  /** The room. */
  room: RoomId;
  /** Which publication. */
  track: TrackKind;
  /** The sound is muted from now on. */
  audio?: boolean;
  /** The picture is muted from now on. */
  video?: boolean;
}

/** Ends a publication. */
export interface Unpublish {
  /** The room. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
}

/** Brings ICE candidates of a publishing peer connection, or restarts its ICE. */
export interface PatchPublisher {
  /** The room. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
  /** The SDP fragment (RFC 8840). */
  fragment: string;
  /** The `etag` of the ICE session that the candidates are of; `*` for an ICE restart. */
  ifMatch?: string;
}

/** Candidates were taken, or ICE was restarted. */
export interface Patched {
  /** Names the new ICE session; `null` unless ICE was restarted. */
  etag: string | null;
  /** The server's new credentials and candidates; `null` unless ICE was restarted. */
  fragment: string | null;
}

/**
 * Wants to receive what a user publishes, or changes what of it. The server then offers, by event;
 * another picture of what is received already comes without an offer.
 */
export interface Subscribe {
  /** The room that the user is in: one's own, or one that is connected with it. */
  room: RoomId;
  /** Who. */
  user: UserId;
  /** Which of the two publications. */
  track: TrackKind;
  /** Whether to receive the sound. */
  audio: boolean;
  /** Whether to receive the picture. */
  video: boolean;
  /** Which picture; `large` when absent. */
  picture?: Picture;
}

/** Which of a publisher's pictures. */
export type Picture = "large" | "small";

/** The publication is received from one of the next offers on. */
export interface Subscribed {
  /** The id of the media stream in the offers: the public stream id. */
  stream: string;
}

/** Wants a publication no longer. */
export interface Unsubscribe {
  /** The room that the user is in. */
  room: RoomId;
  /** Who. */
  user: UserId;
  /** Which of the two publications. */
  track: TrackKind;
}

/** Answers the server's offer. */
export interface Answer {
  /** The offer's revision. */
  revision: number;
  /** The SDP answer of the receiving peer connection. */
  sdp: string;
}

/** Brings ICE candidates of the receiving peer connection, or asks for an ICE restart. */
export interface ReceiverTrickle {
  /**
   * The SDP fragment (RFC 8840) with candidates. Absent, it asks for an ICE restart: the
   * server then offers anew.
   */
  fragment?: string;
}

/** Wants `volumes` events of a room that one is in. */
export interface ListenVolumes {
  /** The room. */
  room: RoomId;
  /** How often, in milliseconds; 0 ends it. */
  intervalMs: number;
}

/** Wants `qualities` events of a room whose media one is in, or wants them no longer. */
export interface ListenQualities {
  /** The room. */
  room: RoomId;
  /** Whether from now on. */
  listen: boolean;
}

/** Publishes to the relay: HTTP-FLV and HLS addresses for the audience that only watches. */
export interface StartRelay {
  /** The room. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
  /** A stream id of one's own: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  streamId?: string;
}

/** Publishes to the relay no longer. */
export interface StopRelay {
  /** The room. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
}

/**
 * Pushes a relayed publication to another server by RTMP, where the operator lets pages do that.
 * It ends with the relaying.
 */
export interface StartPush {
  /** The room. */
  room: RoomId;
  /** Which of the two publications. */
  track: TrackKind;
  /** `rtmp://` or `rtmps://`, host, application and stream key. */
  url: string;
}

/** What a client is told. */
export type RoomEvent =
  /** Somebody came in as an anchor or became one. */
  | {
      event: "anchorEntered";
      /** The room. */
      room: RoomId;
      /** Who. */
      user: UserId;
      /** Nick and picture. */
      profile: Profile;
    }
  /** An anchor left or became audience. */
  | {
      event: "anchorLeft";
      /** The room. */
      room: RoomId;
      /** Who. */
      user: UserId;
      /** Why. */
      reason: LeaveReason;
    }
  /** A publication began, changed or ended (`null`). */
  | {
      event: "trackChanged";
      /** The room. */
      room: RoomId;
      /** Whose. */
      user: UserId;
      /** Which. */
      track: TrackKind;
      /** What it contains now. */
      publication: Publication | null;
    }
  /** Nick or picture of somebody who can be seen changed. */
  | {
      event: "profileChanged";
      /** The room. */
      room: RoomId;
      /** Who. */
      user: UserId;
      /** The new ones. */
      profile: Profile;
    }
  /** Your role has changed, with your seat or by your own wish. */
  | {
      event: "roleChanged";
      /** The room. */
      room: RoomId;
      /** The new role. */
      role: Role;
    }
  /** You are out of the room. */
  | {
      event: "removed";
      /** The room. */
      room: RoomId;
      /** Why. */
      reason: RemovalReason;
      /** By whom. */
      by: RemovedBy;
      /** A plain sentence. */
      message: string;
    }
  /** The same user has logged in elsewhere: this connection ends. */
  | {
      event: "loggedOut";
      /** A plain sentence. */
      message: string;
    }
  /** The UserSig has ended: chat and entering rooms wait for a new one. Media go on. */
  | {
      event: "userSigExpired";
      /** A plain sentence. */
      message: string;
    }
  /** Somebody was made an administrator, or is none any more. */
  | {
      event: "administratorChanged";
      /** The room. */
      room: RoomId;
      /** Who. */
      user: UserId;
      /** Whether from now on. */
      isAdministrator: boolean;
    }
  /** Texts or seat mode changed. */
  | {
      event: "roomUpdated";
      /** The room. */
      room: RoomId;
      /** All of it. */
      info: RoomInfo;
    }
  /** Seats changed. */
  | {
      event: "seatsChanged";
      /** The room. */
      room: RoomId;
      /** All seats. */
      seats: SeatView[];
    }
  /** Hosts: a guest asks for a seat. */
  | {
      event: "applicationReceived";
      /** The room. */
      room: RoomId;
      /** Who. */
      guest: UserId;
      /** Nick and picture. */
      profile: Profile;
      /** The seat, or any. */
      seat: number | null;
    }
  /** Hosts: an application is no longer open. */
  | {
      event: "applicationEnded";
      /** The room. */
      room: RoomId;
      /** Whose. */
      guest: UserId;
      /** How it ended. */
      result: RequestResult;
      /** The host who answered it. */
      host: UserId | null;
    }
  /** The applicant: a host has answered. */
  | {
      event: "applicationAnswered";
      /** The room. */
      room: RoomId;
      /** Whether you have the seat. */
      accepted: boolean;
      /** Who answered. */
      host: UserId;
    }
  /** The applicant: nobody has answered. */
  | {
      event: "applicationUnanswered";
      /** The room. */
      room: RoomId;
      /** Why. */
      reason: NoResponse;
    }
  /** The guest: a host offers a seat. */
  | {
      event: "invitationReceived";
      /** The room. */
      room: RoomId;
      /** Who. */
      host: UserId;
      /** Nick and picture. */
      profile: Profile;
      /** The seat, or any. */
      seat: number | null;
    }
  /** The guest: the offer is no longer open. */
  | {
      event: "invitationEnded";
      /** The room. */
      room: RoomId;
      /** Whose. */
      host: UserId;
      /** How it ended. */
      result: RequestResult;
    }
  /** The host: the guest has answered. */
  | {
      event: "invitationAnswered";
      /** The room. */
      room: RoomId;
      /** Whether the guest sits now. */
      accepted: boolean;
      /** Who answered. */
      guest: UserId;
    }
  /** The host: the guest has not answered. */
  | {
      event: "invitationUnanswered";
      /** The room. */
      room: RoomId;
      /** Who. */
      guest: UserId;
      /** Why. */
      reason: NoResponse;
    }
  /** You were taken off your seat. */
  | {
      event: "kickedOffSeat";
      /** The room. */
      room: RoomId;
      /** The seat you had. */
      seat: number;
      /** By whom; none is the operator. */
      host: UserId | null;
    }
  /** Hosts: another room asks to connect. */
  | {
      event: "coHostRequested";
      /** The room. */
      room: RoomId;
      /** The room that asks. */
      other: RoomId;
      /** The other page's own text. */
      extension: string;
    }
  /** Hosts of both rooms: a request is no longer open. */
  | {
      event: "coHostRequestEnded";
      /** The room. */
      room: RoomId;
      /** The other room. */
      other: RoomId;
      /** Whether this room had asked. */
      sent: boolean;
      /** How it ended. */
      result: RequestResult;
    }
  /** Other rooms came to this one or left it. */
  | {
      event: "coHostsChanged";
      /** The room. */
      room: RoomId;
      /** All rooms that are connected with it. */
      coHosts: CoHostView[];
    }
  /** The anchors of a connected room changed. */
  | {
      event: "coHostAnchors";
      /** The room. */
      room: RoomId;
      /** The connected room. */
      other: RoomId;
      /** All of its anchors. */
      anchors: MemberView[];
    }
  /** A host has closed your device, or lets you open it again. */
  | {
      event: "deviceChanged";
      /** The room. */
      room: RoomId;
      /** Which. */
      device: Device;
      /** `false` is closed; `true` lifts the lock and turns nothing on. */
      open: boolean;
    };

/** Why somebody is no longer there. */
export type LeaveReason =
  /** By own wish. */
  | "left"
  /** Became audience. */
  | "switchedRole"
  /** The connection was lost and not resumed in time. */
  | "lost"
  /** Removed by a host or the operator. */
  | "kicked"
  /** The same user has logged in elsewhere. */
  | "replaced"
  /** The room has ended. */
  | "roomEnded";

/** Why a client was removed, as the media client's interface names it. */
export type RemovalReason =
  /** By a host or the operator. */
  | "kick"
  /** The same user has logged in elsewhere. */
  | "banned"
  /** The room was dismissed. */
  | "room-disband";

/** Who has removed a client. */
export type RemovedBy = "host" | "server" | "user";

/** How a seat request ended. */
export type RequestResult =
  /** A host or the guest said yes. */
  | "accepted"
  /** A host or the guest said no. */
  | "rejected"
  /** Taken back. */
  | "cancelled"
  /** Nobody answered in time. */
  | "timeout"
  /** The guest got a seat in another way. */
  | "alreadySeated"
  /** One of the two has left. */
  | "left";

/** Why a request had no answer. */
export type NoResponse =
  /** The time is over. */
  | "timeout"
  /** The guest got a seat in another way. */
  | "alreadySeated"
  /** The guest has left. */
  | "left";

/** What a client is told of a room's chat. */
export type ChatEvent =
  /** Somebody else has sent a message, or the room tells of its members. */
  | {
      event: "message";
      /** The room. */
      room: RoomId;
      /** The message. */
      message: Message;
    }
  /** A message of the history was taken back. */
  | {
      event: "messageRevoked";
      /** The room. */
      room: RoomId;
      /** The message, with nothing of what was said. */
      message: Message;
    }
  /** The room was liked; told at most twice a second. */
  | {
      event: "likes";
      /** The room. */
      room: RoomId;
      /** Since the room was made. */
      totalLikesReceived: number;
      /** Since the event before. */
      added: number;
      /** The last one who liked. */
      sender: UserId;
    }
  /** A user may not send for a time, or may again. */
  | {
      event: "userMuted";
      /** The room. */
      room: RoomId;
      /** Who. */
      user: UserId;
      /** For how long; 0 is no longer. */
      seconds: number;
    }
  /** Nobody but the hosts may send, or everybody may again. */
  | {
      event: "allMuted";
      /** The room. */
      room: RoomId;
      /** Whether from now on. */
      muted: boolean;
    }
  /** Texts that the room shares changed. */
  | {
      event: "attributesChanged";
      /** The room. */
      room: RoomId;
      /** New values by name. */
      set: Record<string, string>;
      /** Names that are gone. */
      deleted: string[];
    }
  /** Numbers that the room shares changed; told at most twice a second. */
  | {
      event: "countersChanged";
      /** The room. */
      room: RoomId;
      /** New values by name. */
      counters: Record<string, number>;
    };

/** What a client is told of its media. */
export type MediaEvent =
  /**
   * The server offers to send; answer with `answer`. The id of a media stream in it is the
   * public stream id of what is received.
   */
  | {
      event: "offer";
      /** Counts the offers of the receiving peer connection from 1. */
      revision: number;
      /** The SDP offer. */
      sdp: string;
    }
  /** The server has ended one's publishing peer connection; publish again to go on. */
  | {
      event: "publisherClosed";
      /** The room. */
      room: RoomId;
      /** Which of the two publications. */
      track: TrackKind;
      /** A plain sentence. */
      message: string;
    }
  /**
   * The best picture of a publication with several (`hasSmall`) that is wanted: encodings above it
   * need not be sent, and have to be as soon as a better one is wanted. Told when the publication
   * is live and whenever it changes. Nobody has to follow: what is sent all the same is not used.
   */
  | {
      event: "pictureWanted";
      /** The room. */
      room: RoomId;
      /** Which of the two publications. */
      track: TrackKind;
      /** `large`: all are to be sent; `small`: the small one alone. */
      picture: Picture;
    }
  /** The server has ended the receiving peer connection; subscribe again to go on. */
  | {
      event: "receiverClosed";
      /** A plain sentence. */
      message: string;
    }
  /**
   * The page has answered without the codec that a picture comes in: it is not sent, while the
   * sound goes on. Told once, until a picture comes that can be sent.
   */
  | {
      event: "codecMissing";
      /** The public stream id. */
      stream: string;
      /** `H264`, `VP8`, `VP9`, `AV1` or `H265`. */
      codec: string;
    }
  /**
   * The path to the page is too narrow for a picture: it is not sent for now, while the sound goes
   * on. Told again, with `false`, when it comes again. What one no longer subscribes to, and what a
   * new receiving peer connection brings, is not paused.
   */
  | {
      event: "videoPaused";
      /** The public stream id. */
      stream: string;
      /** Whether it pauses. */
      paused: boolean;
    }
  /** What one publishes can be played at the relay's addresses. */
  | {
      event: "relayStarted";
      /** The room. */
      room: RoomId;
      /** Which of the two publications. */
      track: TrackKind;
      /** The addresses. */
      relay: RelayAddresses;
    }
  /** What one publishes can no longer be played at the relay's addresses. */
  | {
      event: "relayStopped";
      /** The room. */
      room: RoomId;
      /** Which of the two publications. */
      track: TrackKind;
      /** The public stream id. */
      stream: string;
    }
  /**
   * Other ICE servers count from now on: the credentials of those before will end. Peer
   * connections take them up when ICE restarts.
   */
  | {
      event: "iceServersRenewed";
      /** For the `RTCPeerConnection`s of the page. */
      iceServers: IceServer[];
    }
  /**
   * Who is heard in a room, as often as `listenVolumes` has asked; those who are silent are
   * left out.
   */
  | {
      event: "volumes";
      /** The room. */
      room: RoomId;
      /** How loud each is. */
      volumes: UserVolume[];
    }
  /** The active speaker of a room changed. */
  | {
      event: "activeSpeaker";
      /** The room. */
      room: RoomId;
      /** Who; `null` is nobody. */
      user: UserId | null;
    }
  /** How good the transport of one's own media is, every 2 s. */
  | {
      event: "networkQuality";
      /** From the page to the server: 1 is best, 5 very bad, 6 down, 0 unknown. */
      uplinkNetworkQuality: number;
      /** From the server to the page, likewise. */
      downlinkNetworkQuality: number;
      /** Round trip of the publishing peer connection in milliseconds; 0 is unknown. */
      uplinkRTT: number;
      /** Loss to the server in percent. */
      uplinkLoss: number;
      /** Round trip of the receiving peer connection in milliseconds; 0 is unknown. */
      downlinkRTT: number;
      /** Loss from the server in percent. */
      downlinkLoss: number;
    }
  /**
   * How good the transports of those are who publish in a room, oneself included, every 2 s,
   * where `listenQualities` has asked.
   */
  | {
      event: "qualities";
      /** The room. */
      room: RoomId;
      /** Of those who were measured since the event before. */
      qualities: UserQuality[];
    };

/** How loud a user is. */
export interface UserVolume {
  /** Who. */
  user: UserId;
  /** 0 is silent, 100 as loud as can be. */
  volume: number;
}

/** How good the transport of a user's media is. */
export interface UserQuality {
  /** Who. */
  user: UserId;
  /** From the user to the server: 1 is best, 5 very bad, 6 down, 0 unknown. */
  uplinkNetworkQuality: number;
  /** From the server to the user, likewise. */
  downlinkNetworkQuality: number;
  /** Round trip in milliseconds, of what is published or else of what is received; 0 is unknown. */
  rtt: number;
  /** Loss to the server in percent. */
  uplinkLoss: number;
  /** Loss from the server in percent. */
  downlinkLoss: number;
}

/** Why a request was refused. */
export interface ErrorBody {
  /** The documented code of the interface that the request belongs to. */
  code: number;
  /** The documented codes of all interfaces, for pages that are written against one of them. */
  codes: ErrorCodes;
  /** What went wrong, in one word. */
  name: ErrorName;
  /** A plain sentence for the person who writes the page. */
  message: string;
  /** What is allowed, where that is a value or a bound. */
  allowed?: string;
  /** When to try again, in milliseconds, where waiting helps. */
  retryAfterMs?: number;
}

/** One refusal as three interfaces know it. */
export interface ErrorCodes {
  /** Chat groups. */
  chat: number;
  /** Live rooms and seats. */
  live: number;
  /** The media client. */
  rtc: number;
}

/**
 * What went wrong, in one word. The codes are those of interfaces that name several things
 * alike; this name is the same whatever interface asks.
 */
export type ErrorName =
  /** The frame is no request: no JSON object, no `type`, or over a bound. */
  | "malformed"
  /** No request has this `type`. */
  | "unknownType"
  /** A field is missing, unknown or of another kind. */
  | "badField"
  /** The server speaks another version of the protocol. */
  | "version"
  /** Nobody has logged in on this socket. */
  | "notLoggedIn"
  /** Somebody has logged in on this socket. */
  | "alreadyLoggedIn"
  /** The UserSig is refused. */
  | "userSigRefused"
  /** The UserSig has expired. */
  | "userSigExpired"
  /** The PrivateMapKey is refused, or missing, or gives no right to this. */
  | "privateMapKeyRefused"
  /** There is no such session any more. */
  | "sessionUnknown"
  /** Events that were missed are not kept any more: log in again. */
  | "eventsMissed"
  /** The request was answered before, and its answer is not kept any more. */
  | "answerGone"
  /** Another request of the session had this id. */
  | "idReused"
  /** Too many sessions come from one address. */
  | "tooManySessions"
  /** Requests come too fast. */
  | "tooFast"
  /** Too many requests wait for their result. */
  | "tooManyPending"
  /** Another part of the server did not answer in time. */
  | "timedOut"
  /** The server is going down. */
  | "serverStopping"
  /** The server has too much to do. */
  | "busy"
  /** Guests listen to chat and do nothing else. */
  | "guest"
  /** An id breaks its rules. */
  | "badId"
  /** A value breaks its rules. */
  | "badValue"
  /** No such room. */
  | "noSuchRoom"
  /** The room exists and belongs to somebody else. */
  | "roomTaken"
  /** The room exists and is one's own. */
  | "roomIsYours"
  /** Only hosts may do this, or only to those below. */
  | "noPermission"
  /** Only the owner may do this. */
  | "notOwner"
  /** One is not in the room. */
  | "notEntered"
  /** The named user is not in the room. */
  | "notMember"
  /** The owner cannot leave the chat, only dismiss the room. */
  | "ownerMayNotQuit"
  /** One is banned from the room. */
  | "banned"
  /** The token gives no right to this. */
  | "rightMissing"
  /** A list of the room or of the server is full. */
  | "full"
  /** The room runs in the other mode. */
  | "sceneDiffers"
  /** One has media in another room. */
  | "inOtherRoom"
  /** In rtc mode everybody is an anchor. */
  | "roleIsFixed"
  /** The audience does not publish. */
  | "audienceMayNotPublish"
  /** One does not publish this. */
  | "notPublished"
  /** A host or the token has closed the device. */
  | "deviceLocked"
  /** More seats than a room can have. */
  | "seatLimit"
  /** There is no such seat. */
  | "noSuchSeat"
  /** The user has another open request. */
  | "requestConflict"
  /** The seat is locked. */
  | "seatLocked"
  /** The seat is taken. */
  | "seatOccupied"
  /** The seat to move to is taken. */
  | "targetOccupied"
  /** One has applied already. */
  | "alreadyApplied"
  /** The user sits already. */
  | "alreadySeated"
  /** There is no such application or invitation. */
  | "notApplied"
  /** No seat is free. */
  | "allSeatsOccupied"
  /** The user is on no seat. */
  | "notSeated"
  /** The room has no seats. */
  | "noSeats"
  /** The list of users is empty. */
  | "emptyList"
  /** The two rooms are connected already. */
  | "coHostConnected"
  /** A request between the two rooms is open. */
  | "coHostPending"
  /** The other room is connected with others. */
  | "coHostElsewhere"
  /** The group of rooms is full. */
  | "coHostFull"
  /** There is no such request. */
  | "noCoHostRequest"
  /** The two rooms are not connected. */
  | "notConnected"
  /** One is muted for a time. */
  | "muted"
  /** Everybody but the hosts is muted. */
  | "allMuted"
  /** The text has a word that is not allowed. */
  | "sensitiveText"
  /** The message is too long. */
  | "tooLong"
  /** The app's own back end refuses the message. */
  | "refusedByApp"
  /** There is no such image. */
  | "imageMissing"
  /** The file is no image. */
  | "imageType"
  /** The image is too large. */
  | "imageSize"
  /** The message is somebody else's. */
  | "notYours"
  /** The message is not in the history. */
  | "noSuchMessage"
  /** The SDP or the fragment of it is refused. */
  | "badSdp"
  /** No codec of the offer is known. */
  | "noCommonCodec"
  /** The server carries as much media as it may. */
  | "mediaLimit"
  /** The stream is not live. */
  | "notLive"
  /** The stream id is refused. */
  | "badStreamId"
  /** The stream id is live under another user. */
  | "streamTaken"
  /** The peer connection is gone. */
  | "noPeerConnection"
  /** The ICE session is another one meanwhile. */
  | "staleIce"
  /** The peer connection has as many candidates as it takes. */
  | "tooManyCandidates"
  /** The answer is for another offer. */
  | "wrongRevision"
  /** One does not receive this. */
  | "notSubscribed"
  /** One receives as much as one may. */
  | "tooManySubscriptions"
  /** The publication has ended meanwhile, or is being set up. */
  | "publicationChanged"
  /** Relaying was not changed. */
  | "relayFailed"
  /** A push to another server was not begun. */
  | "pushFailed";

/** Why the server closes a socket. */
export const CloseCode = {
  /** Logged out. */
  loggedOut: 1000,
  /** The server is going down; log in again after a while. */
  serverStopping: 1001,
  /** What came is no WebSocket frame. */
  protocolError: 1002,
  /** Binary frames are not taken; allowed is one JSON object a text frame. */
  binary: 1003,
  /** A text frame was not UTF-8. */
  notUtf8: 1007,
  /** A frame was larger than login says is allowed. */
  tooLarge: 1009,
  /** A frame was no request with an id. */
  badFrame: 4000,
  /** The same user has logged in elsewhere. */
  loggedInElsewhere: 4001,
  /** Another socket has resumed the session. */
  resumedElsewhere: 4002,
  /** Nobody has logged in or resumed in time. */
  notLoggedIn: 4003,
  /** Pings were not answered; resume the session. */
  silent: 4008,
  /** Too much waited to be read; resume the session to go on. */
  tooSlow: 4009,
  /** Too many requests; keep to the limits that login tells. */
  tooFast: 4004,
  /** The server's operator has ended the session. */
  removed: 4005,
} as const;
