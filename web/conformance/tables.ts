/** The names that pages written for the vendor's packages use, as data. */

const words = (text: string): string[] => text.trim().split(/\s+/);

/* TWebLive */

export const TWEBLIVE_STATIC = words('createPusher createPlayer createIM checkSystemRequirements getDevices');

export const PUSHER_METHODS = words(`
  on off setLogLevel checkSystemRequirements getCameraList getMicrophoneList getCurrentCamera getCurrentMicrophone
  setCurrentCamera setCurrentMicrophone setRenderView startPush stopPush isPushing startCamera stopCamera startMicrophone
  stopMicrophone startScreenCapture stopScreenCapture getLiveStreamURL`);

export const PLAYER_METHODS = words(`
  on off setLogLevel setCustomConfig setRenderView startPlay isPlaying pauseVideo resumeVideo pauseAudio resumeAudio
  setPlayoutVolume resumePlay stopPlay`);

export const IM_METHODS = words(`
  on off setLogLevel login logout createRoom enterRoom exitRoom setMyProfile getMyProfile sendTextMessage sendCustomMessage
  sendImageMessage stopPush`);

export const TWEBLIVE_EVENTS: Record<string, string> = {
  IM_READY: 't_im_ready',
  IM_NOT_READY: 't_im_not_ready',
  IM_TEXT_MESSAGE_RECEIVED: 't_text_message_received',
  IM_CUSTOM_MESSAGE_RECEIVED: 't_custom_message_received',
  IM_IMAGE_MESSAGE_RECEIVED: 't_image_message_received',
  IM_REMOTE_USER_JOIN: 't_remote_user_join',
  IM_REMOTE_USER_LEAVE: 't_remote_user_leave',
  IM_KICKED_OUT: 't_kicked_out',
  IM_NET_STATE_CHANGED: 't_net_state_change',
  IM_PUSH_STOPPED: 't_push_stopped',
  PLAYER_PLAYING: 't_playing',
  PLAYER_PAUSE: 't_pause',
  PLAYER_WAITING: 't_waiting',
  PLAYER_TIMEUPDATE: 't_timeupdate',
  PLAYER_ERROR: 't_error',
  PLAYER_AUTOPLAY_NOT_ALLOWED: 't_autoplay_not_allowed',
  RTC_CONNECTION_STATE_CHANGED: 't_connection_state_changed',
  RTC_CLIENT_BANNED: 't_client_banned',
  RTC_NETWORK_QUALITY: 't_network-quality',
  RTC_SCREEN_CAPTURE_STOPPED: 't_screen_capture_stopped',
  RTC_CLIENT_ERROR: 't_rtc_client_error',
};

export const TWEBLIVE_TYPES: Record<string, string> = {
  MSG_PRIORITY_HIGH: 'High',
  MSG_PRIORITY_NORMAL: 'Normal',
  MSG_PRIORITY_LOW: 'Low',
  MSG_PRIORITY_LOWEST: 'Lowest',
  KICKED_OUT_MULT_ACCOUNT: 'multipleAccount',
  KICKED_OUT_MULT_DEVICE: 'multipleDevice',
  KICKED_OUT_USERSIG_EXPIRED: 'userSigExpired',
  NET_STATE_CONNECTED: 'connected',
  NET_STATE_CONNECTING: 'connecting',
  NET_STATE_DISCONNECTED: 'disconnected',
  ENTER_ROOM_SUCCESS: 'JoinedSuccess',
  ALREADY_IN_ROOM: 'AlreadyInGroup',
};

/** Codes that the player of FLV and HLS reports; `wording` gives them texts. */
export const CDN_CODES = [1, 2, 3, 4, 5, 11, 12, 13, 1001, 1002, 2032, 2048, 10001];

/* TRTC */

export const TRTC_STATIC = words(`
  VERSION Logger checkSystemRequirements isScreenShareSupported isSmallStreamSupported getDevices getCameras getMicrophones
  getSpeakers createClient createStream`);

export const TRTC_LEVELS: Record<string, number> = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, NONE: 5 };

export const TRTC_LOGGER = words('setLogLevel enableUploadLog disableUploadLog');

export const SYSTEM_DETAILS = words(`
  isBrowserSupported isWebRTCSupported isMediaDevicesSupported isH264EncodeSupported isH264DecodeSupported
  isVp8EncodeSupported isVp8DecodeSupported`);

export const CLIENT_METHODS = words(`
  join leave destroy publish unpublish subscribe unsubscribe switchRole getRemoteMutedState getTransportStats
  getLocalAudioStats getLocalVideoStats getRemoteAudioStats getRemoteVideoStats enableSmallStream disableSmallStream
  setSmallStreamProfile setRemoteVideoStreamType enableAudioVolumeEvaluation startPublishCDNStream stopPublishCDNStream
  startMixTranscode stopMixTranscode sendSEIMessage setProxyServer setTurnServer callExperimentalAPI
  setDefaultMuteRemoteStreams on off`);

