import type { Messages } from './en';

export const zh: Messages = {
  app: { title: 'weblive', skip: '跳到正文', nav: '主导航', home: '直播', goLive: '开播', lab: '普通流', language: '语言', theme: '外观', themeSystem: '跟随系统', themeLight: '浅色', themeDark: '深色', account: '{name} 的账号' },
  ui: { close: '关闭', dismiss: '知道了', notices: '通知', copy: '复制：{what}', copied: '已复制{what}', selected: '已选中{what}，请用键盘复制', cancel: '取消', save: '保存', retry: '重试', back: '返回直播列表', notFound: '没有这个页面', notFoundText: '这个地址不存在。所有直播都在首页。' },
  trouble: {
    permission: '请允许此页面使用摄像头和麦克风，然后重试。', device: '请检查设备是否已连接，以及是否被其他程序占用。', network: '服务器没有响应，请检查网络。', timeout: '没有及时得到回应，请重试。', connection: '你的网络无法传输音视频，请换一个网络。', unsupported: '此浏览器不支持。请使用新版 Chrome、Edge、Firefox 或 Safari。', busy: '服务器繁忙，请稍后再试。',
    tooFast: '操作太快，请稍等。', sensitiveText: '包含不允许的词。', tooLong: '内容太长。', full: '房间已满。', banned: '主播不允许你进入这个房间。', noPermission: '只有主播可以这样做。', muted: '主播已将你禁言。', allMuted: '现在只有主播可以发言。', imageType: '这个文件不是图片。', imageSize: '图片太大。', requestConflict: '还有一个请求未处理。', alreadyApplied: '你已经申请过了。', alreadySeated: '已经在麦上。', allSeatsOccupied: '没有空闲麦位。', seatLocked: '麦位已锁定。', noSuchRoom: '直播已结束。', userSigRefused: 'UserSig 与此应用和用户不符。', userSigExpired: 'UserSig 已过期，请获取新的。', deviceLocked: '主播已将其关闭。',
  },
  sign: {
    title: '登录', name: '你的名字', nameHint: '房间里的人都能看到。它保存在这个浏览器里。', namePlaceholder: '怎么称呼你？', rename: '修改名字', renamed: '你现在叫 {name}',
    app: '应用（SDKAppID）', user: '用户 ID', token: 'UserSig', tokenHint: '此服务器只允许其应用的用户进入。命令 “weblive usersig” 可生成 UserSig；应用的后端为每个用户签发。', signIn: '登录', signOut: '退出登录', needed: '登录后才能看到直播', neededText: '此服务器只允许其应用的用户进入。', failed: '无法登录', guest: '访客 {n}',
    elsewhere: '你已在别处登录', elsewhereText: '同一用户在另一个标签页或设备上登录，这里已退出。', useHere: '在这里使用', reconnecting: '连接已断开，正在重连…',
  },
  home: { title: '正在直播', others: '其他直播', count: '{n} 个房间 | {n} 个房间', empty: '现在没有人直播', emptyText: '来当第一个吧：摄像头、屏幕或测试卡都可以。你的房间会立刻出现在这里。', go: '开播', viewers: '{n} 人在看 | {n} 人在看', live: '直播', seats: '可上麦', failed: '无法读取直播列表', more: '显示更多', search: '筛选房间', none: '没有与“{query}”匹配的房间' },
  footer: { developers: '开发者', docs: '指南', examples: '示例', api: 'REST API' },
  golive: {
    title: '开播', intro: '检查画面和声音，取个标题，就可以开始了。', source: '来源', camera: '摄像头', screen: '屏幕', card: '测试卡', cardHint: '彩条、程序可读的时钟，以及每秒一声提示音。', screenHint: '浏览器会询问共享哪个屏幕、窗口或标签页。', chooseScreen: '选择共享内容', cameraDevice: '摄像头', microphone: '麦克风', level: '音量', noMic: '没有麦克风', profile: '画质', profile360p: '省流 · 360p', profile480p: '标清 · 480p', profile720p: '高清 · 720p', profile1080p: '全高清 · 1080p',
    name: '标题', nameDefault: '{name} 的直播', poster: '封面', posterHint: '大家进来之前在列表里看到的图。', posterFrame: '截取一帧', posterFile: '选择图片', posterRemove: '移除', posterAlt: '房间封面', posterAuto: '没有封面时，使用第一帧画面。', seats: '嘉宾麦位', seatsHint: '观众可以申请上麦，由你同意或邀请。', seatsNone: '无', seatsCount: '{n} 个 | {n} 个', start: '开播', starting: '正在开播…', preview: '预览', previewBlank: '你的画面会显示在这里', allow: '允许使用摄像头和麦克风', checks: '检测', checkOk: '此浏览器可以开播', checkBad: '此浏览器不能开播', camOff: '关闭摄像头', camOn: '打开摄像头', micOff: '麦克风静音', micOn: '取消麦克风静音',
    check: { isWebRTCSupported: 'WebRTC', isWebCodecsSupported: 'WebCodecs', isMediaDevicesSupported: '摄像头和麦克风权限', isScreenShareSupported: '屏幕共享', isSmallStreamSupported: '小流', isH264EncodeSupported: '发送 H.264', isH264DecodeSupported: '接收 H.264', isVp8EncodeSupported: '发送 VP8', isVp8DecodeSupported: '接收 VP8', isBrowserSupported: '浏览器', secure: '安全页面（HTTPS 或 localhost）', needsHttps: '浏览器只在 HTTPS 页面上开放摄像头和麦克风。这里可以使用测试卡。' }, yes: '是', no: '否', failed: '无法开播',
  },
  room: {
    joining: '正在进入房间…', online: '{n} 人在线 | {n} 人在线', host: '主播', you: '你', admin: '管理员', stage: '舞台', picture: '{name} 的画面', waitingHost: '主播暂时没有画面', waitingText: '有画面时会自动显示。', away: '{name} 正在刷新…', cameraOff: '摄像头已关闭', like: '点赞', mute: '静音', unmute: '取消静音', tapForSound: '点击播放声音', volume: '音量', full: '全屏', exitFull: '退出全屏', bullets: '弹幕', share: '分享', stats: '统计', statsHint: '按 i 键，或长按画面', leave: '离开', end: '结束直播', endTitle: '结束直播？', endText: '直播会停止，房间将对所有人关闭。', endConfirm: '结束', panel: '聊天、嘉宾和成员', frozen: '等待数据…', videoPaused: '画面已暂停：网络较慢', developer: '流地址', menu: '更多', duration: '已播 {time}', playNow: '播放',
    ended: '直播已结束', endedText: '感谢观看“{title}”。', endedHost: '你的直播已结束', endedStats: '本场数据', total: '访客', endedLikes: '点赞', lasted: '时长', goneTitle: '你已离开房间', gone: { kicked: '主播把你移出了房间。', elsewhere: '你已从另一设备进入。', network: '连接断开太久。', server: '服务器的管理方把你移出了房间。' }, noRoom: '这个房间没有直播', noRoomText: '直播已结束，或链接已失效。', failed: '无法进入房间', again: '重新进入',
  },
  lines: { title: '线路', auto: '自动', autoHint: '可用线路中最快的', webrtc: 'WebRTC', webrtcHint: '延迟最低', flv: 'HTTP-FLV', flvHint: '一秒以内', hls: 'HLS', hlsHint: '适合任何网络', delay: '延迟', measured: '由画面读出', estimated: '估计值', switched: '{from} 失败，已切换到 {to}' },
  chat: { title: '聊天', emoji: '表情', empty: '打个招呼吧，还没有人发言。', write: '说点什么', send: '发送', image: '发送图片', imageOf: '{name} 的图片', sending: '发送中…', failed: '未发送', newOnes: '{n} 条新消息 | {n} 条新消息', off: '现在只有主播可以发言', muted: '主播已将你禁言', messages: '消息' },
  guests: {
    title: '嘉宾', stage: '台上', apply: '申请上麦', applied: '等待主播同意…', cancel: '取消申请', leave: '下麦', applyHint: '由主播决定。通过后会打开你的摄像头和麦克风。', requests: '申请上麦', accept: '同意', reject: '拒绝', acceptOf: '同意 {name}', rejectOf: '拒绝 {name}', invite: '邀请上麦', invited: '已邀请', kick: '抱下麦', muteMic: '关闭麦克风', openMic: '允许打开麦克风', muteCam: '关闭摄像头', openCam: '允许打开摄像头', lock: '锁定麦位', unlock: '解锁麦位', seat: '{n} 号麦', free: '空闲', locked: '已锁定', manage: '对 {name} 的操作', noSeats: '这个房间没有嘉宾麦位。',
    askTitle: '要上麦吗？', askText: '{name} 邀请你上麦。你的摄像头和麦克风将会打开。', rejected: '主播拒绝了申请', timeout: '主播没有回应', accepted: '你已上麦', kicked: '你被抱下了麦', theyRejected: '{name} 拒绝了邀请', theyAccepted: '{name} 上麦了', noAnswer: '{name} 没有回应', wants: '{name} 申请上麦', hostClosedMic: '主播关闭了你的麦克风', hostClosedCam: '主播关闭了你的摄像头', hostOpenedMic: '你可以重新打开麦克风', hostOpenedCam: '你可以重新打开摄像头', micOn: '麦克风已开', micOff: '麦克风已关', camOn: '摄像头已开', camOff: '摄像头已关',
  },
  hosts: {
    title: '连线主播', connect: '与主播连线', text: '双方观众会同时看到并听到两边的画面和声音。', nobody: '现在没有其他主播在直播。', again: '刷新', invite: '邀请', inviteOf: '邀请 {name}', cancel: '撤回', cancelOf: '撤回对 {name} 的邀请', askTitle: '要连线吗？', askText: '{name} 邀请你连线：双方观众会看到你们并排出现。', accept: '连线', exit: '结束连线', mute: '对我的观众静音', unmute: '让我的观众听到', manage: '对 {name} 的操作', silenced: '已对本房间观众静音', visit: '去看 {name} 的直播',
    joined: '已与 {name} 连线', left: '与 {name} 的连线已结束', rejected: '{name} 拒绝了连线', noAnswer: '{name} 没有回应', gone: '{name} 的直播已结束', pending: '已邀请过 {name}', elsewhere: '{name} 正在与别人连线', full: '连线人数已满', later: '操作太快，请稍后再试',
  },
  people: { title: '成员', came: '{name} 进来了', muteAll: '仅主播可发言', mute: '禁言', unmute: '解除禁言', kick: '移出并禁止进入', kickTitle: '移出 {name}？', kickText: '对方会立刻离开房间，本场直播期间不能再进来。', makeAdmin: '设为管理员', takeAdmin: '取消管理员', muted: '已禁言', actions: '对 {name} 的操作', madeAdmin: '{name} 成为管理员', removed: '已移出 {name}' },
  share: { title: '分享房间', link: '链接', text: '来看直播“{title}”', code: '链接的二维码', scan: '用手机扫码', native: '分享…' },
  dev: { still: '静止画面', title: '流地址', text: '供 OBS、编码器和播放器使用。WHIP 发布到一路独立的普通流，其余播放主播的流。', open: '在普通流页面打开', room: '房间' },
  stats: { title: '统计', close: '关闭统计', line: '线路', size: '分辨率', fps: '帧率', bitrate: '码率', audio: '音频', video: '视频', codec: '编码', dropped: '丢帧', delay: '延迟', rtt: '往返', upLoss: '上行丢包', downLoss: '下行丢包', quality: '网络', sent: '发送', received: '接收', grades: { 0: '未知', 1: '极好', 2: '好', 3: '一般', 4: '差', 5: '很差', 6: '断开' } },
  studio: { controls: '直播控制', camera: '摄像头', microphone: '麦克风', screen: '共享屏幕', stopScreen: '停止共享', settings: '设备', cameraOff: '关闭摄像头', cameraOn: '打开摄像头', micOff: '麦克风静音', micOn: '取消麦克风静音', screenEnded: '屏幕共享已结束', health: '发送情况', weak: '你的网络较差', weakText: '观众可能会看到画面卡顿。', lower: '降低画质', lowered: '画质已改为 {size}', still: '现在发不出数据', stillText: '网络恢复后会自动继续。', upload: '上行', loss: '丢包' },
  recording: {
    title: '录像', one: '录像', badge: '录像', intro: '回看直播过的内容。录像要用地址打开：主办方知道地址，并会分享给您。', address: '录像地址', open: '观看', recent: '在此浏览器中看过', none: '还没有看过录像', noneText: '您打开过的录像会列在这里，并记住上次看到的位置。这份列表只保存在此浏览器中。', forget: '从列表中移除 {stream}', badAddress: '这不是录像地址。地址要包含流和录像的名称，例如 recordings/evening/1700000000123-5f1e02aa。', all: '全部录像',
    player: '播放器', picture: '{stream} 的录像画面', play: '播放', pause: '暂停', again: '重新播放', back: '后退 10 秒', forward: '前进 10 秒', seek: '播放位置', place: '{at}，共 {all}', speed: '速度：{speed}×', speedIs: '速度 {speed}×', normal: '正常', loading: '正在加载…', resumed: '从 {at} 继续', fromStart: '从头播放', soundOnly: '只有声音：这段录像没有画面。',
    began: '录制于 {when}', length: '时长 {length}', download: '下载 MP4', copyLink: '复制链接', addresses: '地址与快捷键', keys: '空格键播放或暂停；左右方向键后退或前进 5 秒，J 和 L 为 10 秒，0 到 9 跳到相应的十分之几；M 静音，F 全屏，< 和 > 改变速度。',
    trouble: { missing: '没有这段录像', early: '仍在录制中', unsigned: '此地址需要签名', expired: '此地址已过期', refused: '此页面不能播放该录像', busy: '现在观看的人太多', network: '无法加载录像', media: '此浏览器无法播放' },
    advice: { missing: '它已被删除，或者地址不完整。', early: '直播结束并生成文件后，会自动在这里出现。', unsigned: '请向给您地址的人索取新地址。', expired: '请向给您地址的人索取新地址。', refused: '主办方只允许特定页面播放。', busy: '请稍后再试。', network: '服务器没有响应，请检查网络。', media: '请使用新版 Chrome、Edge、Firefox 或 Safari。' },
  },
  lab: {
    title: '一次发布，三种观看', intro: '不带房间的普通流：WHIP 推入，WebRTC、HTTP-FLV 和 HLS 播出。', publish: '发布', watch: '观看', playAll: '全部播放', copyLink: '复制观看链接', linkCopied: '已复制观看链接', linkInBar: '观看链接在地址栏里', streamId: '流 ID', streamIdHint: '字母、数字、_ 和 -。打开同一 ID 的人看到同一路流。', source: '来源', token: '令牌', tokenLabel: 'UserSig，用于需要身份的服务器', tokenHint: '会出示给 WHIP 和 WHEP。命令 “weblive usersig” 可生成。', startPublishing: '开始发布', stopPublishing: '停止发布', whatIsSent: '发送情况', previewBlank: '开始后画面会显示在这里。', needsHttps: '摄像头需要 HTTPS。这里可以使用测试卡。', cardPicture: '带彩条和时钟的测试卡', cameraPicture: '你的摄像头', delayNote: '测试卡的延迟由画面读出，其他画面为估计值。', addresses: '地址', addressesHint: '供编码器、播放器和 CDN 边缘使用。', delay: '延迟', delayMeasured: '延迟，由画面读出', delayEstimated: '延迟，估计值', picture: '{title} 画面', play: '播放', stop: '停止', mute: '静音', unmute: '取消静音', playOne: '播放 {title}', stopOne: '停止 {title}', muteOne: '静音 {title}', unmuteOne: '取消静音 {title}', fullOne: '{title}：全屏',
    line: { webrtc: '延迟最低，适合互动的嘉宾', flv: '一个持续的响应，一秒以内', hls: '2 秒切片，适合任何 CDN 和手机' },
    state: { idle: '已停止', connecting: '连接中', playing: '播放中', stalled: '等待数据', ended: '已结束', waiting: '尚未开播', lost: '已断开，重试中', failed: '无法播放' },
    blank: { idle: '点击播放即可观看。', connecting: '连接中…', ended: '流已结束。有人发布时会自动开始。', waiting: '现在没有人发布这路流。开始后会自动播放。', lost: '正在重试…', failed: '没有画面，原因见下方。', soundOnly: '只有声音：这路流没有画面。' },
    publishing: { idle: '未发布', opening: '正在打开来源', connecting: '连接中', live: '直播中', reconnecting: '重连中', ended: '被服务器结束', failed: '因错误停止' },
  },
};