export const CLIENT_EVENTS = words(`
  stream-added stream-removed stream-subscribed stream-updated connection-state-changed peer-join peer-leave mute-audio
  unmute-audio mute-video unmute-video client-banned network-quality audio-volume sei-message error`);

export const CLIENT_STATES = words('DISCONNECTED CONNECTING RECONNECTING CONNECTED');

export const STREAM_METHODS = words(`
  play stop resume close muteAudio muteVideo unmuteAudio unmuteVideo getId getUserId setAudioOutput setAudioVolume
  getAudioLevel hasAudio hasVideo getAudioTrack getVideoTrack getVideoFrame on off`);

export const LOCAL_STREAM_METHODS = words(`
  initialize setAudioProfile setVideoProfile setScreenProfile setVideoContentHint switchDevice addTrack removeTrack
  replaceTrack setAudioCaptureVolume`);

export const REMOTE_STREAM_METHODS = words('getType');

export const STREAM_EVENTS = words('player-state-changed screen-sharing-stopped connection-state-changed device-auto-recovered error');

/** Width, height, frames a second, kbit/s. */
export const CAMERA: Record<string, [number, number, number, number]> = {
  '120p': [160, 120, 15, 200],
  '120p_2': [160, 120, 15, 100],
  '180p': [320, 180, 15, 350],
  '180p_2': [320, 180, 15, 150],
  '240p': [320, 240, 15, 400],
  '240p_2': [320, 240, 15, 200],
  '360p': [640, 360, 15, 800],
  '360p_2': [640, 360, 15, 400],
  '480p': [640, 480, 15, 900],
  '480p_2': [640, 480, 15, 500],
  '720p': [1280, 720, 15, 1500],
  '1080p': [1920, 1080, 15, 2000],
  '1440p': [2560, 1440, 30, 4860],
  '4K': [3840, 2160, 30, 9000],
};

export const SCREEN: Record<string, [number, number, number, number]> = {
  '480p': [640, 480, 5, 900],
  '480p_2': [640, 480, 30, 1000],
  '720p': [1280, 720, 5, 1200],
  '720p_2': [1280, 720, 30, 3000],
  '1080p': [1920, 1080, 5, 1600],
  '1080p_2': [1920, 1080, 30, 4000],
};

/** Channels, kbit/s. */
export const AUDIO: Record<string, [number, number]> = { standard: [1, 40], 'standard-stereo': [2, 64], high: [1, 128], 'high-stereo': [2, 192] };

export const TRTC_ERRORS: Record<string, number> = {
  INVALID_PARAMETER: 0x1000,
  INVALID_OPERATION: 0x1001,
  NOT_SUPPORTED: 0x1002,
  DEVICE_NOT_FOUND: 0x1003,
  INITIALIZE_FAILED: 0x1004,
  SIGNAL_CHANNEL_SETUP_FAILED: 0x4001,
  SIGNAL_CHANNEL_ERROR: 0x4002,
  ICE_TRANSPORT_ERROR: 0x4003,
  JOIN_ROOM_FAILED: 0x4004,
  CREATE_OFFER_FAILED: 0x4005,
  SIGNAL_CHANNEL_RECONNECTION_FAILED: 0x4006,
  UPLINK_RECONNECTION_FAILED: 0x4007,
  DOWNLINK_RECONNECTION_FAILED: 0x4008,
  REMOTE_STREAM_NOT_EXIST: 0x4010,
  CLIENT_BANNED: 0x4040,
  SERVER_TIMEOUT: 0x4041,
  SUBSCRIPTION_TIMEOUT: 0x4042,
  PLAY_NOT_ALLOWED: 0x4043,
  DEVICE_AUTO_RECOVER_FAILED: 0x4044,
  START_PUBLISH_CDN_FAILED: 0x4045,
  STOP_PUBLISH_CDN_FAILED: 0x4046,
  START_MIX_TRANSCODE_FAILED: 0x4047,
  STOP_MIX_TRANSCODE_FAILED: 0x4048,
  NOT_SUPPORTED_H264: 0x4049,
  SWITCH_ROLE_FAILED: 0x404a,
  API_CALL_TIMEOUT: 0x404b,
  SCHEDULE_FAILED: 0x404c,
  API_CALL_ABORTED: 0x404d,
  UNKNOWN: 0xffff,
};

/* TIM */

export const TIM_METHODS = words(`
  login logout destroy on off setLogLevel registerPlugin createTextMessage createCustomMessage createImageMessage sendMessage
  resendMessage revokeMessage getMessageList createGroup joinGroup quitGroup dismissGroup getGroupProfile
  updateGroupProfile searchGroupByID getGroupOnlineMemberCount getGroupMemberList getGroupMemberProfile deleteGroupMember
  setGroupMemberMuteTime addGroupMember modifyMessage getGroupList getConversationList initGroupAttributes setGroupAttributes getGroupAttributes deleteGroupAttributes setGroupCounters
  increaseGroupCounter decreaseGroupCounter getGroupCounters getMyProfile updateMyProfile getUserProfile`);

export const TIM_EVENTS: Record<string, string> = {
  SDK_READY: 'sdkStateReady',
  SDK_NOT_READY: 'sdkStateNotReady',
  MESSAGE_RECEIVED: 'onMessageReceived',
  MESSAGE_REVOKED: 'onMessageRevoked',
  CONVERSATION_LIST_UPDATED: 'onConversationListUpdated',
  GROUP_LIST_UPDATED: 'onGroupListUpdated',
  KICKED_OUT: 'kickedOut',
  NET_STATE_CHANGE: 'netStateChange',
  PROFILE_UPDATED: 'onProfileUpdated',
  GROUP_ATTRIBUTES_UPDATED: 'groupAttributesUpdated',
  GROUP_COUNTER_UPDATED: 'onGroupCounterUpdated',
  ERROR: 'error',
};

export const TIM_TYPES: Record<string, string | number> = {
  MSG_TEXT: 'TIMTextElem',
  MSG_CUSTOM: 'TIMCustomElem',
  MSG_IMAGE: 'TIMImageElem',
  MSG_GRP_TIP: 'TIMGroupTipElem',
  MSG_PRIORITY_HIGH: 'High',
  MSG_PRIORITY_NORMAL: 'Normal',
  MSG_PRIORITY_LOW: 'Low',
  MSG_PRIORITY_LOWEST: 'Lowest',
  CONV_GROUP: 'GROUP',
  JOIN_STATUS_SUCCESS: 'JoinedSuccess',
  JOIN_STATUS_ALREADY_IN_GROUP: 'AlreadyInGroup',
  GRP_AVCHATROOM: 'AVChatRoom',
  GRP_TIP_MBR_JOIN: 1,
  GRP_TIP_MBR_QUIT: 2,
  GRP_TIP_MBR_KICKED_OUT: 3,
  GRP_TIP_MBR_SET_ADMIN: 4,
  GRP_TIP_MBR_CANCELED_ADMIN: 5,
  GRP_TIP_GRP_PROFILE_UPDATED: 6,
  GRP_TIP_MBR_PROFILE_UPDATED: 7,
  GRP_TIP_BAN_AVCHATROOM_MEMBER: 10,
  GRP_TIP_UNBAN_AVCHATROOM_MEMBER: 11,
  KICKED_OUT_MULT_ACCOUNT: 'multipleAccount',
  KICKED_OUT_MULT_DEVICE: 'multipleDevice',
  KICKED_OUT_USERSIG_EXPIRED: 'userSigExpired',
  KICKED_OUT_REST_API: 'REST_API_Kick',
  NET_STATE_CONNECTED: 'connected',
  NET_STATE_CONNECTING: 'connecting',
  NET_STATE_DISCONNECTED: 'disconnected',
};

/** Members of a message that was made and not yet sent. */
export const MESSAGE_MEMBERS = words(`
  ID type payload conversationID conversationType to from flow time status isRevoked priority nick avatar nameCard
  cloudCustomData sequence random`);

/** Codes of errors that are found in the page itself; those of the server, 2681 among them, come as they are. */
export const TIM_ERRORS = [2024, 2025, 2100, 2101, 2251, 2252, 2253, 2481, 2603, 2623, 2661, 2662, 2800, 2801, 2805, 2996, 2999, 10004, 70001];

/* The states of a live room */

interface State {
  values: string[];
  methods: string[];
}

export const LIVE_STATES: Record<string, State> = {
  useCoGuestState: {
    values: words('connected invitees applicants candidates'),
    methods: words(`
      applyForSeat cancelApplication acceptApplication rejectApplication inviteToSeat cancelInvitation acceptInvitation
      rejectInvitation disConnect subscribeEvent unsubscribeEvent`),
  },
  useLiveSeatState: {
    values: words('seatList canvas speakingUsers networkQualities avStatistics'),
    methods: words(`
      takeSeat leaveSeat lockSeat unlockSeat unLockSeat kickUserOutOfSeat moveUserToSeat openRemoteCamera closeRemoteCamera
      openRemoteMicrophone closeRemoteMicrophone muteMicrophone unmuteMicrophone startPlayStream stopPlayStream
      subscribeEvent unsubscribeEvent`),
  },
  useCoHostState: {
    values: words('coHostStatus connected applicant invitees candidates candidatesCursor mutedHosts'),
    methods: words(`
      requestHostConnection cancelHostConnection acceptHostConnection rejectHostConnection exitHostConnection
      getCoHostCandidates muteRemoteHostAudio subscribeEvent unsubscribeEvent`),
  },
  useLiveListState: {
    values: words('currentLive liveList liveListCursor'),
    methods: words('startLive createLive joinLive leaveLive endLive updateLiveInfo fetchLiveList fetchLiveInfo subscribeEvent unsubscribeEvent'),
  },
  useLiveAudienceState: {
    values: words('audienceList audienceCount'),
    methods: words('fetchAudienceList setAdministrator revokeAdministrator kickUserOutOfRoom disableSendMessage subscribeEvent unsubscribeEvent'),
  },
  useBarrageState: { values: words('messageList'), methods: words('sendTextMessage sendCustomMessage subscribeEvent unsubscribeEvent') },
  useLiveGiftState: { values: words('totalLikeCount'), methods: words('sendLikes sendGift subscribeEvent unsubscribeEvent') },
  useDeviceState: {
    values: words('microphoneStatus cameraStatus microphoneList cameraList speakerList currentMicrophone currentCamera currentSpeaker'),
    methods: words(`
      openLocalMicrophone closeLocalMicrophone openLocalCamera closeLocalCamera muteLocalAudio unmuteLocalAudio
      getMicrophoneList getCameraList getSpeakerList setCurrentMicrophone setCurrentCamera setCurrentSpeaker startScreenShare
      stopScreenShare`),
  },
};

/** Objects whose values are their names. */
export const LIVE_EVENTS: Record<string, string[]> = {
  HostEvent: words(`
    onGuestApplicationReceived onGuestApplicationCancelled onGuestApplicationProcessedByOtherHost onHostInvitationResponded
    onHostInvitationNoResponse`),
  GuestEvent: words(`
    onHostInvitationReceived onHostInvitationCancelled onGuestApplicationResponded onGuestApplicationNoResponse
    onGuestApplicationError onKickedOffSeat`),
  CoGuestEvent: words(`
    onHostInvitationReceived onHostInvitationCancelled onGuestApplicationResponded onGuestApplicationNoResponse
    onGuestApplicationError onKickedOffSeat`),
  CoHostEvent: words(`
    onGuestApplicationReceived onGuestApplicationCancelled onGuestApplicationProcessedByOtherHost onHostInvitationResponded
    onHostInvitationNoResponse onCoHostRequestReceived onCoHostRequestCancelled onCoHostRequestAccepted
    onCoHostRequestRejected onCoHostRequestTimeout onCoHostUserJoined onCoHostUserLeft`),
  LiveSeatEvent: words(`
    onLocalCameraOpenedByAdmin onLocalCameraClosedByAdmin onLocalMicrophoneOpenedByAdmin onLocalMicrophoneClosedByAdmin`),
  LiveListEvent: words('onLiveEnded onKickedOutOfLive'),
  LiveAudienceEvent: words(`
    onOwnerJoined onOwnerLeft onAdminJoined onAdminLeft onAudienceJoined onAudienceLeft onAudienceMessageDisabled`),
  BarrageEvent: words('onBarrageReceived onCustomMessageReceived'),
  LiveGiftEvents: words('ON_RECEIVE_LIKES_MESSAGE'),
};

/** Members whose names differ between releases are looked for by their values alone. */
export const LIVE_ENUMS: Record<string, Record<string, number | string>> = {
  DeviceStatus: { Off: 0, On: 1 },
  Role: { Owner: 0, Administrator: 1, GeneralUser: 2 },
  SuspendStatus: { None: 0, InBackground: 1, InCalling: 2 },
  TakeSeatMode: { FreeToTake: 1, ApplyToTake: 2 },
  MoveSeatPolicy: { AbortWhenOccupied: 0, ForceReplace: 1, SwapPosition: 2 },
  DeviceControlPolicy: { UnlockOnly: 1 },
  NoResponseReason: { timeout: 0, alreadySeated: 1 },
  CoHostStatus: { Connected: 'Connected', Disconnected: 'Disconnected' },
};

export const LIVE_VALUES: Record<string, number[]> = {
  NoResponseReason: [0, 1],
  ConnectionCode: [0, 1, 2, 3, 4, 5],
  CoHostLayoutTemplate: [600, 601, 400],
  LiveEndedReason: [1, 2],
  LiveKickedOutReason: [0, 1, 2, 3, 4, 5],
  NetworkQuality: [0, 1, 2, 3, 4, 5, 6],
};
